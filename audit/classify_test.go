package audit_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/audittest"
	"github.com/port843/port843/internal/dial"
)

const document = `<?xml version="1.0"?><cross-domain-policy><allow-access-from domain="*" to-ports="80"/></cross-domain-policy>`

// after makes a server that reads once and then does as it is told.
func after(pause time.Duration, text string) func(net.Conn) {
	return func(c net.Conn) {
		if n, _ := c.Read(make([]byte, 4096)); n > 0 {
			time.Sleep(pause)
			io.WriteString(c, text)
		}
	}
}

func policyWith(faults ...audit.Fault) audittest.Want {
	return audittest.Want{Class: audit.ClassPolicy, Faults: faults}
}

// strangers are what the impostors of audittest leave out: mixtures, slow
// starters and near misses.
func strangers() []audittest.Impostor {
	is := func(c audit.Class) audittest.Want { return audittest.Want{Class: c} }
	wide := ""
	for _, r := range document {
		wide += "\x00" + string(r)
	}
	list := func(name string, talk func(net.Conn), want audittest.Want) audittest.Impostor {
		return audittest.Impostor{Name: name, Talk: talk, Want: want}
	}
	return []audittest.Impostor{
		list("unasked after a while", func(c net.Conn) { time.Sleep(200 * time.Millisecond); io.WriteString(c, document+"\x00") }, policyWith(audit.Unasked)),
		list("unasked and slow", func(c net.Conn) { time.Sleep(time.Second); io.WriteString(c, document+"\x00") }, policyWith(audit.Slow, audit.Unasked)),
		list("any line", func(c net.Conn) { bufio.NewReader(c).ReadString('\n'); io.WriteString(c, document+"\x00") }, policyWith(audit.AnyRequest)),
		list("big-endian UTF-16", after(0, "\xfe\xff"+wide+"\x00\x00"), policyWith(audit.UTF16, audit.AnyRequest)),
		list("two NULs", after(0, document+"\x00\x00"), policyWith(audit.TrailingBytes, audit.AnyRequest)),
		list("a 400 with a policy", after(0, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/xml\r\n\r\n"+document), policyWith(audit.InHTTP)),
		list("slow and anyone's", after(time.Second, document+"\x00"), policyWith(audit.Slow, audit.AnyRequest)),
		list("a flood behind the NUL", func(c net.Conn) {
			c.Read(make([]byte, 4096))
			io.WriteString(c, document+"\x00")
			for err := error(nil); err == nil; {
				_, err = io.WriteString(c, strings.Repeat("x", 1000))
			}
		}, policyWith(audit.TrailingBytes, audit.FaultEndless, audit.AnyRequest)),
		list("SSH's banner before a policy", func(c net.Conn) {
			io.WriteString(c, "SSH-2.0-x\r\n")
			after(0, document+"\x00")(c)
		}, policyWith(audit.LeadingBytes, audit.SharedPort)),
		list("comments that end the root", after(0, "<!-- </cross-domain-policy> --><cross-domain-policy><!-- </cross-domain-policy> --><allow-access-from domain='*' to-ports='1'/></cross-domain-policy>\n\x00"), policyWith(audit.AnyRequest)),
		list("a policy that takes a minute", func(c net.Conn) {
			c.Read(make([]byte, 4096))
			for _, r := range document {
				if _, err := io.WriteString(c, string(r)); err != nil {
					return
				}
				time.Sleep(200 * time.Millisecond)
			}
		}, is(audit.ClassTarpit)),
		list("HTTP after a second", func(c net.Conn) {
			if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				time.Sleep(time.Second)
				io.WriteString(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")
			}
		}, is(audit.ClassHTTP)),
		list("Silverlight, 22 bytes and a reset", func(c net.Conn) {
			b := make([]byte, 22)
			if io.ReadFull(c, b); string(b) == "<policy-file-request/>" {
				io.WriteString(c, `<access-policy><cross-domain-access><policy><allow-from><domain uri="*"/></allow-from><grant-to><socket-resource port="4502" protocol="tcp"/></grant-to></policy></cross-domain-access></access-policy>`)
			}
		}, audittest.Want{Class: audit.ClassSilverlight, Faults: []audit.Fault{audit.NoNUL}}),
		list("an echo that closes", func(c net.Conn) { b := make([]byte, 4096); n, _ := c.Read(b); c.Write(b[:n]) }, is(audit.ClassEcho)),
		list("a slow echo", func(c net.Conn) {
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			time.Sleep(time.Second)
			c.Write(b[:n])
			io.Copy(c, c)
		}, is(audit.ClassEcho)),
		list("four bytes of an echo", func(c net.Conn) { b := make([]byte, 4); c.Read(b); c.Write(b); io.Copy(io.Discard, c) }, is(audit.ClassOther)),
		list("a reset after 100 ms", func(c net.Conn) { time.Sleep(100 * time.Millisecond); c.(*net.TCPConn).SetLinger(0) }, is(audit.ClassResetAtOnce)),
		list("telnet", func(c net.Conn) { io.WriteString(c, "\xff\xfd\x18\xff\xfd\x20"); io.Copy(io.Discard, c) }, is(audit.ClassOther)),
		list("XMPP", after(0, "<?xml version='1.0'?><stream:stream xmlns='jabber:client'>"), is(audit.ClassOther)),
		list("a greeting of two lines", func(c net.Conn) {
			io.WriteString(c, "220-hello\r\n220 smtp.example.com ESMTP\r\n")
			io.Copy(io.Discard, c)
		}, is(audit.ClassSMTP)),
	}
}

func TestStrangers(t *testing.T) {
	var prober audit.Prober
	var wg sync.WaitGroup
	for _, imp := range strangers() {
		s, err := imp.Start("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		wg.Go(func() {
			o := prober.Probe(t.Context(), audit.Target{Addr: s.Addr})
			check(t, imp, &o)
		})
	}
	wg.Wait()
}

// TestLive tries the ports of a policy of which one listens, and of one of
// which none does.
func TestLive(t *testing.T) {
	s, err := audittest.All()[0].Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	open := l.Addr().(*net.TCPAddr).AddrPort()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := gone.Addr().(*net.TCPAddr).AddrPort()
	gone.Close()
	defer l.Close()
	port := func(a netip.AddrPort) string { return strings.TrimPrefix(a.String(), "127.0.0.1:") }
	rule := func(ports string) string {
		return `<cross-domain-policy><allow-access-from domain="*" to-ports="` + ports + `"/></cross-domain-policy>`
	}
	var prober audit.Prober
	for _, c := range []struct {
		document string
		want     audit.Verdict
		all      bool
	}{
		{rule(port(open) + "," + port(closed)), audit.InUse, true},
		{rule(port(closed)), audit.Abandoned, true},
		{"<cross-domain-policy/>", audit.Unknown, true},
		{"no policy", audit.Unknown, true},
		{`<cross-domain-policy><site-control permitted-cross-domain-policies="none"/><allow-access-from domain="*" to-ports="` + port(open) + `"/></cross-domain-policy>`, audit.Unknown, true},
	} {
		life := prober.Live(t.Context(), audit.Target{Addr: s.Addr}, []byte(c.document))
		if life.Verdict != c.want || life.All != c.all {
			t.Errorf("%s: %+v, want %s", c.document, life, c.want)
		}
	}
	// What is too wide to try is never called abandoned.
	if life := prober.Live(t.Context(), audit.Target{Addr: netip.MustParseAddrPort("127.9.7.5:843")}, []byte(rule("*"))); life.Verdict != audit.Unknown || life.All || len(life.Closed) != audit.MaxLivePorts {
		t.Errorf("every port: %+v", life)
	}
}

// FuzzClassify: whatever came, the class is one of the set, and so are the
// faults, and nothing that is to be shown is raw.
func FuzzClassify(f *testing.F) {
	f.Add([]byte(document+"\x00"), []byte("HTTP/1.0 404 Not Found\r\n\r\n"), uint8(0))
	f.Add([]byte("SSH-2.0-x\r\n"), []byte{}, uint8(1))
	f.Add([]byte("\xff\xfe<\x00c\x00"), []byte("\x80\x00\x00\x18"), uint8(2))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<cros"), []byte("220 x\r\n"), uint8(3))
	f.Add([]byte("\x16\x03\x01\x00\x05"), []byte("\x05\x00"), uint8(4))
	ends := []audit.End{audit.EndClosed, audit.EndReset, audit.EndSilence, audit.EndFlow, audit.EndLimit}
	questions := []audit.Question{audit.AskQuietGet, audit.AskGet, audit.AskRPC, audit.AskSOCKS, audit.AskRTMP, audit.AskGreet, audit.AskQuiet22, audit.AskTLS, audit.AskSOCKS4, audit.AskPing}
	f.Fuzz(func(t *testing.T, first, second []byte, kind uint8) {
		cs := []audit.Conversation{
			{Question: audit.AskRequest, Outcome: dial.Established, End: ends[int(kind)%len(ends)], Sent: []byte("<policy-file-request/>\x00"), Data: first, Total: int64(len(first))},
			{Question: questions[int(kind)/len(ends)%len(questions)], Outcome: dial.Established, End: audit.EndClosed, Data: second, Raw: second, Early: len(second) / 2, Total: int64(len(second))},
		}
		o := audit.Classify(audit.Target{}, cs)
		if o.Class.Explain() == "" || o.Confidence < 0 || o.Confidence > 1 {
			t.Errorf("class %q, confidence %v", o.Class, o.Confidence)
		}
		for _, fault := range o.Faults {
			if fault.Explain() == "" {
				t.Errorf("fault %q", fault)
			}
		}
		shown := o.Banner + o.Product + o.Why
		if o.HTTP != nil {
			shown += o.HTTP.Server
		}
		if strings.ContainsFunc(shown, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("raw: %q", shown)
		}
		if q := audit.Next(cs); q != "" && slices.ContainsFunc(cs, func(c audit.Conversation) bool { return c.Question == q }) {
			t.Errorf("%s is asked twice", q)
		}
	})
}
