// Package policy is the model of a cross-domain policy file: reading one with
// positions, deciding by it, writing it, and calculating with what it grants.
//
// # Vocabulary
//
// A policy file is the XML document <cross-domain-policy>. A socket policy
// server hands it to whoever sends a policy request; a web server has it at
// /crossdomain.xml. Its rules (allow-access-from) name a domain, which is
// matched against the host of the requestor's URL, and destination ports. Its
// meta-policy (site-control) says which other policy files of the host count.
// The file on port 843, or at the root of a site, is the master policy.
//
// # Call these first
//
// [Parse] reads a file, [Policy.Allows] decides by it:
//
//	p, err := policy.Parse(data)
//	from, _ := policy.ParseRequestor("http://www.example.com/game.swf")
//	d := p.Allows(from, 9000, policy.MasterPort)
//
// To write one, fill a [Policy] and call [Format]. To compare what two files
// grant, whatever they look like, use [Policy.Grants] and the operations of
// [Grants]. [RequestMatch] and [Response] are the two sides of the wire.
//
// # Guarantees
//
//   - Nothing is fetched and nothing is expanded: no DTD, no schema, no entity
//     but XML's own five and character references. No default of the DTD is
//     applied (its secure="true" is wrong for sockets). No name is looked up:
//     matching is by text, as Flash Player does it.
//   - Work is bounded by [MaxSize], [MaxElements], [MaxDepth] and
//     [MaxAttributes], and every mistake is reported at once, up to
//     [MaxProblems], each with its code, position and value.
//   - A file that is not well-formed grants nothing; a rule with a mistake in
//     it grants nothing; what is unknown is kept, reported, and grants nothing.
//   - Values are immutable once made, unless their comment says otherwise, and
//     may be shared between goroutines. The package keeps no state.
//
// # Limits
//
// Where Adobe's documentation is silent the stricter reading is taken, and the
// comment there says so. What one client does differently (Lightspark's ranges,
// Unity's) is no matter of this package.
package policy
