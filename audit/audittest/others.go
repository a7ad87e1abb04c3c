package audittest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/port843/port843/audit"
)

// All returns the impostors: policy servers with and without faults, and
// everything else that was met, or can be imagined, on the port.
func All() []Impostor { return append(append(policyServers(), protocols()...), mute()...) }

func protocols() []Impostor {
	is := func(class audit.Class) Want { return Want{Class: class} }
	return []Impostor{
		{"http", "a web server without a policy file", web("404 Not Found", "<html>no</html>"), Want{Class: audit.ClassHTTP, Web: "none"}},
		{"http-thoughtful", "a web server that takes 300 milliseconds for each answer", func(c net.Conn) {
			time.Sleep(300 * time.Millisecond)
			web("404 Not Found", "no")(c)
		}, Want{Class: audit.ClassHTTP, Web: "none"}},
		{"http-strict", "a web server that refuses the first wrong byte", func(c net.Conn) {
			if b := some(c); len(b) > 0 && b[0] == '<' {
				say(c, "HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbad\n")
			} else {
				say(c, "HTTP/1.1 404 Not Found\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n")
			}
			finish(c)
		}, Want{Class: audit.ClassHTTP, Web: "none", Product: "nginx"}},
		{"http-crossdomain", "a web server with a policy file", web("200 OK", `<cross-domain-policy><allow-access-from domain="*"/></cross-domain-policy>`), Want{Class: audit.ClassHTTP, Web: "policy"}},
		{"http-soft-404", "a page for everything, which quotes a policy", web("200 OK", "<html><pre><cross-domain-policy><allow-access-from domain=\"*\" to-ports=\"*\"/></cross-domain-policy></pre></html>"), Want{Class: audit.ClassHTTP, Web: "soft-404"}},
		{"ssh", "OpenSSH on an odd port", banner("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), Want{Class: audit.ClassSSH, Product: "OpenSSH_9.2p1 Debian-2"}},
		{"ssh-slow-start", "greets after 1.2 seconds", func(c net.Conn) {
			time.Sleep(1200 * time.Millisecond)
			say(c, "SSH-2.0-dropbear\r\n")
			hold(c)
		}, is(audit.ClassSSH)},
		{"ssh-mentions-policy", "a notice before the banner that speaks of policy files", banner("no <cross-domain-policy> here\r\nSSH-2.0-x\r\n"), is(audit.ClassSSH)},
		{"smtp", "a mail server", banner("220 mx.example.com ESMTP Postfix\r\n"), is(audit.ClassSMTP)},
		{"ftp", "an FTP server", banner("220 (vsFTPd 3.0.3)\r\n"), is(audit.ClassFTP)},
		{"smtp-bare", "greets with its name only, and takes EHLO", dialogue("220 mx.example.com ready\r\n", map[string]string{"EHLO": "250-mx.example.com\r\n250 SIZE\r\n"}, "500 what?\r\n"), is(audit.ClassSMTP)},
		{"ftp-bare", "greets with its name only, and does not", dialogue("220 files.example.com ready\r\n", map[string]string{"SYST": "215 UNIX Type: L8\r\n"}, "500 unknown command\r\n"), is(audit.ClassFTP)},
		{"mysql", "MySQL's first packet", banner("\x4a\x00\x00\x00\x0a8.0.36\x00" + strings.Repeat("\x01", 0x4a-8)), Want{Class: audit.ClassMySQL, Product: "8.0.36"}},
		{"mysql-refusing", "MySQL that does not know the client", func(c net.Conn) {
			say(c, "\x2e\x00\x00\x00\xff\x6a\x04Host '127.0.0.1' is not allowed to connect!")
			finish(c)
		}, is(audit.ClassMySQL)},
		{"redis", "Redis, which waits for a line", dialogue("", map[string]string{"PING": "+PONG\r\n", "GET": "-ERR wrong number of arguments for 'get' command\r\n"}, "-ERR unknown command\r\n"), is(audit.ClassRedis)},
		{"pop3", "its -ERR is not Redis's", dialogue("+OK POP3 ready\r\n", nil, "-ERR unknown\r\n"), is(audit.ClassOther)},
		{"vnc", "a remote desktop", banner("RFB 003.008\n"), is(audit.ClassVNC)},
		{"socks5", "a SOCKS 5 proxy", func(c net.Conn) {
			if b := some(c); len(b) > 2 && b[0] == 5 {
				c.Write([]byte{5, 0})
				hold(c)
			}
		}, is(audit.ClassSOCKS)},
		{"socks4", "a SOCKS 4 proxy", func(c net.Conn) {
			if b := some(c); len(b) > 7 && b[0] == 4 {
				c.Write([]byte{0, 0x5b, 0, 0, 0, 0, 0, 0})
				finish(c)
			}
		}, is(audit.ClassSOCKS)},
		{"rtmp", "a streaming server", func(c net.Conn) {
			hello := make([]byte, 1537)
			if _, err := io.ReadFull(c, hello); err == nil && hello[0] == 3 {
				c.Write(append(append([]byte{3}, bytes.Repeat([]byte{9, 1, 7, 3}, 384)...), hello[1:]...))
				hold(c)
			}
		}, is(audit.ClassRTMP)},
		{"tls-silent", "TLS, and nothing to say in it", inTLS(hold), Want{Class: audit.ClassTLS, Inside: audit.ClassSilent}},
		{"tls-http", "an HTTPS server", inTLS(web("404 Not Found", "no")), Want{Class: audit.ClassTLS, Inside: audit.ClassHTTP}},
		{"tls-alert", "TLS that answers clear text with an alert, and every handshake with another", func(c net.Conn) {
			if b := some(c); len(b) > 0 && b[0] != 0x16 {
				say(c, "\x15\x03\x01\x00\x02\x02\x46")
			} else if len(b) > 0 {
				say(c, "\x15\x03\x03\x00\x02\x02\x28")
			}
			finish(c)
		}, is(audit.ClassTLS)},
		{"rpc-statd", "rpc.statd, to which bindresvport() gave 843", rpcServer(100024), Want{Class: audit.ClassRPC, Program: 100024}},
		{"rpc-unknown", "an RPC program that nobody asks for", rpcServer(0x31234567), is(audit.ClassRPC)},
		{"echo", "the echo service", func(c net.Conn) { io.Copy(c, c) }, is(audit.ClassEcho)},
		{"echo-lines", "an echo of whole lines", func(c net.Conn) {
			for {
				l := line(c)
				if l == nil {
					return
				}
				say(c, string(l)+"\n")
			}
		}, is(audit.ClassEcho)},
		{"echo-greeting", "an echo that greets first", func(c net.Conn) { say(c, "welcome\n"); io.Copy(c, c) }, is(audit.ClassEcho)},
		{"talk-of-policies", "a help text that mentions the element", banner("usage: send <cross-domain-policy> or <policy-file-request/>\n"), is(audit.ClassOther)},
		{"irc", "a chat server's notice", banner(":irc.example.net NOTICE AUTH :*** Looking up your hostname...\r\n"), is(audit.ClassOther)},
		{"escape-sequences", "a banner that would clear the screen", banner("\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>\n"), is(audit.ClassOther)},
		{"chargen", "characters without end", func(c net.Conn) {
			for b := bytes.Repeat([]byte("!\"#$%&'()*+,-./0123456789\r\n"), 100); ; {
				if _, err := c.Write(b); err != nil {
					return
				}
			}
		}, is(audit.ClassEndless)},
		{"chargen-slow", "a line each 50 milliseconds, without end", func(c net.Conn) {
			for pieces(c, strings.Repeat("0123456789", 7)+"\r\n", 72, 50*time.Millisecond) {
			}
		}, is(audit.ClassEndless)},
		{"tarpit", "a byte now and then, for hours", func(c net.Conn) {
			for pieces(c, "x", 1, 300*time.Millisecond) {
			}
		}, is(audit.ClassTarpit)},
		{"tarpit-smtp", "a greeting that never ends", func(c net.Conn) {
			for pieces(c, "220-please wait\r\n", 17, 400*time.Millisecond) {
			}
		}, is(audit.ClassTarpit)},
	}
}

func mute() []Impostor {
	is := func(class audit.Class) Want { return Want{Class: class} }
	return []Impostor{
		{"silent", "accepts and says nothing", hold, is(audit.ClassSilent)},
		{"closes-at-once", "as TCP wrappers do", func(c net.Conn) {}, is(audit.ClassClosedAtOnce)},
		{"resets-at-once", "as some load balancers without a backend do", reset, is(audit.ClassResetAtOnce)},
		{"closes-after", "reads, and closes", func(c net.Conn) { some(c); finish(c) }, is(audit.ClassClosedAfterRequest)},
		{"resets-after", "reads, and resets", func(c net.Conn) { some(c); reset(c) }, is(audit.ClassResetAfterRequest)},
		{"closes-later", "reads, and closes a second later", func(c net.Conn) {
			some(c)
			time.Sleep(time.Second)
			finish(c)
		}, is(audit.ClassClosedAfterRequest)},
	}
}

// web is an HTTP/1.0 server that says the same to every request.
func web(status, body string) func(net.Conn) {
	return func(c net.Conn) {
		for {
			l := line(c)
			if l == nil {
				return
			}
			if len(l) == 0 {
				break
			}
		}
		say(c, "HTTP/1.0 "+status+"\r\nContent-Type: text/plain\r\n\r\n"+body)
		if _, ok := c.(*net.TCPConn); ok {
			finish(c)
		}
	}
}

// dialogue greets, and answers each line by its first word.
func dialogue(greeting string, answers map[string]string, otherwise string) func(net.Conn) {
	return func(c net.Conn) {
		say(c, greeting)
		for {
			l := line(c)
			if l == nil {
				return
			}
			word, _, _ := strings.Cut(string(l), " ")
			if word == "" {
				continue
			}
			answer, ok := answers[word]
			if !ok {
				answer = otherwise
			}
			say(c, answer)
		}
	}
}

// rpcServer is ONC RPC over TCP with one program, in all versions. What is no
// call it drops the connection for, as libtirpc does.
func rpcServer(program uint32) func(net.Conn) {
	return func(c net.Conn) {
		for {
			var head [4]byte
			if _, err := io.ReadFull(c, head[:]); err != nil {
				return
			}
			size := binary.BigEndian.Uint32(head[:]) &^ 0x80000000
			if size < 40 || size > 9000 {
				return
			}
			call := make([]byte, size)
			if _, err := io.ReadFull(c, call); err != nil {
				return
			}
			status := uint32(1) // program unavailable
			if binary.BigEndian.Uint32(call[12:]) == program {
				status = 0
			}
			reply := make([]byte, 4+24)
			for i, w := range []uint32{0x80000000 | 24, binary.BigEndian.Uint32(call), 1, 0, 0, 0, status} {
				binary.BigEndian.PutUint32(reply[4*i:], w)
			}
			c.Write(reply)
		}
	}
}

// certificate is made once: a self-signed one, valid for an hour.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(843),
		Subject:      pkix.Name{CommonName: "impostor.example"},
		NotBefore:    time.Now().Add(-time.Minute),
		NotAfter:     time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})
