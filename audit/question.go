package audit

import (
	"encoding/binary"
	"time"

	"github.com/port843/port843/policy"
)

// Question is what a conversation asks.
type Question string

const (
	AskRequest  Question = "request"   // Flash Player's 23 bytes at once
	Ask22       Question = "22-bytes"  // the same without its NUL, as Silverlight asks
	AskQuiet22  Question = "quiet-22"  // nothing for a while, then the 22 bytes
	AskGet      Question = "get"       // GET /crossdomain.xml
	AskQuietGet Question = "quiet-get" // nothing for a while, then the GET
	AskTLS      Question = "tls"       // a TLS handshake, and the 23 bytes inside
	AskTLSGet   Question = "tls-get"   // the same with the GET inside
	AskRPC      Question = "rpc"       // NULL calls to the usual programs
	AskSOCKS    Question = "socks"     // SOCKS 5: which methods?
	AskSOCKS4   Question = "socks4"    // SOCKS 4: a connection to nowhere
	AskRTMP     Question = "rtmp"      // the first half of RTMP's handshake
	AskGreet    Question = "greet"     // EHLO, behind the banner
	AskPing     Question = "ping"      // Redis's PING
)

// Patience with one conversation. A further question gets sideWait, or its
// share of the time that is left. What has been heard shortens it.
const (
	untilDeadline = time.Hour              // as long as the conversation may last
	sideWait      = 520 * time.Millisecond // for an answer to a further question
	quietWait     = 400 * time.Millisecond // for whoever speaks unasked
	silentAfter   = 600 * time.Millisecond // the first conversation counts as silent
	holdWait      = time.Second            // for the close behind a complete policy
	oddWait       = 1500 * time.Millisecond
	knownWait     = 300 * time.Millisecond // behind a banner that says all
)

// getRequest has no Host: Redis takes such a line for an attack and hangs up.
// In HTTP/1.0 it is optional, and the answer comes unchunked.
const getRequest = "GET /crossdomain.xml HTTP/1.0\r\n\r\n"

// bytes returns what the question sends at once; nil where it is a dialogue.
func (q Question) bytes() []byte {
	switch q {
	case AskRequest, AskTLS:
		return []byte(policy.Request)
	case Ask22, AskQuiet22:
		return []byte(policy.Request[:len(policy.Request)-1])
	case AskGet, AskQuietGet, AskTLSGet:
		return []byte(getRequest)
	case AskSOCKS:
		// Three methods, so that an echo does not look like a choice of one.
		return []byte{5, 3, 0, 1, 2}
	case AskSOCKS4:
		// CONNECT to port 0 of 0.0.0.0, which no system can do.
		return []byte{4, 1, 0, 0, 0, 0, 0, 0, 0}
	case AskRTMP:
		return rtmpHello()
	case AskGreet:
		return []byte("EHLO port843.invalid\r\n")
	case AskPing:
		return []byte("PING\r\n")
	}
	return nil
}

// quiet reports whether the question is preceded by silence.
func (q Question) quiet() bool { return q == AskQuiet22 || q == AskQuietGet || q == AskGreet }

// rtmpHello is C0 and C1: version 3, a time, zero, and 1,528 bytes of filler.
func rtmpHello() []byte {
	b := make([]byte, 1+1536)
	b[0] = 3
	binary.BigEndian.PutUint32(b[1:], 843)
	for i := 9; i < len(b); i++ {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// Next names the question that would remove the doubt which the conversations
// so far leave, or "" where there is none. A first conversation that is still
// open and silent is passed with End [EndSilence].
func Next(cs []Conversation) Question {
	if open := pending(cs); len(open) > 0 {
		return open[0]
	}
	return ""
}

// pending lists all the questions that are still to be asked if none of them
// brings an answer.
func pending(cs []Conversation) []Question {
	if len(cs) == 0 {
		return []Question{AskRequest}
	}
	asked := func(q Question) bool {
		for _, c := range cs {
			if c.Question == q {
				return true
			}
		}
		return false
	}
	var open []Question
	for _, q := range doubts(judge(cs)) {
		if !asked(q) {
			open = append(open, q)
		}
	}
	return open
}

// doubts lists the questions that a verdict asks for, in their order.
func doubts(v verdict) []Question {
	switch v.class {
	case ClassPolicy, ClassSilverlight:
		if v.tls {
			return nil
		}
		return []Question{AskQuietGet}
	case ClassHTTP:
		if v.overTLS {
			return []Question{AskTLS, AskTLSGet}
		}
		return []Question{AskGet}
	case ClassTLS:
		return []Question{AskTLS, AskTLSGet}
	case ClassSMTP, ClassFTP:
		if v.ambiguous {
			return []Question{AskGreet}
		}
	case ClassOther:
		if v.ambiguous {
			return []Question{AskPing, AskGet}
		}
		return []Question{AskGet}
	case ClassEcho:
		return []Question{AskGet}
	case ClassClosedAfterRequest, ClassResetAfterRequest:
		return []Question{AskQuiet22, AskGet, AskTLS, AskRPC, AskSOCKS, AskRTMP, AskSOCKS4}
	case ClassSilent:
		return []Question{AskGet, AskTLS, AskRPC, Ask22, AskSOCKS, AskRTMP, AskSOCKS4}
	}
	return nil
}
