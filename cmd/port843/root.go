package main

import (
	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
)

// newRoot assembles the command tree: one constructor a verb, each in a file
// of its own.
func newRoot(s cli.Streams) *cobra.Command {
	root := &cobra.Command{
		Use:     "port843",
		Version: version(),
		Short:   "Socket policies for Flash: serve, build, check, lint, audit",
		Long: `port843 answers one question for a whole machine: who may connect to what?

It serves the answer on port 843 to Flash Player and its successors, and it
builds, checks, compares and audits such answers. "port843 help start" says
where to begin.

Exit codes: 0 yes or done, 1 the answer is no, 2 used wrongly or could not
be done. Each verb's help says what "no" means for it.`,
	}
	root.AddCommand(
		newServe(s),
		newInit(s),
		newBuild(s),
		newDiff(s),
		newConform(s),
		newLint(s),
		newFmt(s),
		newCheck(s),
		newStatus(s),
		newScan(s),
		newListening(s),
		newManual(s),
	)
	root.AddCommand(newTopics()...)
	return root
}
