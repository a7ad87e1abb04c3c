package frontdoor

import (
	"net"
	"sync/atomic"
	"time"
)

// EventKind says what an [Event] is about.
type EventKind uint8

const (
	EventOrigin      EventKind = iota // a page was refused by its Origin
	EventNoBackend                    // no backend could be connected
	EventBackendDown                  // a backend stopped answering
	EventBackendUp                    // it answers again
	EventRefused                      // a connection was one too many
	EventProxy                        // a peer that must send a PROXY header sent none, or a broken one
	eventKinds
)

var eventNames = [eventKinds]string{"origin_refused", "no_backend", "backend_down", "backend_up", "refused", "proxy_header"}

// String returns the name as it stands in logs.
func (k EventKind) String() string { return eventNames[k] }

// Event is something that an administrator may want to see. Values of
// strangers in it (Origin) are as they sent them: escape before showing.
type Event struct {
	Kind    EventKind
	Client  net.Addr // nil where it concerns no client
	Backend string
	Origin  string // of the page, up to maxOrigin bytes
	Err     error  // why
}

// Stats is a snapshot of a door's counters. Each is exact; together they are
// of slightly different moments.
type Stats struct {
	Accepted     uint64 // connections accepted
	Open         int64  // connections open now
	AcceptErrors uint64 // failures of accept after which the door went on

	Policies   uint64 // policy requests answered
	Raw        uint64 // raw connections begun
	WebSockets uint64 // WebSockets accepted
	HTTP       uint64 // other HTTP requests
	TLS        uint64 // TLS handshakes done

	Origins   uint64 // pages refused by their Origin: 403
	NoBackend uint64 // connections for which no backend could be had: 502, or closed
	Refused   uint64 // connections that were one too many
	Displaced uint64 // unsettled connections that made room
	TakenBack uint64 // connections that turned out to be no raw ones after the backend had bytes of them

	Up, Down uint64 // bytes to the backends and from them, counted as they pass

	Backends []BackendState
}

// BackendState is how one backend does.
type BackendState struct {
	Address string    `json:"address"`
	Up      bool      `json:"up"`
	Since   time.Time `json:"since"` // when that began
	Dials   uint64    `json:"dials"` // connections tried
	Failed  uint64    `json:"failed"`
	Error   string    `json:"error,omitempty"` // of the last failure, while it is down
}

type counters struct {
	accepted, acceptErrors, policies, raw, webSockets, http, tls atomic.Uint64
	origins, noBackend, refused, displaced, takenBack, up, down  atomic.Uint64

	open atomic.Int64
}

func (c *counters) snapshot() Stats {
	return Stats{
		Accepted: c.accepted.Load(), Open: c.open.Load(), AcceptErrors: c.acceptErrors.Load(),
		Policies: c.policies.Load(), Raw: c.raw.Load(), WebSockets: c.webSockets.Load(), HTTP: c.http.Load(), TLS: c.tls.Load(),
		Origins: c.origins.Load(), NoBackend: c.noBackend.Load(), Refused: c.refused.Load(), Displaced: c.displaced.Load(),
		TakenBack: c.takenBack.Load(), Up: c.up.Load(), Down: c.down.Load(),
	}
}
