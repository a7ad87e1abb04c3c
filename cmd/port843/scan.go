package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
	"github.com/port843/port843/internal/auditreport"
	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
)

// scan is the verb: its flags, and what becomes of them.
type scan struct {
	cli.Streams
	from, exclude, excludeTargets     []string
	ports, shard, resume, output      string
	format, failOn, baseline          string
	rate, netRate                     float64
	parallel, perHost                 int
	seed                              uint64
	authorised, live, dryRun, offline bool
	quiet                             bool

	command  string
	started  time.Time
	plan     *survey.Plan
	portList []uint16
	records  []*survey.Record // of --offline
	base     *survey.Baseline
	reached  bool // --fail-on's condition
}

// failOns are the conditions of --fail-on, from the widest to the gravest.
var failOns = []string{"never", "change", "listening", "policy", "fault", "note", "warning", "error"}

func newScan(s cli.Streams) *cobra.Command {
	v := &scan{Streams: s}
	cmd := &cobra.Command{
		Use:   "scan TARGET...",
		Short: "Find out who answers on port 843, and whether it matters",
		Long: `Scan asks each target as Flash Player would, and then what removes the doubt.
It says what is there, what is wrong with a policy server's answer, and what
its policy lets in. It needs no rights; each target takes 4 seconds at most.

A target is a name, an address, a prefix (192.0.2.0/24), a range
(192.0.2.10-20), each also with :PORT, or an xmlsocket:// URL. --from reads
files (- is standard input): lists of targets, and the results of nmap (-oX,
-oG), masscan (-oX, -oJ, -oD, -oL) and zmap (CSV with a header), of which the
open ports among --ports are asked, and JSON lines of an earlier scan.

Manners: targets are asked in a random order that --seed decides; one at a time
on each host; no faster than --rate and --rate-net connections a second. What
--exclude names is never asked. A target that stays silent is asked its further
questions beside the first connection, which stays open.

With --resume a scan that was killed goes on where it was: the same targets,
ports, exclusions, seed and shard must be given. A file of --output, and every
report that is made at the end, then holds each target once. JSON lines, CSV
and nmap XML on standard output are only continued.

Exit codes: 0 done; 1 done, and what --fail-on names was found; 2 used wrongly,
could not be done, or ended before all targets were asked.`,
		Example: `  port843 scan www.example.com
  port843 scan 192.0.2.0/24 --ports 843,943 --exclude never.txt --format html --output report.html
  port843 scan --from nmap.xml --live --fail-on error
  port843 scan 10.0.0.0/8 --i-am-authorised --shard 1/4 --resume a.state --format jsonl --output a.jsonl
  port843 scan --from a.jsonl --offline --format table
  port843 scan 192.0.2.0/24 --baseline last-month.jsonl --fail-on change`,
		RunE: func(cmd *cobra.Command, args []string) error {
			v.command = escape.Text(strings.Join(append([]string{"port843 scan"}, os.Args[min(2, len(os.Args)):]...), " "), 1000)
			return v.run(cmd.Context(), args)
		},
	}
	v.flags(cmd)
	return cmd
}

func (v *scan) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&v.from, "from", nil, "read targets or results from this `FILE` (- is standard input)")
	f.StringVarP(&v.ports, "ports", "p", "843", "ask these `PORTS`, such as 843,943,4502-4534")
	f.StringArrayVar(&v.exclude, "exclude", nil, "never ask what this `FILE` names, one a line")
	f.StringArrayVar(&v.excludeTargets, "exclude-target", nil, "never ask this `TARGET`")
	f.BoolVar(&v.authorised, "i-am-authorised", false, "say that you may: for more than a /16, or a public range")
	f.Float64Var(&v.rate, "rate", survey.DefaultRate, "connections a second, over all (0: no limit)")
	f.Float64Var(&v.netRate, "rate-net", survey.DefaultNetRate, "connections a second into each /24, or /64 of IPv6 (0: no limit)")
	f.IntVar(&v.parallel, "parallel", survey.DefaultParallel, "targets asked at the same time")
	f.IntVar(&v.perHost, "per-host", 1, "targets asked at the same time on one host")
	f.Uint64Var(&v.seed, "seed", 0, "the order of the targets")
	f.StringVar(&v.shard, "shard", "", "ask the `I/N`-th part only, such as 2/4")
	f.StringVar(&v.resume, "resume", "", "remember in this `FILE` what is done, and go on from there")
	f.BoolVar(&v.dryRun, "dry-run", false, "say what would be asked, and ask nothing")
	f.BoolVar(&v.live, "live", false, "try the ports that a policy grants, with one connection each")
	f.BoolVar(&v.offline, "offline", false, "classify the JSON lines of --from again, and ask nothing")
	f.StringVarP(&v.format, "format", "f", "table", "write a `FORMAT`: "+formatNames())
	f.StringVarP(&v.output, "output", "o", "", "write to this `FILE` instead of standard output")
	f.StringVar(&v.baseline, "baseline", "", "compare with the JSON lines of an earlier scan in this `FILE`")
	f.StringVar(&v.failOn, "fail-on", "never", "exit with 1 where there is a `CONDITION`: "+strings.Join(failOns, ", "))
	f.BoolVarP(&v.quiet, "quiet", "q", false, "no progress line")
}

func formatNames() string {
	var names []string
	for _, f := range auditreport.Formats {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func (v *scan) run(ctx context.Context, args []string) error {
	v.started = time.Now()
	if err := v.check(args); err != nil {
		return err
	}
	if err := v.makePlan(ctx, args); err != nil {
		return err
	}
	if v.baseline != "" {
		file, err := os.Open(v.baseline)
		if err != nil {
			return cli.Fail(err, "")
		}
		defer file.Close()
		if v.base, err = survey.ReadBaseline(file); err != nil {
			return cli.Fail(fmt.Errorf("the baseline: %w", err), "it is made by: port843 scan --format jsonl")
		}
	}
	if v.offline {
		return v.reclassify()
	}
	run, err := v.newRun()
	if err != nil {
		return err
	}
	if v.dryRun {
		return v.describe(run)
	}
	return v.ask(ctx, run)
}

func (v *scan) check(args []string) error {
	switch {
	case len(args) == 0 && len(v.from) == 0:
		return cli.Usage(`name one, or a file of them with --from`, "no target")
	case !slices.Contains(auditreport.Formats, auditreport.Format(v.format)):
		return cli.Usage("one of "+formatNames(), "there is no format %q", v.format)
	case !slices.Contains(failOns, v.failOn):
		return cli.Usage("one of "+strings.Join(failOns, ", "), "--fail-on %q is no condition", v.failOn)
	case v.failOn == "change" && v.baseline == "":
		return cli.Usage("add --baseline FILE", "--fail-on change needs something to compare with")
	case v.rate < 0 || v.netRate < 0 || v.parallel < 1 || v.perHost < 1:
		return cli.Usage("0 is no limit for the rates; the others are 1 at least", "a limit is out of range")
	case v.offline && (len(args) > 0 || v.resume != "" || v.live):
		return cli.Usage("give it --from FILE alone", "--offline asks nothing: it takes no target, --resume or --live")
	}
	return nil
}

// makePlan collects the targets. Nothing is asked before every exclusion has
// been read.
func (v *scan) makePlan(ctx context.Context, args []string) error {
	ports, err := parsePorts(v.ports)
	if err != nil {
		return cli.Usage("such as --ports 843,943", "--ports: %w", err)
	}
	v.portList = ports
	v.plan = survey.NewPlan()
	v.plan.Seed = v.seed
	for _, text := range args {
		if err := v.plan.Add(ctx, text, ports); err != nil {
			return cli.Usage(`see "port843 scan --help" for what names a target`, "%w", err)
		}
	}
	for _, name := range v.from {
		if err := v.readFrom(ctx, name); err != nil {
			return cli.Fail(fmt.Errorf("%s: %w", name, err), "")
		}
	}
	for _, name := range v.exclude {
		if err := v.readExclusions(ctx, name); err != nil {
			return cli.Fail(fmt.Errorf("the exclusions cannot be read: %w", err), "nothing was asked")
		}
	}
	for _, text := range v.excludeTargets {
		if err := v.plan.Exclude(ctx, text); err != nil {
			return cli.Usage("nothing was asked", "--exclude-target: %w", err)
		}
	}
	if v.offline {
		return nil
	}
	if err := v.plan.Seal(); err != nil {
		return cli.Fail(err, "an exclusion, or --ports, may have taken the last one")
	}
	if scale := v.plan.Scale(); scale.Grave() && !v.authorised && !v.dryRun {
		return cli.Usage("add --i-am-authorised if their owners have said that you may",
			"%d addresses, %d of them public: that takes somebody's word", scale.Addresses, scale.Public)
	}
	return nil
}

func (v *scan) readFrom(ctx context.Context, name string) error {
	in := v.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return errors.Unwrap(err)
		}
		defer file.Close()
		in = file
	}
	format, err := survey.ReadResults(in, func(f survey.Found) error {
		switch {
		case f.Text != "":
			return v.plan.Add(ctx, f.Text, v.portList)
		case f.Record != nil && v.offline:
			v.records = append(v.records, f.Record)
		case f.Record != nil, slices.Contains(v.portList, f.Addr.Port()):
			v.plan.AddTarget(f.Addr)
		}
		return nil
	})
	if err == nil && v.offline && format != survey.FormatJSONLines {
		return errors.New("--offline classifies the JSON lines of an earlier scan only")
	}
	return err
}

func (v *scan) readExclusions(ctx context.Context, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = survey.ReadResults(file, func(f survey.Found) error {
		if f.Text == "" {
			return v.plan.Exclude(ctx, f.Addr.Addr().String())
		}
		return v.plan.Exclude(ctx, f.Text)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (v *scan) newRun() (*survey.Run, error) {
	run := &survey.Run{
		Plan: v.plan, Rate: v.rate, NetRate: v.netRate, Parallel: v.parallel, PerHost: v.perHost, Live: v.live, Lint: scanLint,
	}
	if v.shard == "" {
		return run, nil
	}
	i, n, ok := strings.Cut(v.shard, "/")
	shard, err1 := strconv.Atoi(i)
	shards, err2 := strconv.Atoi(n)
	if !ok || err1 != nil || err2 != nil || shard < 1 || shard > shards {
		return nil, cli.Usage("such as --shard 2/4", "--shard %q is no part of a whole", v.shard)
	}
	run.Shard, run.Shards = shard, shards
	return run, nil
}

// describe is --dry-run.
func (v *scan) describe(run *survey.Run) error {
	n := run.Share()
	scale := v.plan.Scale()
	fmt.Fprintf(v.Out, "%d targets: %d addresses, %d of them public, ports %s\n", v.plan.Count(), scale.Addresses, scale.Public, v.ports)
	if run.Shards > 0 {
		fmt.Fprintf(v.Out, "shard %d of %d: %d targets\n", run.Shard, run.Shards, n)
	}
	if v.rate > 0 {
		fmt.Fprintf(v.Out, "at %g connections a second: %s at least\n", v.rate, (time.Duration(float64(n) / v.rate * float64(time.Second))).Round(time.Second))
	}
	if scale.Grave() && !v.authorised {
		fmt.Fprintln(v.Out, "it takes --i-am-authorised")
	}
	fmt.Fprintln(v.Out, "the first of them, in their order:")
	step := uint64(max(run.Shards, 1))
	for at, shown := uint64(max(run.Shard-1, 0)), 0; at < v.plan.Count() && shown < 10; at, shown = at+step, shown+1 {
		fmt.Fprintf(v.Out, "  %s\n", v.plan.Target(at).Addr)
	}
	fmt.Fprintln(v.Out, "nothing was asked")
	return nil
}

// ask runs the scan.
func (v *scan) ask(ctx context.Context, run *survey.Run) error {
	out, done, err := v.openOutput()
	if err != nil {
		return err
	}
	defer done()
	format := auditreport.Format(v.format)
	w, err := auditreport.New(format, out, v.meta(run, false))
	if err != nil {
		return cli.Fail(err, "")
	}
	add := func(r survey.Record) error {
		v.judge(&r)
		return w.Add(&r)
	}
	if v.resume != "" {
		replay := add
		if v.output == "" && format.Streams() {
			replay = func(r survey.Record) error { v.judge(&r); return nil }
		}
		run.State, err = survey.OpenState(v.resume, v.plan, run.Shard, run.Shards, replay)
		if err != nil {
			return cli.Fail(err, "")
		}
		defer run.State.Close()
	}
	stop := v.progress(run)
	err = run.Do(ctx, add)
	stop()
	p := run.Progress()
	complete := err == nil && p.Done == p.Total
	if endErr := w.End(v.meta(run, complete)); err == nil && endErr != nil {
		err = endErr
	}
	if err == nil {
		err = done()
	}
	switch {
	case errors.Is(err, survey.ErrSpike):
		return cli.Fail(err, "is its network up? with --resume the scan goes on later")
	case err != nil:
		return cli.Fail(err, "")
	case !complete:
		return cli.Fail(fmt.Errorf("ended with %d of %d targets asked", p.Done, p.Total), "with --resume it goes on from there")
	case v.reached:
		return cli.No()
	}
	return nil
}

func (v *scan) meta(run *survey.Run, complete bool) auditreport.Meta {
	m := auditreport.Meta{Version: version(), Command: v.command, Started: v.started, Finished: time.Now(), Complete: complete, Baseline: v.base != nil}
	if run != nil {
		m.Targets = run.Share()
	} else {
		m.Targets = uint64(len(v.records))
	}
	if v.base != nil {
		m.Gone = v.base.Gone()
	}
	return m
}

// openOutput returns where to write, and what closes it; that may be called twice.
func (v *scan) openOutput() (io.Writer, func() error, error) {
	if v.output == "" {
		return v.Out, func() error { return nil }, nil
	}
	file, err := os.OpenFile(v.output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, nil, cli.Fail(err, "")
	}
	closed := false
	return file, func() error {
		if closed {
			return nil
		}
		closed = true
		return file.Close()
	}, nil
}

// judge compares a record with the baseline and with --fail-on.
func (v *scan) judge(r *survey.Record) {
	if v.base != nil {
		v.base.Compare(r)
	}
	group := auditreport.GroupOf(r)
	worst := max(r.Worst().Rank(), group.Severity().Rank())
	if !r.Class.IsPolicy() && r.Policy == nil && group != auditreport.GroupDelays {
		worst = 0
	}
	switch v.failOn {
	case "change":
		v.reached = v.reached || r.Change != nil && r.Change.Kind != "same"
	case "listening":
		v.reached = v.reached || r.Class.Listening()
	case "policy":
		v.reached = v.reached || r.Class.IsPolicy()
	case "fault":
		v.reached = v.reached || len(r.Faults) > 0
	case "note", "warning", "error":
		v.reached = v.reached || worst >= survey.Severity(v.failOn).Rank()
	}
}

// reclassify is --offline: the rules of today over the conversations of then.
func (v *scan) reclassify() error {
	out, done, err := v.openOutput()
	if err != nil {
		return err
	}
	defer done()
	w, err := auditreport.New(auditreport.Format(v.format), out, v.meta(nil, false))
	if err != nil {
		return cli.Fail(err, "")
	}
	for _, old := range v.records {
		o := audit.Classify(old.Target(), old.Conversations)
		r := survey.NewRecord(&o, scanLint, old.Time)
		r.Life = old.Life
		v.judge(&r)
		if err := w.Add(&r); err != nil {
			return cli.Fail(err, "")
		}
	}
	if err := errors.Join(w.End(v.meta(nil, true)), done()); err != nil {
		return cli.Fail(err, "")
	}
	if v.reached {
		return cli.No()
	}
	return nil
}

// parsePorts reads a list of ports and ranges.
func parsePorts(text string) ([]uint16, error) {
	var out []uint16
	seen := map[uint16]bool{}
	for _, part := range strings.Split(text, ",") {
		low, high, found := strings.Cut(strings.TrimSpace(part), "-")
		if !found {
			high = low
		}
		lo, err := survey.ParsePort(low)
		if err != nil {
			return nil, err
		}
		hi, err := survey.ParsePort(high)
		if err != nil {
			return nil, err
		}
		if hi < lo {
			return nil, fmt.Errorf("the range %s is reversed", part)
		}
		for port := int(lo); port <= int(hi); port++ {
			if !seen[uint16(port)] {
				seen[uint16(port)] = true
				out = append(out, uint16(port))
			}
		}
	}
	return out, nil
}
