// Package aggregate builds the policies of a machine out of what its owners
// say, and keeps account of where every line comes from.
//
// # Vocabulary
//
// An owner is a department of a machine that many share. Its version is what
// it says at one time: its services, as the machine's table names them, and
// its fragments, which are policy files of its own. Each allow-access-from of
// a fragment, and each allowed domain of a service, is one input. The inputs
// that are in force for one address of the machine make a table: its rules are
// what the policy of that address says.
//
// # Call these first
//
// [Build] makes everything at once:
//
//	r := aggregate.Build(aggregate.Options{}, []aggregate.Version{{
//		Owner:     owner,
//		Services:  services,
//		Fragments: []aggregate.Fragment{aggregate.ReadFragment("chat.xml", data)},
//	}})
//	document := policy.Format(r.Lookup(local).Policy())
//
// A server keeps a [Builder] instead, gives it the version of an owner when
// that changes, and builds again: only the tables of that owner's addresses
// are made anew.
//
// # What an owner may do
//
// An owner never grants more than it may: a port outside its range, a domain
// outside its list, another's address or host, "*" where that is not
// permitted, a port below 1024 in a policy that clients see come from 1024 or
// above, and more bytes of rules than [Options] lets it have are refused, each
// as a [*Refusal] with its place.
//
// A version with a refusal in it is not taken: the owner's last good version
// stays in force whole, and every other owner's is untouched. An owner that
// never had a good version (a first start), or whose last good one breaks
// bounds that were narrowed since, has in force what is clean of its newest:
// each service and each fragment whole or not at all. So a correction is never
// half in force, and a first start with one mistake serves all the rest.
//
// Two owners that open one port on one address are both within their bounds,
// and neither is refused, since that would let either take the other's service
// down: it is a [*Conflict], named with both sides, for the machine's table to
// settle.
//
// # Guarantees
//
//   - A table grants exactly what its inputs grant: for each requestor and port
//     the same, as [policy.Grants] says it.
//   - Its rules are as few as can be, none shadowed by another, in one order:
//     from the general to the special, by the labels of the names from the last
//     to the first. The order of owners, services and fragments makes no
//     difference, and building a table's own rules again gives the same.
//   - Ports are enumerated where that is short, so that every known client
//     reads them alike; what stays a range is a [*Warning].
//   - A [Result] and what it holds are read only, and may be shared between
//     goroutines. A Builder is for one goroutine at a time.
//   - Nothing is read from a disk and nothing is logged.
//
// # Cost
//
// Work grows with the inputs, times the addresses that each is in force for,
// times the logarithm of the inputs of one address. An owner without addresses
// of its own is in every table, so a change of it makes every table anew.
//
// # Limits
//
// A policy request carries no host name, so virtual hosts that share an address
// share a policy: what one of them grants holds for all. Where that matters
// there is a warning; nothing here can change it, but another address can.
// Rules for HTTP headers and identities mean nothing to sockets, and are left
// out with a warning; so is a fragment's meta-policy, since the machine has one.
package aggregate
