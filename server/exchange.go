package server

import (
	"errors"
	"io"
	"os"

	"github.com/port843/port843/policy"
)

// Stream is the connection that an exchange runs over, such as a *net.TCPConn
// whose deadline is set.
type Stream interface {
	io.ReadWriter
	// CloseWrite ends the server's direction: the client reads an end of file
	// after the answer.
	CloseWrite() error
}

// Exchange serves one connection: it reads the request, sends the answer,
// closes its direction and drains the other one until the client has closed or
// the stream's deadline has come. It does not close the stream; the caller
// does, and has set the deadline.
//
// first is what the client sent before, if anything was read already. answered,
// where it is not nil, is called when the answer has been sent, before the
// draining. choose is called when the request is complete, and returns the
// answer, so that it is the one in force at that moment.
func Exchange(s Stream, first []byte, choose func() *Answer, answered func()) Outcome {
	o := readRequest(s, first)
	if o != Answered {
		return o
	}
	a := choose()
	if _, err := s.Write(a.wire); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return Expired
		}
		return SendFailed
	}
	if answered != nil {
		answered()
	}
	if s.CloseWrite() == nil {
		drain(s)
	}
	return Answered
}

// readRequest reads up to the request's "/>". It returns Answered where an
// answer is due.
func readRequest(s Stream, first []byte) Outcome {
	var match policy.RequestMatch
	var buf [policy.MaxRequest]byte
	b := first
	for {
		if len(b) > 0 {
			fresh := match.Seen() == 0
			switch _, state := match.Next(b); state {
			case policy.RequestComplete:
				return Answered
			case policy.RequestForeign:
				if fresh {
					return foreign(policy.OpeningOf(b[0]))
				}
				return ForeignOther
			}
		}
		n, err := s.Read(buf[:])
		b = buf[:n]
		if n > 0 {
			continue
		}
		if err != nil {
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				return Expired
			case match.Seen() == 0:
				return Empty
			}
			return Incomplete
		}
	}
}

func foreign(o policy.Opening) Outcome {
	switch o {
	case policy.OpeningHTTP:
		return ForeignHTTP
	case policy.OpeningTLS:
		return ForeignTLS
	}
	return ForeignOther
}

// drain reads and forgets until the end of file or an error. Closing with
// bytes unread makes the kernel send a reset, which can destroy the answer in
// flight; so whatever the client still sends is read, up to the deadline.
func drain(s Stream) {
	var buf [512]byte
	for {
		if _, err := s.Read(buf[:]); err != nil {
			return
		}
	}
}
