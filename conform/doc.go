// Package conform puts a socket policy server through the cases that real
// clients, strangers and networks put it through, and reports what it did.
//
// Call [Run] with "host:port" and the zero [Options]; it returns a [Report]
// with one [Result] for each [Case] of [Cases]. [Report.Failed] tells whether
// anything was wrong.
//
//	report, err := conform.Run(ctx, "127.0.0.1:843", conform.Options{})
//
// # What is judged
//
// The exact request is sent first, and what comes back is the reference
// answer. Its own qualities (one NUL, a whole document, its size) are judged
// once, in cases of their own. Wherever a later case asks for the answer, it
// must be the same bytes, ended by FIN, within [Options.Timeout]: so a server
// that forgets the NUL fails the case about the NUL, and not thirty.
//
// An end by RST is told from an end by FIN, also where the RST follows the FIN
// and was provoked by the client's own late bytes: before a connection is
// judged, the suite waits until the peer has acknowledged or refused all that
// was sent, and asks the socket for its pending error. On Linux that is exact;
// elsewhere a short wait stands for the acknowledgement.
//
// # Guarantees
//
// Each step is bounded in time and each answer in size ([MaxAnswer]), so that
// an endless, dribbling or silent server ends as failed cases, never as a hang.
// A case that cannot be run against this target is reported as [NotRun] with
// the reason, and counts neither for nor against the server. What the server
// sent is escaped before it gets into a result. A run makes no change beyond
// its connections, and with [Options.Exec] the process that it starts and ends.
//
// # Limits
//
// How an answer is cut into segments is seen from its reads: two writes with
// nothing between them can be joined on their way, which is harmless then. The
// memory of a server is not seen: that 64 MiB were taken is. Run the suite from
// one address against servers of your own only: it opens a thousand connections.
package conform
