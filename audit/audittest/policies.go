package audittest

import (
	"crypto/tls"
	"net"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/port843/port843/audit"
)

func policyServers() []Impostor {
	open := `<cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>`
	want := func(faults ...audit.Fault) Want { return Want{Class: audit.ClassPolicy, Faults: faults} }
	return []Impostor{
		{"good", "as the guide says", answering(good + "\x00"), want()},
		{"at-the-slash", "answers as soon as the request's /> is there, without its NUL", func(c net.Conn) {
			for b := ""; !strings.HasSuffix(b, "/>"); {
				piece := some(c)
				if b += string(piece); len(piece) == 0 || len(b) > 64 || !strings.HasPrefix("<policy-file-request/>", b[:1]) {
					finish(c)
					return
				}
				if strings.Contains(b, "/>") {
					break
				}
			}
			say(c, good+"\x00")
			finish(c)
		}, want()},
		{"two-writes", "the NUL in a segment of its own", func(c net.Conn) {
			if request(c) {
				say(c, good)
				time.Sleep(30 * time.Millisecond)
				say(c, "\x00")
			}
			finish(c)
		}, want()},
		{"deny-all", "grants nothing and says that it is meant", answering(`<cross-domain-policy><site-control permitted-cross-domain-policies="none"/></cross-domain-policy>` + "\x00"), want()},
		{"reset-behind", "closes with unread bytes: a reset follows the answer", func(c net.Conn) {
			if request(c) {
				say(c, good+"\x00")
				time.Sleep(20 * time.Millisecond)
				reset(c)
			}
		}, want()},
		{"exactly-22", "compares what it reads with 22 bytes, as Silverlight's samples do", func(c net.Conn) {
			if string(some(c)) == "<policy-file-request/>" {
				say(c, good+"\x00")
			}
			finish(c)
		}, want()},
		{"no-nul", "forgets the NUL, as half of all servers do", answering(good), want(audit.NoNUL)},
		{"newline", "a file with its line break, and no NUL", answering(good + "\r\n"), want(audit.NewlineForNUL)},
		{"backslash-zero", "sends the two characters \\0, from a shell script", answering(good + `\0`), want(audit.NoNUL, audit.TrailingBytes)},
		{"greeting-before", "greets before it answers", answering("welcome\r\n" + good + "\x00"), want(audit.LeadingBytes)},
		{"blank-before", "a blank line before the XML declaration", answering("\r\n" + good + "\x00"), want(audit.LeadingBytes)},
		{"bytes-after", "an application's greeting behind the NUL", answering(good + "\x00" + "hello\n"), want(audit.TrailingBytes)},
		{"held-open", "waits for the client to close", func(c net.Conn) {
			if request(c) {
				say(c, good+"\x00")
			}
			hold(c)
		}, want(audit.HeldOpen)},
		{"held-open-no-nul", "neither NUL nor close: Flash Player never gets it", func(c net.Conn) {
			if request(c) {
				say(c, good)
			}
			hold(c)
		}, want(audit.NoNUL, audit.HeldOpen)},
		{"slow", "answers after 1.5 seconds", func(c net.Conn) {
			if request(c) {
				time.Sleep(1500 * time.Millisecond)
				say(c, good+"\x00")
			}
			finish(c)
		}, want(audit.Slow)},
		{"dribbling", "answers in drops", func(c net.Conn) {
			if request(c) {
				pieces(c, good+"\x00", 12, 70*time.Millisecond)
			}
			finish(c)
		}, want(audit.Slow)},
		{"late", "answers after 3.2 seconds: Flash Player has gone", func(c net.Conn) {
			if request(c) {
				time.Sleep(3200 * time.Millisecond)
				say(c, good+"\x00")
			}
			finish(c)
		}, want(audit.Late)},
		{"bom", "an editor's byte order mark", answering("\xef\xbb\xbf" + good + "\x00"), want(audit.BOM)},
		{"utf16", "UTF-16 with its mark", answering(wide(good, "\xff\xfe") + "\x00\x00"), want(audit.UTF16)},
		{"malformed", "an end tag is missing its slash", answering(`<cross-domain-policy><allow-access-from domain="*" to-ports="*"></cross-domain-policy>` + "\x00"), want(audit.Malformed)},
		{"unclosed", "no end tag, but a NUL", answering(`<cross-domain-policy><allow-access-from domain="*" to-ports="*"/>` + "\x00"), want(audit.Malformed)},
		{"upper-case", "XML is case-sensitive", answering(strings.ToUpper(open) + "\x00"), want(audit.Malformed)},
		{"url-policy", "a crossdomain.xml on the wrong port", answering(`<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>` + "\x00"), want(audit.NoToPorts)},
		{"empty", "no rule at all", answering("<cross-domain-policy></cross-domain-policy>\x00"), want(audit.Empty)},
		{"lone-nul", "the file is gone, the NUL is not", answering("\x00"), want(audit.Empty)},
		{"entities", "a billion laughs", answering(`<!DOCTYPE cross-domain-policy [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><cross-domain-policy>&b;</cross-domain-policy>` + "\x00"), want(audit.HostileXML)},
		{"foreign-file", "a document type that names a file", answering(`<!DOCTYPE cross-domain-policy SYSTEM "file:///etc/passwd">` + open + "\x00"), want(audit.HostileXML)},
		{"too-deep", "twenty thousand elements deep", answering("<cross-domain-policy>" + strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200) + "</cross-domain-policy>\x00"), want(audit.HostileXML)},
		{"oversize", "a rule for each machine of the company", answering(rules(200) + "\x00"), want(audit.Oversize)},
		{"huge", "half a megabyte", answering(rules(7000) + "\x00"), want(audit.Oversize)},
		{"endless", "rules without end", func(c net.Conn) {
			if !request(c) {
				return
			}
			say(c, "<cross-domain-policy>")
			for rule := strings.Repeat(`<allow-access-from domain="*" to-ports="*"/>`, 100); ; {
				if _, err := c.Write([]byte(rule)); err != nil {
					return
				}
			}
		}, want(audit.FaultEndless)},
		{"nginx-error-page", "a much copied recipe: error_page 400 = /crossdomain.xml", func(c net.Conn) {
			some(c)
			say(c, "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n"+open)
			finish(c)
		}, want(audit.InHTTP)},
		{"unasked", "speaks before it is asked, as nginx's return does", func(c net.Conn) { say(c, good+"\x00"); finish(c) }, want(audit.Unasked)},
		{"any-request", "does not look at the request", func(c net.Conn) {
			if len(some(c)) > 0 {
				say(c, good+"\x00")
			}
			finish(c)
		}, want(audit.AnyRequest)},
		{"shares-with-http", "a web server that knows the request by its first byte", func(c net.Conn) {
			if b := some(c); len(b) > 0 && b[0] == '<' {
				say(c, good+"\x00")
			} else if len(b) > 0 {
				say(c, "HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n")
			}
			finish(c)
		}, want(audit.SharedPort)},
		{"shares-with-chat", "a chat server that answers in band", func(c net.Conn) {
			if b := some(c); len(b) > 0 && b[0] == '<' {
				say(c, good+"\x00")
			} else if len(b) > 0 {
				say(c, "?SYNTAX\r\n")
			}
			finish(c)
		}, want(audit.SharedPort)},
		{"shares-with-greeting", "a game server that greets whoever is silent", func(c net.Conn) {
			c.SetReadDeadline(time.Now().Add(150 * time.Millisecond))
			if b := some(c); len(b) > 0 && b[0] == '<' {
				say(c, good+"\x00")
			} else {
				say(c, "GAME 1.7 ready\n")
			}
			finish(c)
		}, want(audit.SharedPort)},
		{"cut-short", "closes in the middle", answering(good[:len(good)/2]), want(audit.CutShort)},
		{"cut-in-the-name", "closes in the middle of the root's name", answering(`<?xml version="1.0"?><cross-dom`), want(audit.CutShort)},
		{"stalled", "stops in the middle", func(c net.Conn) {
			if request(c) {
				say(c, good[:len(good)/2])
			}
			hold(c)
		}, want(audit.HeldOpen, audit.CutShort)},
		{"over-tls", "for SecureSocket: inside TLS only", inTLS(answering(good + "\x00")), want(audit.OverTLS)},
		{"konica-minolta", "a printer", answering("<?xml version=\"1.0\"?>\r\n<cross-domain-policy>\r\n    <site-control permitted-cross-domain-policies=\"master-only\"/>\r\n    <allow-access-from domain=\"*\" to-ports=\"59160\"/>\r\n</cross-domain-policy>\r\n\x00"),
			Want{Class: audit.ClassPolicy, Product: "Konica Minolta printer"}},
		{"policyfile-npm", "socket.io's companion, with its defaults", func(c net.Conn) {
			say(c, `<?xml version="1.0"?><!DOCTYPE cross-domain-policy SYSTEM "http://www.macromedia.com/xml/dtds/cross-domain-policy.dtd"><cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>`)
			finish(c)
		}, Want{Class: audit.ClassPolicy, Faults: []audit.Fault{audit.NoNUL, audit.Unasked}, Product: "policyfile (npm)"}},
		{"silverlight", "port 943's protocol", func(c net.Conn) {
			if strings.HasPrefix(string(some(c)), "<policy-file-request/>") {
				say(c, `<?xml version="1.0" encoding="utf-8"?><access-policy><cross-domain-access><policy><allow-from><domain uri="*"/></allow-from><grant-to><socket-resource port="4502-4534" protocol="tcp"/></grant-to></policy></cross-domain-access></access-policy>`+"\x00")
			}
			finish(c)
		}, Want{Class: audit.ClassSilverlight}},
	}
}

// rules is a long policy.
func rules(n int) string {
	return "<cross-domain-policy>" + strings.Repeat(`<allow-access-from domain="host-number-one-of-many.example.com" to-ports="9000"/>`, n) + "</cross-domain-policy>"
}

// wide writes text in little-endian UTF-16 behind a mark.
func wide(text, mark string) string {
	b := []byte(mark)
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

// inTLS serves talk inside TLS.
func inTLS(talk func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		inner := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{certificate()}})
		c.SetDeadline(time.Now().Add(10 * time.Second))
		if inner.Handshake() != nil {
			return
		}
		talk(inner)
		inner.CloseWrite()
		finish(c)
	}
}
