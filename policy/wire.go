package policy

import "bytes"

// Request is what a client sends, at once, on connect: 23 bytes with the NUL
// (Adobe's guide, "Website controls (policy files)").
const Request = "<policy-file-request/>\x00"

const (
	// MasterPort is where Flash Player asks for the master socket policy.
	MasterPort = 843

	// MaxRequest is the longest request that a [RequestMatch] accepts, in
	// bytes: the 22 of Adobe's, one space as Adobe's reference prints it, and
	// more white space than any client that was seen sends.
	MaxRequest = 64

	// AdvisedSize is the size in bytes, NUL included, up to which a policy
	// fits one TCP segment on every common path (1,280, IPv6's minimum MTU,
	// less headers and options).
	AdvisedSize = 1200

	// SafeSize is the size in bytes, NUL included, up to which the known
	// clients read a whole answer in one read: Lightspark's buffer is 4,096
	// and it stops at the first short read; Unity reads once, up to 5,000.
	SafeSize = 4095
)

// RequestState says how much of a policy request has been seen.
type RequestState uint8

const (
	RequestPartial  RequestState = iota // a beginning of a request so far; read on
	RequestComplete                     // the request is there, up to its "/>": answer
	RequestForeign                      // this is, or has become, something else
)

const (
	requestStem = "<policy-file-request"
	requestTail = "/>"
)

// RequestMatch recognises a policy request that arrives in any number of
// pieces. It holds two counters and no bytes, so that a waiting connection
// costs nothing; the zero value is ready. It is not for concurrent use.
//
// Accepted: the stem, any white space, "/>". What follows (a NUL, CR LF,
// anything) is not the request's, and is left to the caller to drain: a
// request is complete at its "/>", because some clients send no NUL.
type RequestMatch struct {
	matched uint8 // bytes of stem and tail seen
	total   uint8 // bytes seen, white space included
}

// Seen returns how many bytes of a request have been seen.
func (m *RequestMatch) Seen() int { return int(m.total) }

// Missing returns how many bytes a complete request lacks at least: fewer more
// cannot complete it, so that many may be waited for.
func (m *RequestMatch) Missing() int { return len(requestStem) + len(requestTail) - int(m.matched) }

// Next takes the next bytes off the wire. It returns how many of them belong
// to the request and the state after them. After RequestComplete or
// RequestForeign the match is over and Next must not be called again.
func (m *RequestMatch) Next(b []byte) (used int, state RequestState) {
	for i, c := range b {
		if m.total == MaxRequest {
			return i, RequestForeign
		}
		switch n := int(m.matched); {
		case n < len(requestStem) && c == requestStem[n]:
			m.matched++
		case n == len(requestStem) && isSpace(c):
			// White space between stem and tail.
		case n >= len(requestStem) && c == requestTail[n-len(requestStem)]:
			m.matched++
		default:
			return i, RequestForeign
		}
		m.total++
		if int(m.matched) == len(requestStem)+len(requestTail) {
			return i + 1, RequestComplete
		}
	}
	return len(b), RequestPartial
}

// Opening is what the first byte of a connection says about its protocol.
type Opening uint8

const (
	OpeningOther  Opening = iota // none of those below
	OpeningPolicy                // "<", as a policy request begins
	OpeningHTTP                  // a capital letter that begins an HTTP method
	OpeningTLS                   // 0x16, a TLS handshake record
)

var openingNames = [...]string{"other", "policy", "http", "tls"}

func (o Opening) String() string { return openingNames[o] }

// OpeningOf classifies a connection by its first byte.
func OpeningOf(first byte) Opening {
	switch first {
	case '<':
		return OpeningPolicy
	case 0x16:
		return OpeningTLS
	case 'C', 'D', 'G', 'H', 'O', 'P', 'T': // CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE
		return OpeningHTTP
	}
	return OpeningOther
}

// Response returns what a socket policy server sends for the document: the
// document and one NUL. It is a copy. NULs that the document ends with already
// are not sent twice.
func Response(document []byte) []byte {
	document = bytes.TrimRight(document, "\x00")
	return append(bytes.Clone(document), 0)
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
