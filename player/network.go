package player

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/port843/port843/internal/dial"
	"github.com/port843/port843/internal/escape"
)

// DefaultPatience is how long a [Network] listens in all before it calls a
// place silent: more than three times what Flash Player waits, so that an
// answer which is late by seconds is told from none.
const DefaultPatience = 10 * time.Second

// DefaultConnect bounds a connect for a client that has no limit of its own:
// what the SYN retries of common systems take.
const DefaultConnect = synRetries

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Network asks over real sockets. The zero value is ready; it may be shared
// between goroutines once its fields are set.
type Network struct {
	Resolver Resolver      // nil: net.DefaultResolver
	Patience time.Duration // how long it listens in all; 0: DefaultPatience
	TLS      *tls.Config   // for https policies; nil: the system's roots
}

func (n *Network) patience() time.Duration {
	if n.Patience > 0 {
		return n.Patience
	}
	return DefaultPatience
}

// Lookup returns the addresses of a name in the system's order, IPv4-mapped
// ones as IPv4, the first [MaxAddresses] of them. An IP literal is its own.
func (n *Network) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	var r Resolver = net.DefaultResolver
	if n.Resolver != nil {
		r = n.Resolver
	}
	found, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	seen := map[netip.Addr]bool{}
	for _, a := range found {
		if a = a.Unmap(); !seen[a] && len(out) < MaxAddresses {
			seen[a] = true
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("the name has no address")
	}
	return out, nil
}

// Fetch asks a policy server, or a web server for its policy file.
func (n *Network) Fetch(ctx context.Context, q Query) *Observation {
	if !q.Location.IsSocket() {
		return n.fetchURL(ctx, q)
	}
	o, conn := n.connect(ctx, q)
	if conn == nil {
		return o
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	x := exchange{Observation: o, conn: conn, start: time.Now().Add(-o.Connected)}
	ending, err := x.run(q.Request, max(q.Limits.Answer, n.patience()))
	o.Done = time.Since(x.start)
	o.NUL, o.Closed = ending == EndNUL, ending == EndClose
	o.Outcome = Classify(o.Data, ending)
	if err != nil {
		o.Err = escape.Text(err.Error(), 200)
	}
	if ctx.Err() != nil && ending == EndWaited {
		o.Outcome = OutcomeCancelled
	}
	if q.TLS && len(o.Data) == 0 && (o.Outcome == OutcomeClosed || o.Outcome == OutcomeReset) && n.speaksTLS(ctx, q) {
		o.Outcome, o.Err = OutcomeTLS, "it closes a plain request, and answers a TLS handshake"
	}
	return o
}

// tlsProbe bounds the second question to a server that has closed the first.
const tlsProbe = 2 * time.Second

// speaksTLS reports whether a TLS handshake is answered by TLS. Many servers
// close a plain request without a word. No certificate is looked at: nothing
// is sent after the handshake.
func (n *Network) speaksTLS(ctx context.Context, q Query) bool {
	q.Limits.Connect = tlsProbe
	_, conn := n.connect(ctx, q)
	if conn == nil {
		return false
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, tlsProbe)
	defer cancel()
	first := &firstBytes{Conn: conn}
	err := tls.Client(first, &tls.Config{ServerName: q.Location.Host, InsecureSkipVerify: true}).HandshakeContext(ctx)
	return err == nil || foreign(first.seen) == OutcomeTLS
}

// firstBytes keeps the first bytes that are read off a connection.
type firstBytes struct {
	net.Conn
	seen []byte
}

func (c *firstBytes) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if room := 2 - len(c.seen); room > 0 {
		c.seen = append(c.seen, b[:min(n, room)]...)
	}
	return n, err
}

// Reach connects and closes at once.
func (n *Network) Reach(ctx context.Context, q Query) *Observation {
	o, conn := n.connect(ctx, q)
	if conn != nil {
		conn.Close()
		o.Outcome, o.Done = OutcomeConnected, o.Connected
	}
	return o
}

// connect dials the very address of the query. Without a connection the
// observation says why.
func (n *Network) connect(ctx context.Context, q Query) (*Observation, net.Conn) {
	o := &Observation{Addr: netip.AddrPortFrom(q.Addr, q.Location.Port)}
	limit := q.Limits.Connect
	if limit <= 0 {
		limit = DefaultConnect
	}
	r := dial.Connect(ctx, o.Addr, limit)
	if r.Conn != nil {
		o.Connected = max(r.Took, 1)
		return o, r.Conn
	}
	o.Done = max(r.Took, 1)
	o.Outcome = dialOutcomes[r.Outcome]
	if r.ICMP != nil {
		o.Outcome = OutcomeRejected
		o.ICMP = &ICMP{From: r.ICMP.From, Type: uint8(r.ICMP.Type), Code: uint8(r.ICMP.Code)}
	}
	if ctx.Err() != nil {
		o.Outcome = OutcomeCancelled
	}
	o.Err = escape.Text(plainError(r.Err), 200)
	return o, nil
}

// dialOutcomes names the end of a connect as observations do. What this machine
// failed at (among it its own firewall and sandbox) is no word of the other.
var dialOutcomes = [...]Outcome{
	dial.Refused: OutcomeRefused, dial.Rejected: OutcomeRejected, dial.Unreachable: OutcomeUnreachable,
	dial.Dropped: OutcomeDropped, dial.Local: OutcomeFailed, dial.Cancelled: OutcomeCancelled, dial.Reset: OutcomeReset,
}

// plainError returns the system's words without the addresses around them.
func plainError(err error) string {
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		return sys.Err.Error()
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err.Error()
	}
	return err.Error()
}

// exchange is one request and its answer.
type exchange struct {
	*Observation
	conn  net.Conn
	start time.Time
}

// run sends the request and reads until a NUL, the close, the bound, or the
// patience, whichever comes first.
func (x *exchange) run(request string, patience time.Duration) (Ending, error) {
	x.conn.SetDeadline(x.start.Add(patience))
	// A server that answers at once and closes may reset the write; what it
	// has sent is still there to be read.
	_, writeErr := io.WriteString(x.conn, request)
	buf := make([]byte, 8<<10)
	for {
		k, err := x.conn.Read(buf)
		if k > 0 {
			if ending, over := x.take(buf[:k]); over {
				return ending, nil
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return EndClose, nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return EndWaited, nil
		default:
			return EndReset, errors.Join(writeErr, errors.New(plainError(err)))
		}
	}
}

// take records one read, and reports whether the answer is over.
func (x *exchange) take(b []byte) (Ending, bool) {
	x.LastByte = time.Since(x.start)
	if x.FirstByte == 0 {
		x.FirstByte = x.LastByte
	}
	if len(x.Reads) < MaxReads {
		x.Reads = append(x.Reads, len(b))
	}
	for i, c := range b {
		switch {
		case c == 0 && len(x.Data)+i > 0:
			x.Data = append(x.Data, b[:i]...)
			return EndNUL, true
		case len(x.Data)+i == MaxRead:
			x.Data = append(x.Data, b[:i]...)
			return EndFull, true
		}
	}
	x.Data = append(x.Data, b...)
	// Other protocols may keep the connection open: enough has been seen.
	return EndWaited, foreign(x.Data) != OutcomeUnknown
}
