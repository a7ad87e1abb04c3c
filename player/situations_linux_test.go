package player

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

const (
	docHead  = `<cross-domain-policy>`
	docTail  = `</cross-domain-policy>`
	permit   = docHead + `<allow-access-from domain="www.example.com" to-ports="9000"/>` + docTail
	another  = docHead + `<allow-access-from domain="www.example.com" to-ports="9001"/>` + docTail
	metaNone = docHead + `<site-control permitted-cross-domain-policies="none"/><allow-access-from domain="*" to-ports="*"/>` + docTail
	only     = docHead + `<site-control permitted-cross-domain-policies="master-only"/>` + docTail
	ranged   = docHead + `<site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="*" to-ports="8990-9010"/>` + docTail
	everyone = docHead + `<allow-access-from domain="*" to-ports="*"/>` + docTail
)

// handler is one end of a connection; it need not close it.
type handler func(net.Conn)

// answer waits for the request, then sends the text.
func answer(text string) handler {
	return func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, len(policy.Request))); err == nil {
			io.WriteString(c, text)
		}
	}
}

// hold keeps the connection until the client closes it.
func hold(c net.Conn) { io.Copy(io.Discard, c) }

func then(first, next handler) handler { return func(c net.Conn) { first(c); next(c) } }

// late answers after the client has given up.
func late(text string, after time.Duration) handler {
	return func(c net.Conn) { time.Sleep(after); answer(text)(c) }
}

// dribble sends the text in single bytes, each in a segment of its own.
func dribble(text string, pause time.Duration) handler {
	return func(c net.Conn) {
		io.ReadFull(c, make([]byte, len(policy.Request)))
		for i := range len(text) {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(pause)
		}
	}
}

func endless(c net.Conn) {
	for {
		if _, err := io.WriteString(c, "<cross-domain-policy>"+strings.Repeat(" ", 4000)); err != nil {
			return
		}
	}
}

func reset(c net.Conn) {
	io.ReadFull(c, make([]byte, 1))
	c.(*net.TCPConn).SetLinger(0)
}

func tlsServer(t *testing.T) handler {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	conf := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return func(c net.Conn) { tls.Server(c, conf).Handshake() }
}

// names is a resolver with a table.
type names map[string][]string

func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var out []netip.Addr
	for _, s := range n[host] {
		out = append(out, netip.MustParseAddr(s))
	}
	if out == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return out, nil
}

// situation is one way in which the field looks. The address in {} is its own.
type situation struct {
	name    string
	serve   map[string]handler // "{}:843" -> what is there
	nft     []string           // rules for the address
	names   []string           // addresses of the host; nil: {}
	target  uint16             // 0: 9000
	client  string             // "": flash
	load    []uint16
	want    Answer
	reason  Reason
	master  Outcome
	step    string   // in the text of one
	because string   // in the verdict line
	advice  []string // exactly these codes
}

func situations(t *testing.T) []situation {
	at843 := func(h handler) map[string]handler { return map[string]handler{"{}:843": h, "{}:9000": hold} }
	return []situation{
		{name: "843 permits", serve: at843(answer(permit + "\x00")), want: Permitted, reason: ReasonRule, master: OutcomePolicy,
			step: `to-ports="9000"> permits`},
		{name: "843 permits another port", serve: map[string]handler{"{}:843": answer(another + "\x00")}, want: Denied, reason: ReasonNoRule,
			master: OutcomePolicy, step: "port 9000 is not in its ports", advice: []string{"to-ports"}},
		{name: "none", serve: at843(answer(metaNone + "\x00")), want: Denied, reason: ReasonMetaNone, master: OutcomePolicy,
			step: "site-control is none", advice: []string{"meta"}},
		{name: "master-only", serve: map[string]handler{"{}:843": answer(only + "\x00"), "{}:9000": answer(permit + "\x00")}, want: Denied,
			reason: ReasonMasterOnly, master: OutcomePolicy, step: "site-control is master-only", advice: []string{"rule"}},
		{name: "843 refused, the destination answers", serve: map[string]handler{"{}:9000": answer(permit + "\x00")}, want: Permitted,
			reason: ReasonRule, master: OutcomeRefused, step: "refused: nothing listens", advice: []string{"master"}},
		{name: "nothing anywhere", want: Denied, reason: ReasonNoPolicy, master: OutcomeRefused, advice: []string{"serve"}},
		{name: "843 dropped", serve: map[string]handler{"{}:9000": answer(permit + "\x00")}, nft: []string{"tcp dport 843 drop"}, want: Permitted,
			reason: ReasonRule, master: OutcomeDropped, step: "dropped: nothing answers the connect", advice: []string{"dropped", "master"}},
		{name: "843 rejected by ICMP", serve: map[string]handler{"{}:9000": answer(permit + "\x00")}, nft: []string{"tcp dport 843 reject with icmpx admin-prohibited"},
			want: Permitted, reason: ReasonRule, master: OutcomeRejected, step: "rejected by ICMP (type 3, code 13) from {}", advice: []string{"master"}},
		{name: "843 rejected as refused by ICMP", serve: map[string]handler{"{}:9000": answer(permit + "\x00")}, nft: []string{"tcp dport 843 reject with icmpx port-unreachable"},
			want: Permitted, reason: ReasonRule, master: OutcomeRejected, step: "rejected by ICMP (type 3, code 3) from {}", advice: []string{"master"}},
		{name: "843 silent", serve: map[string]handler{"{}:843": hold}, want: Denied, reason: ReasonNoPolicy, master: OutcomeSilent,
			step: "accepted, then silent", advice: []string{"silent"}},
		{name: "no NUL", serve: map[string]handler{"{}:843": answer(permit)}, want: Denied, reason: ReasonNoPolicy, master: OutcomeNoNUL,
			step: "closed without a NUL", advice: []string{"nul"}},
		{name: "no NUL and no close", serve: map[string]handler{"{}:843": then(answer(permit), hold)}, want: Denied, reason: ReasonNoPolicy,
			master: OutcomeNoNUL, step: "no NUL", advice: []string{"nul"}},
		{name: "no NUL for Lightspark", client: "lightspark", serve: at843(answer(ports("9000"))), want: Permitted, reason: ReasonRule, master: OutcomeNoNUL},
		{name: "late", serve: map[string]handler{"{}:843": late(permit+"\x00", testLimit*3/2)}, want: Denied, reason: ReasonNoPolicy,
			master: OutcomeLate, step: "too late: after", advice: []string{"late"}},
		{name: "HTTP on 843", serve: map[string]handler{"{}:843": answer("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")}, want: Denied, reason: ReasonNoPolicy, master: OutcomeHTTP,
			step: "a web server, not a policy server", advice: []string{"service"}},
		{name: "TLS on 843", serve: map[string]handler{"{}:843": tlsServer(t)}, want: Denied, reason: ReasonNoPolicy, master: OutcomeTLS,
			step: "a TLS server", advice: []string{"service"}},
		{name: "reset on 843", serve: map[string]handler{"{}:843": reset}, want: Denied, reason: ReasonNoPolicy, master: OutcomeReset,
			advice: []string{"service"}},
		{name: "closed on 843", serve: map[string]handler{"{}:843": answer("")}, want: Denied, reason: ReasonNoPolicy, master: OutcomeClosed,
			advice: []string{"service"}},
		{name: "endless on 843", serve: map[string]handler{"{}:843": endless}, want: Denied, reason: ReasonNoPolicy, master: OutcomeOversize,
			advice: []string{"service"}},
		{name: "dribbling on 843", serve: map[string]handler{"{}:843": dribble(permit+"\x00", time.Second)}, want: Denied, reason: ReasonNoPolicy,
			master: OutcomeUnfinished, step: "an answer that does not end", advice: []string{"unfinished"}},
		{name: "something else on 843", serve: map[string]handler{"{}:843": then(answer("SSH-2.0-OpenSSH_9.2\r\n"), hold)}, want: Denied, reason: ReasonNoPolicy,
			master: OutcomeForeign, step: `not a policy; it begins "SSH-2.0-OpenSSH_9.2`, advice: []string{"service"}},
		{name: "single bytes", serve: at843(dribble(permit+"\x00", time.Millisecond)), want: Permitted, reason: ReasonRule, master: OutcomePolicy,
			step: "pieces", advice: []string{"pieces"}},
		{name: "single bytes for Lightspark", client: "lightspark", serve: map[string]handler{"{}:843": dribble(ports("9000")+"\x00", time.Millisecond)}, want: Denied,
			reason: ReasonNoPolicy, master: OutcomePolicy, step: "the client has read a part of it only", advice: []string{"pieces"}},
		{name: "a range for Lightspark", client: "lightspark", serve: at843(answer(ranged + "\x00")), want: Denied, reason: ReasonMasterOnly,
			master: OutcomePolicy, step: "of a range the first port alone", advice: []string{"enumerate"}},
		{name: "Lightspark hangs at a silent destination", client: "lightspark", serve: at843(answer(permit + "\x00")), want: Denied, reason: ReasonHangs,
			master: OutcomePolicy, because: "waits for xmlsocket://{}:9000 for ever", advice: []string{"silent"}},
		{name: "a policy above 1024 for a port below", target: 80, load: []uint16{8080}, serve: map[string]handler{"{}:8080": answer(everyone + "\x00"), "{}:80": answer("")},
			want: Denied, reason: ReasonNoRule, master: OutcomeRefused, step: "port 80 is below 1024, and the policy came from port 8080", advice: []string{"privileged"}},
		{name: "permitted, and nothing listens", serve: map[string]handler{"{}:843": answer(permit + "\x00")}, want: Permitted, reason: ReasonRule,
			master: OutcomePolicy, step: "{}:9000: refused", advice: []string{"destination"}},
		{name: "a policy of 5,000 bytes", serve: at843(answer(permit[:len(permit)-len(docTail)] + strings.Repeat(" ", 5000) + docTail + "\x00")), want: Permitted,
			reason: ReasonRule, master: OutcomePolicy, advice: []string{"size"}},
		{name: "IPv6 only", names: []string{"::1"}, serve: map[string]handler{"[::1]:843": answer(permit + "\x00"), "[::1]:9000": hold}, want: Permitted,
			reason: ReasonRule, master: OutcomePolicy, step: "is ::1"},
		{name: "IPv6 only for Unity", client: "unity", names: []string{"::1"}, want: Denied, reason: ReasonAddress,
			because: "IPv4 addresses only", advice: []string{"address"}},
		{name: "two addresses that differ", names: []string{"127.1.1.1", "127.1.1.2"},
			serve: map[string]handler{"127.1.1.1:843": answer(permit + "\x00"), "127.1.1.1:9000": hold, "127.1.1.2:843": answer(metaNone + "\x00")},
			want:  Undetermined, reason: ReasonDiffers, because: "permitted at 127.1.1.1, denied at 127.1.1.2", advice: []string{"addresses", "meta"}},
		{name: "one of two addresses is dead", names: []string{"127.1.2.1", "127.1.2.2"},
			serve: map[string]handler{"127.1.2.2:843": answer(permit + "\x00"), "127.1.2.2:9000": hold},
			want:  Permitted, reason: ReasonRule, master: OutcomePolicy, step: "127.1.2.1: refused", advice: []string{"dead-address"}},
		{name: "no way to the address", names: []string{"192.0.2.1"}, want: Undetermined, reason: ReasonUnroutable, master: OutcomeUnreachable,
			because: "there is no way to 192.0.2.1 from here", advice: []string{"route"}},
		{name: "no way to one of two addresses", names: []string{"2001:db8::1", "127.1.3.1"},
			serve: map[string]handler{"127.1.3.1:843": answer(permit + "\x00"), "127.1.3.1:9000": hold}, want: Permitted, reason: ReasonRule, master: OutcomePolicy},
		{name: "no such name", names: []string{}, want: Undetermined, reason: ReasonUnresolved, because: "has no address", advice: []string{"resolve"}},
	}
}

func ports(list string) string {
	return docHead + `<site-control permitted-cross-domain-policies="master-only"/><allow-access-from domain="*" to-ports="` + list + `"/>` + docTail
}

// testLimit stands for the 3 s of the shipped profiles, which the screens of
// docs/check.md show.
const testLimit = time.Second

// quick shortens the limits of a profile.
func quick(p *Profile) *Profile {
	c := *p
	for _, l := range []*Limits{&c.Master, &c.Destination, &c.Loaded} {
		if l.Connect > 0 {
			l.Connect = testLimit
		}
		if l.Answer > 0 {
			l.Answer = testLimit
		}
	}
	return &c
}

func TestSituations(t *testing.T) {
	if !need.Namespace(t, "") {
		return
	}
	nft(t, "add table inet test", "add chain inet test in { type filter hook input priority 0 ; }")
	all := situations(t)
	for i, s := range all {
		own := fmt.Sprintf("127.2.%d.1", i)
		for _, rule := range s.nft {
			nft(t, "add rule inet test in ip daddr "+own+" "+rule)
		}
		t.Run(s.name, func(t *testing.T) { t.Parallel(); s.run(t, own) })
	}
	t.Logf("%d situations", len(all))
}

func nft(t *testing.T, commands ...string) {
	t.Helper()
	for _, c := range commands {
		if out, err := exec.Command(need.Tool(t, "nft"), c).CombinedOutput(); err != nil {
			need.Kernel(t, "nft "+c+": "+string(out))
		}
	}
}

func (s situation) run(t *testing.T, own string) {
	here := strings.NewReplacer("{}", own)
	for addr, h := range s.serve {
		need.Serve(t, here.Replace(addr), h)
	}
	host, client := own, "flash"
	resolver := names{}
	if s.names != nil {
		host = "game.example.net"
		if resolver[host] = s.names; len(s.names) == 0 {
			delete(resolver, host)
		}
	}
	if s.client != "" {
		client = s.client
	}
	q := Question{Target: SocketTarget(host, max(s.target, 9000)), Client: quick(ProfileNamed(client)), Connect: true,
		From: policy.Requestor{Scheme: "http", Host: "www.example.com"}}
	if s.target != 0 {
		q.Target = SocketTarget(host, s.target)
	}
	for _, p := range s.load {
		q.Load = append(q.Load, SocketLocation(host, p))
	}
	v := Decide(t.Context(), &Network{Resolver: resolver, Patience: 3 * testLimit}, q)
	s.compare(t, v, here)
}

func (s situation) compare(t *testing.T, v *Verdict, here *strings.Replacer) {
	t.Helper()
	var text strings.Builder
	for _, step := range v.Steps {
		fmt.Fprintf(&text, "%7.3f %s %s (%.3f)\n", step.At.Seconds(), step.Kind, step.Text, step.Took.Seconds())
	}
	fmt.Fprintf(&text, "%s: %s\n", v.Answer, v.Because)
	if v.Answer != s.want || v.Reason != s.reason {
		t.Errorf("%s (%s), want %s (%s)", v.Answer, v.Reason, s.want, s.reason)
	}
	if len(v.Sources) > 0 && v.Sources[0].Observation.Outcome != s.master {
		t.Errorf("the master: %s, want %s", v.Sources[0].Observation.Outcome, s.master)
	}
	if want := here.Replace(s.step); !slices.ContainsFunc(v.Steps, func(x Step) bool { return strings.Contains(x.Text, want) }) {
		t.Errorf("no step with %q", want)
	}
	if want := here.Replace(s.because); !strings.Contains(v.Because, want) {
		t.Errorf("the verdict line has no %q", want)
	}
	var codes []string
	for _, a := range Advise(v) {
		codes = append(codes, a.Code)
	}
	slices.Sort(codes)
	if !slices.Equal(codes, s.advice) {
		t.Errorf("advice %v, want %v", codes, s.advice)
	}
	if t.Failed() {
		t.Log(text.String())
	}
}

// TestRejectedIPv6 reads ICMPv6 off the error queue.
func TestRejectedIPv6(t *testing.T) {
	if !need.Namespace(t, "") {
		return
	}
	nft(t, "add table inet test", "add chain inet test in { type filter hook input priority 0 ; }",
		"add rule inet test in tcp dport 843 reject with icmpx admin-prohibited")
	n := &Network{}
	o := n.Fetch(t.Context(), Query{Location: SocketLocation("::1", 843), Addr: netip.IPv6Loopback(), Request: policy.Request, Limits: Flash().Master})
	want := ICMP{From: netip.IPv6Loopback(), Type: 1, Code: 1}
	if o.Outcome != OutcomeRejected || o.ICMP == nil || *o.ICMP != want {
		t.Errorf("%s %v (%s), want rejected by %v", o.Outcome, o.ICMP, o.Err, want)
	}
	if o := n.Reach(t.Context(), Query{Location: SocketLocation("::1", 844), Addr: netip.IPv6Loopback()}); o.Outcome != OutcomeRefused || o.ICMP != nil {
		t.Errorf("port 844: %s %v, want refused without ICMP", o.Outcome, o.ICMP)
	}
	if o := n.Reach(t.Context(), Query{Location: SocketLocation("192.0.2.1", 843), Addr: netip.MustParseAddr("192.0.2.1")}); o.Outcome != OutcomeUnreachable {
		t.Errorf("an address without a route: %s, want unreachable", o.Outcome)
	}
}
