// Package server is a socket policy server to embed: it answers the policy
// request on any number of listeners, and nobody can hang it, fill it or kill
// it by what they send or do not send.
//
// # Vocabulary
//
// An exchange is one connection: the client's request, the answer (a policy
// document and one NUL), both ends closed. An [Answer] is a policy made ready
// to be sent. A waiting connection has been accepted and has not sent its
// request yet; a lingering one has its answer and has not closed.
//
// # Call these first
//
//	answer, err := server.NewAnswer(document)   // parsed, checked, never changed again
//	s := server.New(server.Options{})
//	l, err := s.Start(ln, server.Policies{Default: answer})
//	…
//	l.SetPolicies(server.Policies{Default: other}) // at any moment
//	s.Shutdown(ctx)
//
// # Guarantees on the wire
//
//   - The server never speaks first. The answer goes out as soon as "/>" of the
//     request is there, however it was cut, with white space before "/>", and
//     whatever follows it: document and NUL in one write.
//   - After the answer the server closes its direction, reads until the client
//     has closed its own, and closes then: an answer in flight is never
//     destroyed by a reset, not by a late NUL either. There is one exception,
//     which can be turned off: see [Tuning.QuickClose].
//   - Any other beginning ends the connection at once, without an answer, and
//     is counted by kind (HTTP, TLS, other).
//   - Nothing of a request is kept but how far it has come.
//
// # Engines
//
// On Linux a TCP listener is served by an engine of its own, elsewhere and for
// other listeners by package net and a goroutine a connection; see [Engine].
// Both keep the same guarantees. The native one holds 56 bytes for a connection
// that waits, and allocates nothing for an exchange. docs/engine.md says how,
// [Tuning] what of it has a price, [SystemAdvice] what the system must allow.
//
// # Limits
//
// One deadline holds for the whole exchange. Connections are limited in all
// and per client address ([Limits]); where one is one too many, the oldest one
// makes room, so that a newcomer is always served. Running out of descriptors
// is treated the same way.
//
// All methods may be called from any goroutine. The package has no global
// state, writes no log and knows no flags.
package server
