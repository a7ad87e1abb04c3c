// Package survey asks many targets, with manners.
//
// # Vocabulary
//
// A [Plan] is a set of targets, addresses and ports, in an order that a seed
// decides. A [Run] works through it, or through a shard of it, and hands each
// [Record] to a sink. A state file remembers what is done, so that a run that
// was killed can be taken up again.
//
// # Call these first
//
//	plan := survey.NewPlan()
//	err := plan.Add(ctx, "192.0.2.0/24", []uint16{843})
//	err = (&survey.Run{Plan: plan, Rate: 100}).Do(ctx, func(r survey.Record) error { … })
//
// # Guarantees
//
//   - What is excluded is never asked: exclusion is applied behind everything
//     else, and an address that is excluded is so for every port.
//   - At most one target of a host is being asked at any time, and no more
//     connections are opened than the rates allow, on average over a second.
//   - The shards of a plan are disjoint and together the whole, whatever
//     machine they run on: they depend on the targets and the seed only.
//   - Memory does not grow with the number of targets: a plan is ranges, and a
//     run keeps one bit for each target.
//
// # Limits
//
// Names are looked up when they are added; two machines that resolve them
// differently have different plans. A plan has [MaxTargets] at most.
package survey
