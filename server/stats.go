package server

import "sync/atomic"

// Outcome is how an exchange ended.
type Outcome uint8

const (
	Answered     Outcome = iota // the answer was handed to the kernel whole
	Empty                       // the client closed or reset without a byte
	Incomplete                  // the client closed or reset within its request
	Expired                     // the deadline came before the request, or before the answer was taken
	ForeignHTTP                 // the first byte was HTTP's
	ForeignTLS                  // the first byte was TLS's
	ForeignOther                // another beginning, or one that turned out to be no request
	Displaced                   // it was the oldest one, and made room for another
	SendFailed                  // the client was gone when the answer was sent
	outcomes
)

var outcomeNames = [outcomes]string{"answered", "empty", "incomplete", "expired", "foreign_http", "foreign_tls", "foreign_other", "displaced", "send_failed"}

// String returns the name as it stands in metrics.
func (o Outcome) String() string { return outcomeNames[o] }

// Outcomes returns every outcome, in order.
func Outcomes() []Outcome {
	all := make([]Outcome, outcomes)
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// Stats is a snapshot of a listener's counters. Each is exact; together they
// are of slightly different moments while exchanges go on.
type Stats struct {
	Accepted uint64           // connections accepted
	Ended    [outcomes]uint64 // by Outcome; a connection is counted once
	Open     int64            // connections open now
	// AcceptErrors counts failures of accept, such as the lack of descriptors,
	// after which the server went on.
	AcceptErrors uint64
}

// counters are the live form of Stats.
type counters struct {
	accepted     atomic.Uint64
	ended        [outcomes]atomic.Uint64
	open         atomic.Int64
	acceptErrors atomic.Uint64
}

func (c *counters) snapshot() Stats {
	s := Stats{Accepted: c.accepted.Load(), Open: c.open.Load(), AcceptErrors: c.acceptErrors.Load()}
	for i := range c.ended {
		s.Ended[i] = c.ended[i].Load()
	}
	return s
}
