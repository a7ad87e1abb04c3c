package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	request   = "<policy-file-request/>\x00"
	startTime = 15 * time.Second // for a server to give its first answer
	stopTime  = 5 * time.Second  // for it to end, before it is killed
)

// server is a contender that runs.
type server struct {
	c       *contender
	b       *bench
	procs   []*exec.Cmd
	ended   chan error // of each process
	log     *os.File
	answer  []byte
	began   time.Time     // when the first process was started
	startup time.Duration // from then to the first right answer
}

// enter runs a program as a member of cgroups and with a limit on its
// descriptors: both are to hold before its first instruction. Entering takes
// the kernel a tenth of a second a cgroup: descriptor 3 says when it is done,
// and a start is timed from there.
const enter = `for d in $1; do echo $$ > "$d/cgroup.procs" || exit 3; done; ulimit -n "$2" || exit 3; shift 2; echo >&3; exec "$@" 3>&-`

// asUsual runs a contender as its makers would: one instance, and where it has
// workers as many as the machine has cores.
const asUsual = 0

// start runs a contender as n processes, and waits for its first right answer.
func (b *bench) start(c *contender, n int, files uint64) (*server, error) {
	nworkers := n
	if n == asUsual {
		n, nworkers = 1, b.cores
	}
	w, err := c.fill(b.setup, b.port, nworkers, files)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(w.dir, "log"))
	if err != nil {
		return nil, err
	}
	count := 1
	if c.Spread == instances {
		count = n
	}
	s := &server{c: c, b: b, log: log, answer: b.setup.Answer, ended: make(chan error, count)}
	for range count {
		if err := s.launch(w.argv, files); err != nil {
			return nil, errors.Join(err, s.stop())
		}
	}
	if err := s.first(w.dir); err != nil {
		text, _ := os.ReadFile(log.Name())
		return nil, errors.Join(fmt.Errorf("%w; it printed: %q", err, tail(text, 300)), s.stop())
	}
	s.startup = time.Since(s.began)
	return s, nil
}

// launch starts one process and waits until it listens, so that the next one
// of several does not take its place.
func (s *server) launch(argv []string, files uint64) error {
	before, err := listeners(s.b.port)
	if err != nil {
		return err
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", enter, "sh", strings.Join(s.b.cage.Folders(), " "), fmt.Sprint(files)}, argv...)...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	entered, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer entered.Close()
	cmd.ExtraFiles = []*os.File{tell}
	err = cmd.Start()
	_ = tell.Close() // the child has its own
	if err != nil {
		return err
	}
	s.procs = append(s.procs, cmd)
	_, _ = entered.Read(make([]byte, 1)) // its end too means that nothing is to be waited for
	if s.began.IsZero() {
		s.began = time.Now()
	}
	go func() { s.ended <- cmd.Wait() }()
	return s.poll(func() (bool, error) {
		now, err := listeners(s.b.port)
		return now > before, err
	})
}

// poll asks again and again until done, a process ends, or time is over.
func (s *server) poll(done func() (bool, error)) error {
	for deadline := time.Now().Add(startTime); ; {
		ok, err := done()
		if ok {
			return nil
		}
		select {
		case end := <-s.ended:
			s.ended <- end
			return fmt.Errorf("%s has ended: %v", s.c.ID, end)
		case <-time.After(200 * time.Microsecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not answer: %v", s.c.ID, err)
		}
	}
}

// first waits for the first right answer.
func (s *server) first(dir string) error {
	return s.poll(func() (bool, error) {
		if s.c.AnswerFile != "" {
			own, err := os.ReadFile(filepath.Join(dir, s.c.AnswerFile))
			if err != nil || !bytes.Contains(own, []byte(rule)) {
				return false, fmt.Errorf("its own answer has no %s: %w", rule, err)
			}
			s.answer = own
		}
		got, err := ask(s.b.port, time.Second)
		if err == nil && !bytes.Equal(got, s.answer) {
			err = fmt.Errorf("it answers %q", tail(got, 200))
		}
		return err == nil, err
	})
}

// ask is one exchange, by package net. What came before an RST counts.
func ask(port int, limit time.Duration) ([]byte, error) {
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), limit)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	got, err := io.ReadAll(io.LimitReader(c, 1<<20))
	if len(got) > 0 && errors.Is(err, syscall.ECONNRESET) {
		err = nil
	}
	return got, err
}

// roots are the processes that were started, their descendants not included.
func (s *server) roots() []int {
	var out []int
	for _, p := range s.procs {
		out = append(out, p.Process.Pid)
	}
	return out
}

func (s *server) pids() []int { return s.b.cage.Pids(s.roots()) }

func (s *server) used() (time.Duration, error) { return s.b.cage.Used(s.roots()) }

// stop ends the server and all its processes, and waits for their end.
func (s *server) stop() error {
	defer s.log.Close()
	all := s.pids()
	for _, p := range s.procs {
		_ = p.Process.Signal(syscall.SIGTERM) // it may have ended already
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	left := len(s.procs)
	for left > 0 && ctx.Err() == nil {
		select {
		case <-s.ended:
			left--
		case <-ctx.Done():
		}
	}
	for _, p := range s.procs {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL) // its group: what is left of it
	}
	for ; left > 0; left-- {
		<-s.ended
	}
	// The cage has to be empty before the next server enters it.
	for deadline := time.Now().Add(stopTime); len(s.b.cage.Folders()) > 0 && len(s.b.cage.Pids(nil)) > 0; time.Sleep(time.Millisecond) {
		for _, pid := range s.b.cage.Pids(nil) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s: processes %v do not end", s.c.ID, all)
		}
	}
	return nil
}

func tail(b []byte, n int) []byte { return b[max(0, len(b)-n):] }
