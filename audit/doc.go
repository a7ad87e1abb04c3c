// Package audit finds out who answers on port 843, and whether it matters.
//
// # Vocabulary
//
// A target is an address and a port. A conversation is one connection to it, in
// which one question is asked and the answer recorded; a few make an
// [Observation]: a [Class] out of a closed set, its [Fault]s where it is a
// policy server, how sure that is, and the evidence.
//
// # Call these first
//
// [Prober.Probe] talks to a target and classifies it. [Classify] does the
// second half alone, from recorded conversations: it is pure, so that an
// observation read back from a file can be classified again by newer rules.
//
// # How it asks
//
// The first conversation is Flash Player's: the 23 bytes at once, in one write.
// It settles most targets. Where its answer leaves a doubt, [Next] names the
// question that removes it: a policy server is asked whether it answers anyone;
// one that closed is watched in silence, and then asked as TLS, RPC, HTTP,
// SOCKS and RTMP clients ask; an ambiguous banner is answered.
//
// Conversations follow each other. There is one exception: while a target stays
// silent, its first conversation stays open, for an answer may come too late
// for Flash Player and still say what is there; the other questions are asked
// beside it, one at a time.
//
// # Guarantees
//
//   - [Budget] in all per target, by deadlines of our own.
//   - At most [readLimit] bytes are read in a conversation and [keepLimit] are
//     kept, whatever the other side does.
//   - What was received is data: nothing is fetched, expanded or believed, and
//     no rule takes more than linear time in it.
//   - Nothing is asked that could change the other side: no login, no write.
//
// # Limits
//
// A reset from a firewall and one from the target's own system are the same
// bytes to an ordinary user: both are [Refused]. Only Linux tells which ICMP
// message ended an attempt; elsewhere a firewall's ICMP reads as Refused or
// [Unreachable].
package audit
