package player

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/port843/port843/policy"
)

// Dialer is a net.Dialer that connects only where the policy of the host
// permits it, for programs that must behave as a player. It looks the name up
// once; each address is asked for its own policy, and only an address that
// permits is dialled, so that a name which changes between question and
// connect (DNS rebinding) gains nothing. It may be shared between goroutines
// once its fields are set.
type Dialer struct {
	From    policy.Requestor // on whose behalf
	Client  *Profile         // nil: Flash()
	Fetcher Fetcher          // nil: a Network of its own
	Load    []Location
	Net     net.Dialer // for the connection itself
}

// DeniedError says that the policy does not permit the connection, or that
// what it says could not be determined; the verdict says which.
type DeniedError struct {
	Verdict *Verdict
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("socket policy: %s: %s", e.Verdict.Answer, e.Verdict.Because)
}

// DialContext connects to "host:port" over "tcp", "tcp4" or "tcp6". The error
// is a [*DeniedError] where no address is permitted, and the system's where all
// that are permitted cannot be connected to.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	target, err := dialTarget(network, address)
	if err != nil {
		return nil, err
	}
	f := d.Fetcher
	if f == nil {
		f = &Network{}
	}
	q := Question{From: d.From, Target: target, Client: d.Client, Load: d.Load}
	if q.Addrs, err = f.Lookup(ctx, target.Host()); err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	q.Addrs = suited(q.Addrs, network)
	if len(q.Addrs) == 0 {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errNoAddress}
	}
	v := Decide(ctx, f, q)
	permitted := v.permitted()
	if len(permitted) == 0 {
		return nil, &DeniedError{v}
	}
	var failed error
	for _, a := range permitted {
		conn, err := d.Net.DialContext(ctx, network, net.JoinHostPort(a.String(), strconv.Itoa(int(target.Port()))))
		if err == nil {
			return conn, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

var errNoAddress = errors.New("the name has no address of that kind")

func dialTarget(network, address string) (Target, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return Target{}, &net.OpError{Op: "dial", Net: network, Err: net.UnknownNetworkError(network)}
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Target{}, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	n, err := parsePort(port)
	if err == nil {
		err = checkHost(canonicalHost(host))
	}
	if err != nil {
		return Target{}, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	return SocketTarget(host, n), nil
}

// suited leaves out what the network excludes, and what is no address.
func suited(addrs []netip.Addr, network string) []netip.Addr {
	var out []netip.Addr
	for _, a := range addrs {
		if a.IsValid() && (network != "tcp4" || a.Is4()) && (network != "tcp6" || a.Is6()) {
			out = append(out, a)
		}
	}
	return out
}

// permitted returns the addresses at which the answer is yes. An exemption of
// the client holds for all of them.
func (v *Verdict) permitted() []netip.Addr {
	if len(v.Addresses) == 0 && v.Answer == Permitted {
		return v.Question.Addrs
	}
	var out []netip.Addr
	for _, f := range v.Addresses {
		if f.Answer == Permitted {
			out = append(out, f.Addr)
		}
	}
	return out
}
