package conform_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
)

// listen serves each connection with handle until the test ends.
func listen(t *testing.T, handle func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				handle(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

// answering reads something, sends text in one write, half-closes and drains.
func answering(text string) func(net.Conn) {
	return func(conn net.Conn) {
		if _, err := conn.Read(make([]byte, 512)); err != nil {
			return
		}
		io.WriteString(conn, text)
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn)
	}
}

// only runs one case and returns its result.
func only(t *testing.T, target, id string, opts conform.Options) conform.Result {
	t.Helper()
	opts.Only = []string{id}
	report := run(t, target, opts)
	i := slices.IndexFunc(report.Results, func(r conform.Result) bool { return r.Case.ID == id })
	return report.Results[i]
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	rules := func(bytes int) string {
		rule := `<allow-access-from domain="*.example.com" to-ports="8080"/>`
		return "<cross-domain-policy>" + strings.Repeat(rule, bytes/len(rule)+1) + "</cross-domain-policy>\x00"
	}
	for _, c := range []struct {
		id, answer string
		outcome    conform.Outcome
		seen       string // a part of it
	}{
		{"answer-nul", badserver.Policy + "\x00", conform.Pass, "one NUL"},
		{"answer-nul", badserver.Policy, conform.Fail, "no NUL"},
		{"answer-nul", badserver.Policy + "\x00\x00", conform.Fail, "2 NULs"},
		{"answer-nul", badserver.Policy + "\x00\n", conform.Fail, "the last byte is no NUL"},
		{"answer-xml", badserver.Policy + "\x00", conform.Pass, "root cross-domain-policy"},
		{"answer-xml", "<access-policy><cross-domain-access/></access-policy>\x00", conform.Pass, "root access-policy"},
		{"answer-xml", `<?xml version="1.0"?><!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd"><cross-domain-policy/>` + "\x00", conform.Pass, "root"},
		{"answer-xml", "\xef\xbb\xbf" + badserver.Policy + "\x00", conform.Fail, "byte order mark"},
		{"answer-xml", "\xff\xfe<\x00", conform.Fail, "byte order mark"},
		{"answer-xml", "\n" + badserver.Policy + "\x00", conform.Fail, `does not start with "<"`},
		{"answer-xml", "HTTP/1.0 200 OK\r\n\r\n" + badserver.Policy + "\x00", conform.Fail, "HTTP headers"},
		{"answer-xml", strings.TrimSuffix(badserver.Policy, "</cross-domain-policy>") + "\x00", conform.Fail, "not one whole"},
		{"answer-xml", badserver.Policy + "<cross-domain-policy/>\x00", conform.Fail, "not one whole"},
		{"answer-xml", "<!-- nothing -->\x00", conform.Fail, ""},
		{"answer-xml", "<\x1b[2J\x00", conform.Fail, "U+001B"},
		{"answer-size", badserver.Policy + "\x00", conform.Pass, "196 bytes"},
		{"answer-in-one-piece", rules(1200), conform.NotRun, "the network may cut it"},
	} {
		res := only(t, listen(t, answering(c.answer)), c.id, options())
		if res.Outcome != c.outcome || !strings.Contains(res.Seen, c.seen) || strings.Contains(res.Seen, "\x1b") {
			t.Errorf("%s of %.60q: %s, %q; want %s, %q", c.id, c.answer, res.Outcome, res.Seen, c.outcome, c.seen)
		}
	}
	for size, want := range map[int]string{100: "", 1300: "above 1,200", 4200: "above 4,095"} {
		res := only(t, listen(t, answering(rules(size))), "answer-size", options())
		if got := strings.Join(res.Warnings, "\n"); res.Outcome != conform.Pass || (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%d bytes: %s, warnings %q, want %q", size, res.Outcome, got, want)
		}
	}
}

// TestDribble shows that an answer which comes byte by byte ends as a failed
// case when the time is up.
func TestDribble(t *testing.T) {
	t.Parallel()
	address := listen(t, func(conn net.Conn) {
		for _, b := range []byte(strings.Repeat(badserver.Policy, 1000)) {
			if _, err := conn.Write([]byte{b}); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	opts := options()
	opts.Timeout = 300 * time.Millisecond
	if res := only(t, address, "exact-request", opts); res.Outcome != conform.Fail || !strings.Contains(res.Seen, "still open") {
		t.Errorf("%s: %s", res.Outcome, res.Seen)
	}
}

// TestChangingAnswers shows that every answer is compared with the first.
func TestChangingAnswers(t *testing.T) {
	var later atomic.Bool
	address := listen(t, func(conn net.Conn) {
		text := badserver.Policy + "\x00"
		if later.Swap(true) {
			text = strings.Replace(text, "8080", "8081", 1)
		}
		answering(text)(conn)
	})
	if res := only(t, address, "no-nul", options()); res.Outcome != conform.Fail || !strings.Contains(res.Seen, "another answer") {
		t.Errorf("%s: %s", res.Outcome, res.Seen)
	}
}

// TestStrangersThatAreServed shows the servers that may answer HTTP and TLS.
func TestStrangersThatAreServed(t *testing.T) {
	t.Parallel()
	http := listen(t, answering("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n\r\n"+badserver.Policy))
	if res := only(t, http, "http-crossdomain", options()); res.Outcome != conform.Pass || !strings.Contains(res.Seen, "in HTTP") {
		t.Errorf("crossdomain.xml over HTTP: %s: %s", res.Outcome, res.Seen)
	}
	if res := only(t, http, "http-get", options()); res.Outcome != conform.Fail {
		t.Errorf("a policy for GET /: %s: %s", res.Outcome, res.Seen)
	}
	refusing := listen(t, answering("HTTP/1.1 400 Bad Request\r\n\r\n"))
	if res := only(t, refusing, "http-get", options()); res.Outcome != conform.Pass {
		t.Errorf("HTTP 400: %s: %s", res.Outcome, res.Seen)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t)}}
	secure := listen(t, func(conn net.Conn) {
		tls.Server(conn, config).HandshakeContext(context.Background())
	})
	if res := only(t, secure, "tls-hello", options()); res.Outcome != conform.Pass || !strings.Contains(res.Seen, "in TLS") {
		t.Errorf("TLS: %s: %s", res.Outcome, res.Seen)
	}
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"policy.invalid"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestReportAsJSON(t *testing.T) {
	t.Parallel()
	opts := options()
	opts.Only = []string{"no-nul", "crlf"}
	report := run(t, start(t, mistake("needs-nul"), "127.0.0.1:0").Addr(), opts)
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Answer                  string
		AnswerBytes             int `json:"answer_bytes"`
		Passed, Failed, Skipped int
		Results                 []struct{ ID, Outcome, Seen string }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Answer != badserver.Policy+"\x00" || got.AnswerBytes != len(got.Answer) || got.Failed != 2 || got.Passed != 0 || len(got.Results) != len(conform.Cases()) {
		t.Errorf("%s", text)
	}
	if s := report.Summary(); !strings.HasPrefix(s, "0 of 2 passed, ") {
		t.Errorf("summary %q", s)
	}
}

// TestCaseData holds what a reader and a program rely on.
func TestCaseData(t *testing.T) {
	known := map[string]bool{}
	for _, c := range conform.Cases() {
		if known[c.ID] || c.ID != strings.ToLower(c.ID) || strings.ContainsAny(c.ID, " _") {
			t.Errorf("id %q", c.ID)
		}
		known[c.ID] = true
		if c.Group == "" || c.Title == "" || !strings.HasSuffix(c.Asks, ".") || !strings.HasSuffix(c.Why, ".") {
			t.Errorf("%s: %+v", c.ID, c)
		}
	}
	if len(known) < 29 {
		t.Errorf("%d cases", len(known))
	}
}
