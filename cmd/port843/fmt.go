package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/atomicfile"
	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

const fmtLong = `fmt lays policy files out in one way: an element a line, indented, attributes
in one order and spelling. It changes nothing that any client makes of them,
and keeps comments, the order of rules, and what is wrong.

Without a file it reads standard input; without -w, -d or -l it prints the
result. A file that is not well-formed is refused, with the places.

Exit codes: 0 done; 1 with -d, a file is not laid out so; 2 a file could not
be read or is not well-formed, or used wrongly.`

// formatter is one run of fmt.
type formatter struct {
	s                 cli.Streams
	write, diff, list bool
	differs           bool
}

// newFmt is the verb fmt.
func newFmt(s cli.Streams) *cobra.Command {
	f := formatter{s: s}
	cmd := &cobra.Command{
		Use:   "fmt [-w|-d|-l] [FILE...]",
		Short: "Lay policy files out in one way, comments kept",
		Long:  fmtLong,
		Example: `  port843 fmt policy.xml
  port843 fmt -d policies.d/*.xml
  port843 fmt -w policies.d/*.xml`,
		RunE: func(_ *cobra.Command, args []string) error { return f.run(args) },
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.write, "write", "w", false, "write the result into the file")
	fl.BoolVarP(&f.diff, "diff", "d", false, "print what would change, as a unified diff")
	fl.BoolVarP(&f.list, "list", "l", false, "print the names of the files that would change")
	return cmd
}

func (f *formatter) run(names []string) error {
	if len(names) == 0 {
		if f.write {
			return cli.Usage("name the files", "-w needs a file")
		}
		names = []string{"-"}
	}
	var errs []error
	for _, name := range names {
		if err := f.file(name); err != nil {
			errs = append(errs, err)
		}
	}
	switch {
	case len(errs) > 0:
		return cli.Fail(errors.Join(errs...), "")
	case f.diff && f.differs:
		return cli.No()
	}
	return nil
}

// file lays out one file. Its errors name it, and are fit to be shown.
func (f *formatter) file(name string) error {
	data, err := f.read(name)
	if err != nil {
		return errors.New(placedError(name, err))
	}
	tidy, err := policy.Tidy(data)
	if err != nil {
		var errs []error
		for _, p := range policy.ProblemsOf(err) {
			errs = append(errs, fmt.Errorf("%s:%w", escape.Text(name, 300), p))
		}
		return errors.Join(errs...)
	}
	changed := !bytes.Equal(data, tidy)
	f.differs = f.differs || changed
	if f.list && changed {
		fmt.Fprintln(f.s.Out, escape.Text(name, 300))
	}
	if f.diff && changed {
		shown := escape.Text(name, 300)
		if err := f.print(diff.Diff(shown+".orig", data, shown, tidy)); err != nil {
			return err
		}
	}
	if f.write && changed {
		if name == "-" {
			return errors.New("-w writes into files, not into standard input")
		}
		if err := atomicfile.Write(name, tidy); err != nil {
			return errors.New(placedError(name, err))
		}
	}
	if !f.write && !f.diff && !f.list {
		return f.print(tidy)
	}
	return nil
}

func (f *formatter) read(name string) ([]byte, error) {
	if name != "-" {
		return bounded.ReadFile(name, policy.MaxSize)
	}
	// One byte more than is read, so that Tidy says that it is too large.
	return io.ReadAll(io.LimitReader(f.s.In, policy.MaxSize+1))
}

// print prints text of the file. On a terminal each line is escaped: the file
// may be a stranger's. Elsewhere it goes as it is, for other programs to read.
func (f *formatter) print(text []byte) error {
	if !isTerminal(f.s.Out) {
		_, err := f.s.Out.Write(text)
		return err
	}
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\n")
		if _, err := fmt.Fprintln(f.s.Out, escape.Text(line, len(line))); err != nil {
			return err
		}
	}
	return nil
}
