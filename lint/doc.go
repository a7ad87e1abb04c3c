// Package lint finds what is wrong with a policy file, and what is merely
// unwise: for Flash's cross-domain-policy over sockets and over HTTP, and for
// Silverlight's access-policy.
//
// # Vocabulary
//
// A [Rule] has a stable code, a severity, and its own documentation with one
// bad and one good example; docs/rules.md is made from it. A [Finding] is one
// place where a rule is broken: what is wrong, what an attacker gains by it,
// and the fix. Where the fix is certain, which is to say that no client that
// is known grants more or less after it, the finding carries it as text edits.
//
// # Call these first
//
//	findings := lint.Check(data, lint.Options{File: "crossdomain.xml"})
//	fixed, applied := lint.Apply(data, findings)
//
// # Suppression
//
// A comment before an element suppresses findings in its start tag, and must
// say why:
//
//	<!-- port843:ignore any-domain the scores are public -->
//	<allow-access-from domain="*" to-ports="9000"/>
//
// Several codes are separated by commas. Before the root element it also
// suppresses findings that concern the file as a whole. A suppression that has
// no reason, names no rule, or suppresses nothing is itself a finding.
//
// # Guarantees
//
//   - Check never panics, whatever the bytes; it is deterministic, ends, and
//     keeps no state: it may be called from many goroutines.
//   - Nothing is fetched and no name is looked up; the public suffix list is
//     the one that was compiled in.
//   - What is in comments is never taken for a rule; what hides behind a
//     character reference (&#42;) is.
//   - Text of the file within messages is escaped: it may be printed.
//   - At most [MaxFindings] findings are returned.
//
// # Limits
//
// A linter sees one file. Which ports a service needs, who is to be trusted
// and where the file was served from it knows only from [Options]; without
// them it says less, never more.
package lint
