package badserver

import (
	"bytes"
	"io"
	"strings"
	"time"

	"github.com/port843/port843/policy"
)

const whole = Policy + "\x00"

// Mistakes returns every mistake. The slice is the caller's.
func Mistakes() []Mistake {
	ms := []Mistake{
		{Name: "answers-unread", handle: answersUnread,
			Does: "writes the policy to whoever connects, reads nothing and closes: the request in its queue makes the kernel send RST",
			Seen: "nginx with return, xinetd with cat, and four more"},
		{Name: "speaks-first", handle: func(p *peer) { p.SetDeadline(p.until); p.answer(whole) },
			Does: "writes the policy before it is asked, though it closes well",
			Seen: "whoever reads the guide's older text"},
		{Name: "no-nul", handle: ifAsked(func(p *peer) { p.answer(Policy) }),
			Does: "sends the document without the NUL that ends it",
			Seen: "eleven of 28 servers"},
		{Name: "all-at-once", handle: allAtOnce,
			Does: "takes its first read for the whole request, and refuses all but the 23 bytes",
			Seen: "Adobe's Python example, InspIRCd and others"},
		{Name: "needs-nul", handle: needsNUL,
			Does: "waits for the NUL before it answers",
			Seen: "servers that read up to a delimiter"},
		{Name: "two-writes", handle: ifAsked(twoWrites),
			Does: "writes the document, and a moment later the NUL",
			Seen: "servers on top of a template or a print"},
		{Name: "hangs-on-a-byte", handle: hangsOnAByte,
			Does: "has a deadline for the first byte, and none for the rest",
			Seen: "jelder's server, Adobe's Perl example under xinetd"},
		{Name: "serial", handle: Good().handle, serial: true, deadline: serially,
			Does: "serves one client after the other",
			Seen: "NandOX, vfpolicyd, Openfire"},
		{Name: "serial-for-ever", handle: withoutDeadline, serial: true,
			Does: "serves one client after the other, without a deadline",
			Seen: "Adobe's Perl example, lightsphere, andychase"},
		{Name: "no-deadline", handle: withoutDeadline,
			Does: "keeps a silent client for ever",
			Seen: "goroutine-per-connection servers without SetDeadline"},
		{Name: "naive", handle: naive,
			Does: "reads once, compares the beginning, writes, closes; no deadline",
			Seen: "the first Go server that one would write"},
		{Name: "closes-undrained", handle: ifAsked(func(p *peer) { io.WriteString(p, whole) }),
			Does: "closes as soon as it has written: what comes later, or is unread, is met by RST",
			Seen: "bg5sbk, dl-flashpolicyd, NandOX, vfpolicyd"},
		{Name: "renews-deadline", handle: renewsDeadline,
			Does: "starts its deadline anew with every byte",
			Seen: "socket timeouts, which are per read"},
		{Name: "dies-on-reset", handle: diesOnReset,
			Does: "takes the error of a reset connection for its own end",
			Seen: "vfpolicyd, jelder, andychase"},
		{Name: "http-headers", handle: ifAsked(func(p *peer) { p.answer("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n" + whole) }),
			Does: "puts HTTP headers before the XML",
			Seen: "the recipe with nginx and error_page 400"},
		{Name: "keeps-open", handle: ifAsked(keepsOpen),
			Does: "answers and waits for the client to close",
			Seen: "servers that keep connections alive"},
		{Name: "endless", handle: ifAsked(endless),
			Does: "never stops to answer",
			Seen: "character generators, and attackers of clients"},
		{Name: "echo", handle: func(p *peer) { io.Copy(p, p) },
			Does: "sends back what it gets, for as long as it gets something",
			Seen: "the echo service on a port that a scan takes for a policy port"},
		{Name: "hoards", handle: hoards, deadline: lenient,
			Does: "keeps everything in memory until a request may be in it",
			Seen: "Adobe's Perl example, lightsphere, jelder, ripienaar, ohze"},
		{Name: "refuses-more", handle: refusesMore,
			Does: "refuses a request with anything but its NUL after it",
			Seen: "Adobe's Python example and InspIRCd"},
		{Name: "answers-anything", handle: answersAnything,
			Does: "answers whatever comes first",
			Seen: "servers that read, and do not look"},
		{Name: "misses-the-end", handle: missesTheEnd, deadline: lenient,
			Does: "takes the end of a client's stream for nothing yet, and waits on",
			Seen: "poll loops that overlook a read of no bytes"},
		{Name: "spins", handle: Good().handle, failed: func(*Server) bool { return true },
			Does: "accepts again at once when it has no descriptor left",
			Seen: "bg5sbk, jelder, InspIRCd"},
		{Name: "stops-accepting", handle: Good().handle, failed: func(s *Server) bool { <-s.hung; return false },
			Does: "never accepts again after accept has failed once",
			Seen: "ripienaar"},
		{Name: "exits", handle: Good().handle, failed: func(s *Server) bool { s.die(); return false },
			Does: "ends when accept fails",
			Seen: "ohze and Adobe's Python example"},
	}
	for i := range ms {
		if ms[i].deadline == 0 {
			ms[i].deadline = patience
		}
		if ms[i].failed == nil {
			ms[i].failed = waitAndGoOn
		}
	}
	return ms
}

// ifAsked reads a request as the good server does, and goes on with then.
func ifAsked(then func(*peer)) func(*peer) {
	return func(p *peer) {
		if p.request() {
			then(p)
		}
	}
}

func answersUnread(p *peer) { io.WriteString(p, whole) }

func allAtOnce(p *peer) {
	p.SetDeadline(p.until)
	n, _ := p.Read(p.held[:])
	if string(p.held[:n]) == policy.Request {
		p.answer(whole)
		return
	}
	p.finish()
}

func needsNUL(p *peer) {
	if !p.request() {
		return
	}
	for !bytes.Contains(p.held[:p.n], []byte{0}) {
		n, err := p.Read(p.held[p.n:])
		p.n += n
		if err != nil || n == 0 {
			return
		}
	}
	p.answer(whole)
}

func twoWrites(p *peer) {
	io.WriteString(p, Policy)
	time.Sleep(50 * time.Millisecond)
	p.answer("\x00")
}

func hangsOnAByte(p *peer) {
	p.SetDeadline(p.until)
	if n, err := p.Read(p.held[:1]); n == 0 || err != nil {
		return
	}
	p.n = 1
	p.until = time.Time{}
	ifAsked(func(p *peer) { p.answer(whole) })(p)
}

func withoutDeadline(p *peer) {
	p.until = time.Time{}
	Good().handle(p)
}

func naive(p *peer) {
	buf := make([]byte, 1024)
	n, err := p.Read(buf)
	if err == nil && bytes.HasPrefix(buf[:n], []byte("<policy-file-request/>")) {
		io.WriteString(p, whole)
	}
}

func renewsDeadline(p *peer) {
	for {
		p.SetDeadline(time.Now().Add(patience))
		n, err := p.Read(p.held[p.n:min(p.n+1, len(p.held))])
		p.n += n
		done, possible := match(p.held[:p.n])
		if done {
			p.answer(whole)
		}
		if done || !possible || err != nil || n == 0 {
			return
		}
	}
}

func diesOnReset(p *peer) {
	p.SetDeadline(p.until)
	for p.n < len(p.held) {
		n, err := p.Read(p.held[p.n:])
		p.n += n
		done, possible := match(p.held[:p.n])
		switch {
		case err != nil && strings.Contains(err.Error(), "reset"):
			p.server.die()
			return
		case done:
			p.answer(whole)
			return
		case err != nil || !possible:
			return
		}
	}
}

func keepsOpen(p *peer) {
	p.SetDeadline(time.Time{})
	io.WriteString(p, whole)
	io.Copy(io.Discard, p)
}

func endless(p *peer) {
	p.SetDeadline(time.Time{})
	text := strings.Repeat(Policy, 100)
	for {
		if _, err := io.WriteString(p, text); err != nil {
			return
		}
	}
}

func hoards(p *peer) {
	p.SetDeadline(p.until)
	var all []byte
	buf := make([]byte, 64<<10)
	for !bytes.Contains(all[max(0, len(all)-len(buf)-1):], []byte("/>")) {
		n, err := p.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil {
			return
		}
	}
	if done, _ := match(all); done {
		p.answer(whole)
	}
}

func refusesMore(p *peer) {
	if !p.request() {
		return
	}
	if after := bytes.SplitAfterN(p.held[:p.n], []byte("/>"), 2)[1]; len(after) > 0 && string(after) != "\x00" {
		p.finish()
		return
	}
	p.answer(whole)
}

func answersAnything(p *peer) {
	p.SetDeadline(p.until)
	if n, _ := p.Read(p.held[:]); n > 0 {
		p.answer(whole)
	}
}

func missesTheEnd(p *peer) {
	if p.request() {
		p.answer(whole)
		return
	}
	if p.n == 0 {
		time.Sleep(time.Until(p.until))
	}
}
