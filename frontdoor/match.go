package frontdoor

import "github.com/port843/port843/policy"

// kind is what a connection turns out to be.
type kind uint8

const (
	kindUnsettled kind = iota // a beginning that may become several things
	kindRaw
	kindPolicy
	kindHTTP
	kindTLS
)

// match tells a connection by its bytes, however they are cut. The candidates
// differ in their first byte, so one is followed at a time.
type match struct {
	http, tls bool // candidates beside policy and raw

	settled kind
	request policy.RequestMatch
	seen    int
	first   byte
}

// httpStem is what an HTTP request begins with that can be a WebSocket's. Other
// methods are raw: no browser opens a WebSocket with them.
const httpStem = "GET "

// tlsStem is how many bytes tell a TLS client hello: record type, major and
// minor version, two of length, handshake type.
const tlsStem = 6

// next takes the next bytes and returns what is known now. After it has
// settled it returns the same again.
func (m *match) next(b []byte) kind {
	for i := 0; i < len(b) && m.settled == kindUnsettled; i++ {
		c := b[i]
		if m.seen == 0 {
			m.first = c
		}
		m.settled = m.step(c)
		m.seen++
	}
	return m.settled
}

func (m *match) step(c byte) kind {
	switch {
	case m.first == '<':
		switch _, state := m.request.Next([]byte{c}); state {
		case policy.RequestComplete:
			return kindPolicy
		case policy.RequestPartial:
			return kindUnsettled
		}
	case m.first == httpStem[0] && m.http:
		if c == httpStem[m.seen] {
			if m.seen == len(httpStem)-1 {
				return kindHTTP
			}
			return kindUnsettled
		}
	case m.first == tlsRecord && m.tls:
		if helloByte(m.seen, c) {
			if m.seen == tlsStem-1 {
				return kindTLS
			}
			return kindUnsettled
		}
	}
	return kindRaw
}

const tlsRecord = 0x16 // a handshake record (RFC 8446, section 5.1)

// helloByte reports whether the i-th byte of a client hello's record can be c.
func helloByte(i int, c byte) bool {
	switch i {
	case 1:
		return c == 3
	case 2:
		return c <= 4
	case 5:
		return c == 1 // client_hello
	}
	return true
}
