package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/internal/cli"
)

// newConform is the verb that puts a socket policy server through its cases.
func newConform(s cli.Streams) *cobra.Command {
	var (
		opts         conform.Options
		list, asJSON bool
		garbageMiB   int
	)
	cmd := &cobra.Command{
		Use:   "conform HOST:PORT",
		Short: "Put a socket policy server through its cases",
		Long: `conform plays the clients, the strangers and the accidents of a socket policy
server: requests cut, late and decorated, HTTP and TLS, garbage, silence,
resets, a crowd of idle connections. It says which of them the server gets
right, and why it matters.

A good server takes about as long as its own deadline for silent clients.
Run it against servers of your own only: it opens a thousand connections and
sends 64 MiB.

Exit codes: 0 every case that was run has passed, 1 a case failed, 2 the
server could not be connected to or the verb was used wrongly.`,
		Example: `  port843 conform 127.0.0.1:843
  port843 conform --only split,nul-late policy.example.com:843
  port843 conform --json '[::1]:10843'
  port843 conform --exec 'port843 serve --deny-all --listen 127.0.0.1:10843' 127.0.0.1:10843
  port843 conform --list`,
		Args: func(_ *cobra.Command, args []string) error {
			if list && len(args) == 0 || !list && len(args) == 1 {
				return nil
			}
			return cli.Usage(`such as "port843 conform 127.0.0.1:843"; --list takes none`, "conform takes one HOST:PORT")
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listCases(s.Out, asJSON)
			}
			opts.Garbage = garbageMiB << 20
			return runConform(cmd.Context(), s, args[0], opts, asJSON)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&opts.Timeout, "timeout", conform.DefaultTimeout, "by when an answer and its end must have come")
	f.DurationVar(&opts.Deadline, "deadline", conform.DefaultDeadline, "by when the server must have sent a silent client away")
	f.DurationVar(&opts.Pause, "pause", conform.DefaultPause, "between two parts of a cut request")
	f.IntVar(&opts.Idle, "idle", conform.DefaultIdle, "connections of the idle crowd")
	f.IntVar(&garbageMiB, "garbage", conform.DefaultGarbage>>20, "MiB of garbage")
	f.IntVar(&opts.Parallel, "parallel", conform.DefaultParallel, "exchanges at a time, where the server takes several")
	f.StringSliceVar(&opts.Only, "only", nil, "run these cases (ids, separated by commas)")
	f.StringSliceVar(&opts.Skip, "skip", nil, "leave these cases out")
	f.StringVar(&opts.Exec, "exec", "", "start the server with this shell `command`, and run the case about descriptors too")
	f.IntVar(&opts.Files, "files", conform.DefaultFiles, "descriptors that the server gets in that case")
	f.BoolVar(&list, "list", false, "list the cases and what each asks")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func runConform(ctx context.Context, s cli.Streams, target string, opts conform.Options, asJSON bool) error {
	clear := func() {}
	if isTerminal(s.Err) {
		clear = func() { fmt.Fprint(s.Err, "\r\x1b[K") }
		opts.Progress = func(done, total int, last conform.Result) {
			fmt.Fprintf(s.Err, "\r\x1b[K%d of %d: %s", done, total, last.Case.ID)
		}
	}
	report, err := conform.Run(ctx, target, opts)
	clear()
	var option *conform.OptionError
	switch {
	case errors.As(err, &option):
		return cli.Usage(`run "port843 conform --help", or with --list for the ids of the cases`, "%w", err)
	case report == nil:
		return cli.Fail(err, "is the server running, and HOST:PORT its own?")
	}
	if asJSON {
		if err := printJSON(s.Out, report); err != nil {
			return cli.Fail(err, "")
		}
	} else {
		printConform(s.Out, report)
	}
	switch {
	case err != nil:
		return cli.Fail(fmt.Errorf("the run was interrupted: %w", err), "")
	case report.Failed():
		return cli.No()
	}
	return nil
}

// printConform writes the table: every case under its group, then what failed
// once more with the reason to care, then one line.
func printConform(w io.Writer, r *conform.Report) {
	fmt.Fprintf(w, "%s (%s)\n", r.Target, r.Address)
	group := ""
	for _, res := range r.Results {
		if res.Case.Group != group {
			group = res.Case.Group
			fmt.Fprintf(w, "\n%s\n", group)
		}
		fmt.Fprintf(w, "  %-7s  %-21s  %s\n", res.Outcome, res.Case.ID, res.Seen)
		for _, warning := range res.Warnings {
			fmt.Fprintf(w, "  %-7s  %-21s  %s\n", "", "warning", warning)
		}
	}
	for _, res := range r.Results {
		if res.Outcome == conform.Fail {
			fmt.Fprintf(w, "\nfailed: %s\n  wanted: %s\n  asked:  %s\n  seen:   %s\n  why:    %s\n",
				res.Case.ID, res.Case.Title, res.Case.Asks, res.Seen, res.Case.Why)
		}
	}
	fmt.Fprintf(w, "\n%s in %s\n", r.Summary(), r.Elapsed.Round(10*time.Millisecond))
}

func listCases(w io.Writer, asJSON bool) error {
	type entry struct {
		ID    string `json:"id"`
		Group string `json:"group"`
		Title string `json:"title"`
		Asks  string `json:"asks"`
		Why   string `json:"why"`
	}
	var entries []entry
	for _, c := range conform.Cases() {
		entries = append(entries, entry{c.ID, c.Group, c.Title, c.Asks, c.Why})
	}
	if asJSON {
		return printJSON(w, entries)
	}
	for i, e := range entries {
		switch {
		case i == 0:
			fmt.Fprintln(w, e.Group)
		case e.Group != entries[i-1].Group:
			fmt.Fprintf(w, "\n%s\n", e.Group)
		}
		fmt.Fprintf(w, "  %s: %s\n    %s\n", e.ID, e.Title, e.Asks)
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// isTerminal tells whether w is a character device, such as a terminal.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
