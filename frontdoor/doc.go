// Package frontdoor puts one port of a game server in order: on it, policy
// requests are answered, WebSockets are let in for the page they come from,
// and everything else reaches the game as if nothing stood in between.
//
// When port 843 is silent, Flash Player asks the destination port itself;
// Ruffle, in a browser, asks nothing but comes as a WebSocket; and the old
// client speaks the game's own protocol. All three meet on one port.
//
// # Vocabulary
//
// A [Door] is one port with what may be reached behind it. A raw connection is
// one that speaks the game's own protocol. A backend is an address of the
// game. The gateway turns a WebSocket into a raw connection. Settled is a
// connection of which is known what it is.
//
// # Call these first
//
//	door, err := frontdoor.New(frontdoor.Options{Policy: p, Port: 9000, Backends: []string{"127.0.0.1:19000"}})
//	go door.Serve(ln)
//
// or, in a game server that is written in Go, in place of the listener itself:
//
//	door, err := frontdoor.New(frontdoor.Options{Policy: p, Port: 9000})
//	go door.Serve(ln)
//	conn, err := door.Accept() // a player, raw or through a WebSocket
//
// # How a connection is told
//
// By its first bytes, at the first one that differs:
//
//	<policy-file-request  the in-band policy, drained and closed
//	GET (and a space)     HTTP: a WebSocket, or Options.HTTP, or 404
//	a TLS hello           TLS, then the same decision inside (with Options.TLS)
//	anything else         raw
//
// No raw message waits. A message that ends where it could still become one of
// these, such as a single "<", goes to the backend at once, and the matching
// goes on beside it: only if the rest of the request comes, and the backend
// has said nothing meanwhile, the connection is taken back from it (the
// backend reads a few bytes and a reset) and answered. Whole requests come in
// one segment, so a backend sees this next to never; the road not taken is to
// hold such bytes back, which is what makes other in-band servers stall short
// messages for seconds.
//
// A client that is silent gets its backend after Limits.Silence, since it may
// wait for a greeting. Where the protocol is known to begin with the server's
// greeting, set ServerFirst: the backend is then connected after
// Limits.Greeting, which is all the time that a policy request or a WebSocket
// has to show itself. After the greeting has gone out it is too late: nobody
// can take it back. Flash, Ruffle and browsers send within a few milliseconds
// of connecting, so the default serves all three; with a negative Greeting raw
// clients wait for nothing, and requests that are slower than the backend's
// greeting are lost to it.
//
// # Guarantees
//
//   - Raw bytes are handed on unchanged and in order; half-close is passed on in
//     either direction, and a reset as a reset. Nothing is buffered beyond what
//     the kernel does: a slow reader slows its writer. On Linux a session of
//     plain TCP that is more than a short exchange is copied by an event loop,
//     and spliced in the kernel while it is bulk.
//   - A WebSocket's frames are checked as RFC 6455 demands: masked, no reserved
//     bit or opcode, lengths in their shortest form, control frames whole and
//     short, close codes that exist, reasons in UTF-8. A message of any size is
//     handed on as it comes.
//   - The gateway never is an open proxy: the backend is the door's own, and a
//     page is let in only where the policy grants its Origin this very port, or
//     the door's own list names it.
//   - The policy that is served on the door's port has no site-control, which
//     Lightspark would void the file for.
//   - A refused page sees 403 or 502, because the backend is connected before
//     the WebSocket is accepted.
//
// # Limits
//
// Connections are limited in all and per client address. Where one is one too
// many, the oldest that is not settled makes room; sessions are never ended
// for a newcomer: without one to make room, it is refused.
//
// [Door.Update] puts other options in force without losing a connection: whoever is
// in goes on with what they began with.
//
// All methods may be called from any goroutine. The package has no global
// state that changes but pools of buffers, writes no log and knows no flags;
// [Options].Notify is told what a log would want.
package frontdoor
