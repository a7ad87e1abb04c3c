// Package player does what a client of socket policies does: it asks for the
// policies of a host, in the client's order and with the client's patience,
// decides by them, and says at each step what it found and which rule spoke.
//
// # Vocabulary
//
// A [Profile] is a client (a version of Flash Player, Lightspark, Silverlight,
// ...) written down as data. A [Question] is "may the SWF from here connect
// there, in that client?", and a [Verdict] is the answer with its trace: the
// [Step] list. A policy lies at a [Location], and what came when that place
// was asked is an [Observation] with a closed [Outcome] and its evidence. A
// [Fetcher] does the asking: [Network] over real sockets, [Table] from files
// or tests. [Advise] turns a verdict into what to change, where, and what it
// would do.
//
// # Call these first
//
// [Decide] answers a question, [Dialer] is a net.Dialer that obeys the answer:
//
//	from, _ := policy.ParseRequestor("http://www.example.com/game.swf")
//	q := player.Question{From: from, Target: player.SocketTarget("game.example.net", 9000)}
//	v := player.Decide(ctx, &player.Network{}, q)
//
//	d := player.Dialer{From: from}
//	conn, err := d.DialContext(ctx, "tcp", "game.example.net:9000") // *player.DeniedError
//
// [Who] asks the other way round: whom do the policies of a port permit?
// [Network.Fetch] alone is a careful policy client for scanners.
//
// # Guarantees
//
//   - Every call ends: with the context, or after the limits of the profile,
//     [MaxRead] bytes a policy, [MaxReads] recorded reads, [MaxAddresses]
//     addresses, [MaxLoads] locations and [MaxRedirects] redirects.
//   - A name is looked up once in a decision, each of its addresses is asked
//     and reported, and the [Dialer] dials the address that it asked.
//   - What is not permitted for certain is not permitted: a verdict is
//     Permitted only by a rule that was read, or by an exemption of the client
//     that the trace names.
//   - Text from strangers is kept as bytes in Observation.Data; every string
//     that is meant to be shown is printable ASCII.
//   - No flags, no globals, no log. A Network and a Memo may be shared between
//     goroutines; questions, profiles and verdicts are plain values.
//
// # Limits
//
// Matching is package policy's. Where Adobe's documentation is silent, the
// stricter reading is taken and a [Note] in the verdict says so; so do the
// places where two sources disagree. What Unity, Lightspark and Silverlight do
// is taken from the source of the players (Silverlight: Moonlight) as far as
// it is known; what is not known makes the verdict Undetermined, never a guess.
// A stream arrives in other pieces at another client: where a client depends on
// the pieces (Lightspark, Unity), the trace says that the decision does.
package player
