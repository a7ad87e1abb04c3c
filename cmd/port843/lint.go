package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/atomicfile"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/fetch"
	"github.com/port843/port843/internal/lintrun"
	"github.com/port843/port843/internal/report"
	"github.com/port843/port843/lint"
	"github.com/port843/port843/policy"
)

const lintLong = `lint finds what is wrong with policy files, and what is merely unwise: each
finding with its place, what an attacker gains by it, and the fix. It reads
Flash's cross-domain-policy, for sockets and for URLs, and Silverlight's
access-policy. docs/rules.md describes the rules.

A target is a file; a folder, of which every *.xml that is a policy is read;
xmlsocket://HOST:PORT or an http or https URL, which are asked once; or "-",
standard input.

What a file is for is told by its name and content; --kind says it. Some rules
need to know more: --served-from, --trust, --needs.

A comment suppresses findings in the element behind it, with a reason:

  <!-- port843:ignore any-domain the scores are public -->

--fix carries out the fixes that change nothing for any client that reads the
file rightly, and reports what is left.

Exit codes: 0 nothing is as grave as --fail-on, 1 something is, 2 a target
could not be read, or used wrongly.`

const lintExample = `  port843 lint policy.xml
  port843 lint --kind url --trust '*.example.com' /var/www
  port843 lint --format sarif . > port843.sarif
  port843 lint --fail-on error xmlsocket://game.example.net:843
  port843 lint --fix --served-from 843 policy.xml`

// lintFlags are the flags of lint as they were given.
type lintFlags struct {
	format, failOn, minimum, kind, needs string
	trust                                []string
	servedFrom                           uint16
	fix                                  bool
}

// newLint is the verb lint.
func newLint(s cli.Streams) *cobra.Command {
	var f lintFlags
	cmd := &cobra.Command{
		Use:     "lint FILE|DIR|URL|xmlsocket://HOST:PORT|-...",
		Short:   "Find what is wrong, or unwise, in policy files",
		Long:    lintLong,
		Example: lintExample,
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := f.linter(s, args)
			if err != nil {
				return err
			}
			return l.run(cmd.Context(), args)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.format, "format", "text", "write `FORMAT`: "+strings.Join(report.Formats, ", "))
	fl.StringVar(&f.failOn, "fail-on", "warning", "exit with 1 from this `SEVERITY` on: error, warning, note, or never")
	fl.StringVar(&f.minimum, "minimum", "note", "report from this `SEVERITY` on")
	fl.StringVar(&f.kind, "kind", "auto", "what the files are for: socket, url, silverlight, or auto")
	fl.StringArrayVar(&f.trust, "trust", nil, "a `DOMAIN` that may be let in, such as '*.example.com'; others are reported; repeatable")
	fl.StringVar(&f.needs, "needs", "", "the `PORTS` that have a service behind them; others are reported")
	fl.Uint16Var(&f.servedFrom, "served-from", 0, "the port that the policies are served from")
	fl.BoolVar(&f.fix, "fix", false, "carry out the certain fixes")
	return cmd
}

// linter is one run of lint.
type linter struct {
	s        cli.Streams
	runner   lintrun.Runner
	out      report.Renderer
	buffer   *bufio.Writer // in front of the output
	failOn   lint.Severity
	never    bool
	fix      bool
	text     bool // people read the output
	live     bool // and do so on a terminal: do not make them wait
	progress *progress

	places, foreign int
	failed          bool
	errs            []error
}

// linter checks the flags.
func (f *lintFlags) linter(s cli.Streams, args []string) (*linter, error) {
	const hint = `run "port843 lint --help"`
	if len(args) == 0 {
		return nil, cli.Usage(`name a file, a folder or a URL; "-" is standard input`, "nothing to lint")
	}
	l := &linter{s: s, fix: f.fix, text: f.format == "text", live: isTerminal(s.Out), never: f.failOn == "never"}
	o := lint.Options{ServedFrom: f.servedFrom}
	var ok bool
	if l.failOn, ok = lint.ParseSeverity(f.failOn); !ok && !l.never {
		return nil, cli.Usage(hint, "no severity %q", f.failOn)
	}
	if o.Minimum, ok = lint.ParseSeverity(f.minimum); !ok {
		return nil, cli.Usage(hint, "no severity %q", f.minimum)
	}
	if o.Kind, ok = lint.ParseKind(f.kind); !ok {
		return nil, cli.Usage(hint, "no kind of policy file %q", f.kind)
	}
	for _, t := range f.trust {
		d, err := policy.ParseDomain(t)
		if err != nil {
			return nil, cli.Usage("domains are written as in a policy", "--trust %w", err)
		}
		o.Trusted = append(o.Trusted, d)
	}
	if f.needs != "" {
		ports, err := policy.ParsePorts(f.needs)
		if err != nil {
			return nil, cli.Usage("ports are written as in a policy, such as 80,9000-9010", "--needs %w", err)
		}
		o.Needed = ports
	}
	if f.fix && slices.ContainsFunc(args, func(a string) bool { return a == lintrun.Stdin || fetch.IsURL(a) }) {
		return nil, cli.Usage("fetch it into a file first", "--fix changes files only")
	}
	var err error
	l.buffer = bufio.NewWriterSize(s.Out, 64<<10)
	l.out, err = report.New(f.format, l.buffer, report.Options{Version: version(), Rules: report.LintRules(), Color: colored(s)})
	if err != nil {
		return nil, cli.Usage(hint, "%w", err)
	}
	l.runner = lintrun.Runner{Options: o, Stdin: s.In}
	l.progress = newProgress(s)
	return l, nil
}

func (l *linter) run(ctx context.Context, targets []string) error {
	err := l.runner.Run(ctx, targets, l.item)
	l.progress.clear()
	if err == nil {
		err = l.out.Close(l.places)
	}
	err = errors.Join(err, l.buffer.Flush())
	if err != nil {
		return cli.Fail(fmt.Errorf("lint was interrupted: %w", err), "")
	}
	if l.text && l.foreign > 0 {
		fmt.Fprintf(l.s.Err, "passed over: %d XML files that are no policies\n", l.foreign)
	}
	switch {
	case len(l.errs) > 0:
		return cli.Fail(errors.Join(l.errs...), "")
	case l.failed:
		return cli.No()
	}
	return nil
}

// item takes one policy: fixes it where that was asked for, and reports.
func (l *linter) item(i lintrun.Item) error {
	l.progress.step()
	if i.Foreign {
		l.foreign++
		return nil
	}
	l.places++
	if i.Err == nil && l.fix {
		l.progress.clear()
		i.Err = l.fixFile(&i)
	}
	if i.Err != nil {
		l.errs = append(l.errs, errors.New(placedError(i.Place, i.Err)))
	}
	if len(i.Findings) == 0 {
		return nil
	}
	l.progress.clear()
	findings := report.FromLint(i.Place, i.Data, i.Findings)
	if worst, ok := report.Worst(findings); ok && !l.never && worst >= l.failOn {
		l.failed = true
	}
	for _, f := range findings {
		if err := l.out.Add(f); err != nil {
			return err
		}
	}
	if l.live {
		return l.buffer.Flush()
	}
	return nil
}

// placedError is an error about a place, which it names once, fit to be shown.
func placedError(place string, err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return escape.Text(place, 300) + ": " + escape.Text(err.Error(), 300)
}

// maxFixes bounds how often fixes are carried out: one may make room for
// another, such as a duplicate that a spelled-out range has made visible.
const maxFixes = 10

// fixFile carries out the certain fixes, and leaves in i what remains.
func (l *linter) fixFile(i *lintrun.Item) error {
	data := i.Data
	for range maxFixes {
		fixed, applied := lint.Apply(data, i.Findings)
		if len(applied) == 0 {
			break
		}
		for _, f := range applied {
			fmt.Fprintf(l.s.Err, "fixed %s:%s: %s [%s]\n", escape.Text(i.Place, 300), f.Pos, f.Fix.Message, f.Code)
		}
		data = fixed
		i.Findings = lint.Check(data, i.Options)
	}
	if string(data) == string(i.Data) {
		return nil
	}
	if err := atomicfile.Write(i.Place, data); err != nil {
		return err
	}
	i.Data = data
	return nil
}

// colored tells whether the output may be in colour: on a terminal whose
// owner has not said otherwise (no-color.org).
func colored(s cli.Streams) bool {
	return isTerminal(s.Out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// progress shows, on a terminal, how many files have been looked at, once the
// work has taken a while.
type progress struct {
	s     cli.Streams
	on    bool
	n     int
	next  time.Time
	shown bool
}

// Progress is shown after the first second, and then five times a second.
const (
	progressAfter = time.Second
	progressEvery = 200 * time.Millisecond
)

func newProgress(s cli.Streams) *progress {
	return &progress{s: s, on: isTerminal(s.Err), next: time.Now().Add(progressAfter)}
}

func (p *progress) step() {
	p.n++
	if !p.on || time.Now().Before(p.next) {
		return
	}
	p.next = time.Now().Add(progressEvery)
	p.shown = true
	fmt.Fprintf(p.s.Err, "\r\x1b[K%d files", p.n)
}

func (p *progress) clear() {
	if p.shown {
		p.shown = false
		fmt.Fprint(p.s.Err, "\r\x1b[K")
	}
}
