package audit

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"

	"github.com/port843/port843/internal/escape"
)

// isResponse reports whether data begins as an HTTP response.
func isResponse(data []byte) bool {
	return bytes.HasPrefix(data, []byte("HTTP/")) && len(data) > 8 && data[5] >= '0' && data[5] <= '3'
}

// response reads an HTTP response out of what came. whole says that its body
// is there to its end.
func response(data []byte) (r *http.Response, body []byte, whole bool) {
	r, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(data)), nil)
	if err != nil {
		return nil, nil, false
	}
	defer r.Body.Close()
	body, err = io.ReadAll(io.LimitReader(r.Body, keepLimit))
	framed := r.ContentLength >= 0 || len(r.TransferEncoding) > 0
	return r, body, err == nil && framed
}

// httpBody returns the body of an HTTP response, or what stands behind its
// first empty line where it cannot be read as one.
func httpBody(data []byte) ([]byte, bool) {
	if !isResponse(data) {
		return nil, false
	}
	if _, body, _ := response(data); body != nil {
		return body, true
	}
	for _, gap := range []string{"\r\n\r\n", "\n\n"} {
		if _, body, ok := bytes.Cut(data, []byte(gap)); ok {
			return body, true
		}
	}
	return nil, false
}

func judgeHTTP(c *Conversation) (verdict, bool) {
	if !isResponse(c.Data) {
		if isHTML(c.Data) && c.Early == 0 {
			return verdict{class: ClassHTTP, confidence: 0.6, why: "it answers in HTML", partial: true}, true
		}
		return verdict{}, false
	}
	v := verdict{class: ClassHTTP, confidence: 0.97, why: "it answers as an HTTP server does"}
	_, body, whole := response(c.Data)
	v.partial = !whole && c.End != EndClosed
	head := strings.ToLower(string(c.Data[:min(len(c.Data), 4096)]))
	for _, hint := range []string{"sent to https port", "to an https server", "speaking plain http to an ssl", "requires tls"} {
		v.overTLS = v.overTLS || strings.Contains(head, hint) || strings.Contains(strings.ToLower(string(body)), hint)
	}
	return v, true
}

// judgeWeb adds what a web server said about /crossdomain.xml.
func judgeWeb(cs []Conversation, v *verdict) {
	v.http = httpOf(&cs[v.index])
	for i := range cs {
		if q := cs[i].Question; (q == AskGet || q == AskQuietGet) && isResponse(cs[i].Data) {
			v.http = httpOf(&cs[i])
		}
	}
}

// httpOf reads the answer to a GET /crossdomain.xml. A page that says 200 to
// everything (a soft 404) is no policy.
func httpOf(c *Conversation) *HTTP {
	r, _, _ := response(c.Data)
	if r == nil {
		return &HTTP{}
	}
	h := &HTTP{Status: r.StatusCode, Server: escape.Text(r.Header.Get("Server"), 100)}
	if c.Question != AskGet && c.Question != AskQuietGet {
		return h
	}
	f, ok := findDocument(c)
	switch {
	case ok && f.http && !f.silverlight && r.StatusCode == http.StatusOK:
		h.Crossdomain = "policy"
	case r.StatusCode == http.StatusOK:
		h.Crossdomain = "soft-404"
	default:
		h.Crossdomain = "none"
	}
	return h
}

// crossdomainOf returns the policy file that a web server has, if it has one.
func crossdomainOf(cs []Conversation) []byte {
	for i := range cs {
		c := &cs[i]
		if c.Question != AskGet && c.Question != AskQuietGet && c.Question != AskTLSGet {
			continue
		}
		if f, ok := findDocument(c); ok && f.http && !f.silverlight {
			return f.doc
		}
	}
	return nil
}
