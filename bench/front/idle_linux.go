package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/port843/port843/bench/internal/procs"
)

// perProcess is how many WebSockets one door holds: two descriptors each, of
// the 20,000 that a process commonly may have.
const perProcess = 9_500

// holdTime bounds the opening of them all.
const holdTime = 5 * time.Minute

// group is a door with a backend of its own and those who visit it.
type group struct {
	backend, door *process
	visitors      *exec.Cmd
}

// hold opens idle WebSockets, each process so many of them, and tells what one
// costs.
func hold(s scale, out io.Writer) (err error) {
	var groups []*group
	defer func() {
		for _, g := range groups {
			err = errors.Join(err, g.stop())
		}
	}()
	end := time.Now().Add(holdTime)
	var pids []int
	for n := s.idle; n > 0; n -= s.each {
		g, err := newGroup()
		if err != nil {
			return err
		}
		groups = append(groups, g)
		pids = append(pids, g.door.cmd.Process.Pid)
	}
	user0, err1 := procs.UserMemory(pids)
	kernel0, err2 := procs.Slab()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for i, g := range groups {
		if err := g.visit(min(s.each, s.idle-i*s.each), time.Until(end)); err != nil {
			return err
		}
	}
	if n := procs.Sockets(pids); n < 2*s.idle {
		return fmt.Errorf("the doors hold %d sockets, not the %d of %d WebSockets", n, 2*s.idle, s.idle)
	}
	user1, err1 := procs.UserMemory(pids)
	kernel1, err2 := procs.Slab()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	each := func(b int64) float64 { return float64(b) / 1024 / float64(s.idle) }
	fmt.Fprintf(out, "\n%d idle WebSockets, %d doors: %.1f KiB each of the doors' own memory, %.1f KiB of the kernel's for the four ends of the two connections of each\n",
		s.idle, len(groups), each(user1-user0), each(kernel1-kernel0))
	return nil
}

func newGroup() (*group, error) {
	g := &group{}
	back, err1 := free()
	addr, err2 := free()
	err := errors.Join(err1, err2)
	if err == nil {
		g.backend, err = startSelf("backend", back, "keep "+back)
	}
	if err == nil {
		g.door, err = startSelf("door", addr, "door "+addr+" "+back)
	}
	if err != nil {
		return nil, errors.Join(err, g.stop())
	}
	return g, nil
}

// visit opens n WebSockets from a process of their own.
func (g *group) visit(n int, within time.Duration) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	g.visitors = exec.Command(self)
	g.visitors.Env = append(os.Environ(), fmt.Sprintf("%s=visitors %s %d", roleVariable, g.door.addr, n))
	g.visitors.Stderr = os.Stderr
	g.visitors.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdout, err := g.visitors.StdoutPipe()
	if err != nil {
		return err
	}
	if err := g.visitors.Start(); err != nil {
		g.visitors = nil
		return err
	}
	late := time.AfterFunc(within, func() { g.visitors.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("%d visitors: %w", n, err)
	}
	if line != "ready\n" {
		return fmt.Errorf("%d visitors: %q", n, line)
	}
	return nil
}

func (g *group) stop() error {
	if g.visitors != nil {
		g.visitors.Process.Kill()
		g.visitors.Wait()
	}
	var errs []error
	for _, p := range []*process{g.door, g.backend} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(errs...)
}

// visitors opens WebSockets, says "ready", and holds them until it is killed.
func visitors(addr, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	for i := range n {
		c, err := open(addr)
		if err != nil {
			return fmt.Errorf("after %d: %w", i, err)
		}
		defer c.Close()
	}
	fmt.Println("ready")
	time.Sleep(holdTime) // it is killed long before
	return nil
}
