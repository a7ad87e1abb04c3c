// Command bench measures port843 against other policy servers, in one run
// that anyone can repeat:
//
//	go run ./bench              the whole run, about an hour
//	go run ./bench -quick       two minutes, to see that it works
//	go run ./bench -only port843,cserver-2 -measures cap,open
//	go run ./bench -write-docs  docs/performance.md from the last results
//
// It needs Linux and root, and a machine that does nothing else.
//
// # How it works
//
// The first process installs and builds what it needs (prepare_linux.go) and
// starts itself again in namespaces of its own, for network, processes and
// mounts. In there each contender (contenders_linux.go, as data) is started in
// a cgroup (cage_linux.go) for each measure (measures_linux.go), load
// generators (bench/load) drive it, and every byte of every answer is
// compared. Round by round all contenders take their turn at one measure
// before the next, so that figures which are compared are seconds apart. The
// record goes to bench/out/results.json after each measure; the tables are
// made of it (internal/report), to standard output and bench/out/results.md.
//
// # What it leaves behind
//
// bench/out. Everything else ends with the process that is first in the
// namespaces: when that is killed, the kernel kills all the others, and the
// network goes with them. The cgroups are removed by the process outside,
// which also hears the interrupt.
//
// # What the figures mean
//
// Server CPU is that of all its processes, as the cgroup counts it. On
// loopback the kernel's work for a packet is done in the context of the sender:
// part of what a client's packets cost lands on the client's account and the
// other way round, for all contenders alike.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/port843/port843/bench/internal/procs"
	"github.com/port843/port843/bench/internal/report"
)

// inside is set in the environment of the process in the namespaces, to the
// name of its cgroup.
const inside = "PORT843_BENCH_CAGE"

type options struct {
	rounds, heavy  int
	quick, write   bool
	only, measures string
}

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(args []string, out, say io.Writer) error {
	o, err := parse(args, say)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if o.write {
		return writeDocs(root)
	}
	chosen, measures, err := o.choose()
	if err != nil {
		return err
	}
	if cage := os.Getenv(inside); cage != "" {
		return measureAll(o, root, cage, chosen, measures, say)
	}
	return outside(args, root, chosen, out, say)
}

func parse(args []string, say io.Writer) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(say)
	f.IntVar(&o.rounds, "rounds", 7, "`number` of rounds")
	f.IntVar(&o.heavy, "heavy", 3, "`number` of rounds of the measures that take long")
	f.BoolVar(&o.quick, "quick", false, "one short round of everything: shows that it works, its figures mean nothing")
	f.StringVar(&o.only, "only", "", "these contenders only, a comma `list` of: "+strings.Join(contenderIDs(), " "))
	f.StringVar(&o.measures, "measures", "", "these measures only, a comma `list` of: "+strings.Join(measureIDs(), " "))
	f.BoolVar(&o.write, "write-docs", false, "measure nothing: write docs/performance.md, and the figures of docs/comparing.md, from the last results")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 || o.rounds < 1 || o.heavy < 1 {
		return o, errors.New("wrong use: see -help")
	}
	if o.quick {
		o.rounds, o.heavy = 1, 1
	}
	o.heavy = min(o.heavy, o.rounds)
	return o, nil
}

func contenderIDs() (ids []string) {
	for _, c := range contenders {
		ids = append(ids, c.ID)
	}
	return ids
}

func measureIDs() (ids []string) {
	for _, m := range report.Measures {
		ids = append(ids, m.ID)
	}
	return ids
}

// choose applies -only and -measures; a name that does not exist is refused.
func (o options) choose() (cs []contender, ms []report.Measure, err error) {
	pick := func(list string, all []string) ([]string, error) {
		if list == "" {
			return all, nil
		}
		names := strings.Split(list, ",")
		for _, n := range names {
			if !slices.Contains(all, n) {
				return nil, fmt.Errorf("no such name: %q (there are %s)", n, strings.Join(all, " "))
			}
		}
		return names, nil
	}
	cids, err1 := pick(o.only, contenderIDs())
	mids, err2 := pick(o.measures, measureIDs())
	for _, c := range contenders {
		if slices.Contains(cids, c.ID) {
			cs = append(cs, c)
		}
	}
	for _, m := range report.Measures {
		if slices.Contains(mids, m.ID) {
			ms = append(ms, m)
		}
	}
	return cs, ms, errors.Join(err1, err2)
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, e := os.Stat(filepath.Join(dir, "bench", "cserver", "cserver.c")); e == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("run it in the source tree")
		}
	}
	return "", err
}

// outside prepares, has the measuring done in namespaces, cleans up and
// prints the tables.
func outside(args []string, root string, chosen []contender, out, say io.Writer) error {
	if os.Geteuid() != 0 {
		return errors.New("it needs root, for namespaces and cgroups")
	}
	lock, err := onlyOne()
	if err != nil {
		return err
	}
	defer lock.Close()
	// From here on an interrupt ends the process inside, and with it all.
	stop := make(chan os.Signal, 2)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(stop)

	s, err := prepare(root, chosen, say)
	if err != nil {
		return err
	}
	if err := writeJSON(filepath.Join(s.Out, "setup.json"), s); err != nil {
		return err
	}
	name := procs.CagePrefix + strconv.Itoa(os.Getpid())
	cage, err := procs.NewCage(name)
	if err != nil {
		return err
	}
	defer cage.Remove()
	if err := imprison(args, name, stop, say); err != nil {
		return err
	}
	r, err := readResults(root)
	if err != nil {
		return err
	}
	md, err := os.Create(filepath.Join(s.Out, "results.md"))
	if err != nil {
		return err
	}
	err = report.Tables(io.MultiWriter(out, md), r)
	return errors.Join(err, md.Close())
}

// onlyOne sees to it that one benchmark runs on the machine at a time: two
// would spoil each other's figures. The lock ends with the file, or with the
// process.
func onlyOne() (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "port843-bench.lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another benchmark runs on this machine"), f.Close())
	}
	return f, nil
}

// imprison runs this program again, in namespaces of its own.
func imprison(args []string, cage string, stop <-chan os.Signal, say io.Writer) error {
	// The child is to die with the thread that started it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), inside+"="+cage)
	cmd.Stdout, cmd.Stderr = say, say
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
		Setpgid:    true, // the terminal's interrupt comes here first
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("namespaces: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case sig := <-stop:
		_ = cmd.Process.Kill() // it may have ended
		<-done
		return fmt.Errorf("stopped by %v; what was measured is in bench/out/results.json", sig)
	}
}

func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	// In one step: a run that is interrupted leaves a whole file.
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readJSON(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func resultsPath(root string) string { return filepath.Join(root, "bench", "out", "results.json") }

func readResults(root string) (*report.Results, error) {
	r := &report.Results{}
	return r, readJSON(resultsPath(root), r)
}

// writeDocs writes the page and its plots, and what another page takes from it.
func writeDocs(root string) error {
	r, err := readResults(root)
	if err != nil {
		return fmt.Errorf("no results to write about: %w", err)
	}
	if r.Quick {
		return errors.New("the last results are of a shortened run, and no figures to publish")
	}
	dir := filepath.Join(root, "docs", "performance")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range report.Plots {
		svg, ok := report.SVG(r, p)
		path := filepath.Join(dir, p.File)
		if !ok {
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, []byte(svg), 0o644); err != nil {
			return err
		}
	}
	var page strings.Builder
	if err := report.Page(&page, r); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, performancePage), []byte(page.String()), 0o644); err != nil {
		return err
	}
	return writeFigures(root)
}
