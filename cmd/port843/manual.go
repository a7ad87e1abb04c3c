package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/manual"
)

// newManual is for whoever makes a package, or unpacks the binary alone; it
// stays out of the list of verbs.
func newManual(s cli.Streams) *cobra.Command {
	return &cobra.Command{
		Use:   "manual DIR",
		Short: "Write the man pages into a folder",
		Long: `Manual writes the man pages of every verb and topic, made from the same text
as their help, into DIR, and prints the names of the files.

Exit codes: 0 done; 2 used wrongly, or they could not be written.`,
		Example: `  port843 manual /usr/local/share/man/man1`,
		Args:    cobra.ExactArgs(1),
		Hidden:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			paths, err := manual.Write(args[0], manual.Pages(cmd.Root(), version(), config.Reference()))
			for _, p := range paths {
				fmt.Fprintln(s.Out, p)
			}
			if err != nil {
				return cli.Fail(err, "")
			}
			return nil
		},
	}
}
