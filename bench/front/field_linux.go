package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/port843/port843/bench/internal/procs"
)

// process is somebody who is measured, or the game behind.
type process struct {
	name, addr string
	cmd        *exec.Cmd
	cage       *procs.Cage
}

// begins is how long a process has to listen.
const begins = 20 * time.Second

// start starts a process in a cage of its own, and waits until it listens.
func start(name, addr string, env []string, args ...string) (*process, error) {
	p := &process{name: name, addr: addr, cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Env = append(os.Environ(), env...)
	// Its children, such as websockify's, end with it.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	if err := p.enter(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	for end := time.Now().Add(begins); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			c.Close()
			return p, nil
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not listen on %s", name, addr), p.stop())
}

// enter puts the process into its cage. Without the rights for one its time is
// what /proc shows, and there is no quota.
func (p *process) enter() error {
	pid := strconv.Itoa(p.cmd.Process.Pid)
	c, err := procs.NewCage(procs.CagePrefix + strconv.Itoa(os.Getpid()) + "-" + pid)
	if err != nil {
		p.cage = &procs.Cage{}
		return nil
	}
	p.cage = c
	for _, d := range c.Folders() {
		if err := os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(pid), 0); err != nil {
			return err
		}
	}
	return nil
}

// used is the processor time that the process and its children have used.
func (p *process) used() (time.Duration, error) { return p.cage.Used([]int{p.cmd.Process.Pid}) }

func (p *process) stop() error {
	err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	p.cmd.Wait() // that it was killed is known
	p.cage.Remove()
	return err
}

func free() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// startSelf starts this program in a role.
func startSelf(name, addr, role string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return start(name, addr, []string{roleVariable + "=" + role}, self)
}

const haproxyConfig = `
global
  maxconn 2000
defaults
  mode tcp
  option splice-auto
  option tcp-smart-accept
  timeout connect 3s
  timeout client 1h
  timeout server 1h
listen front
  bind %s
  server game %s
`

// field is everyone who is measured.
type field struct {
	game, ours, haproxy, websockify *process
	dir                             string
}

func (f *field) raws() []*process     { return []*process{f.game, f.haproxy, f.ours} }
func (f *field) gateways() []*process { return []*process{f.websockify, f.ours} }

// startAll starts everyone. What was started is stopped by stop, after an
// error too.
func startAll() (*field, error) {
	f := &field{}
	var addr [4]string
	for i := range addr {
		var err error
		if addr[i], err = free(); err != nil {
			return f, err
		}
	}
	var err error
	if f.dir, err = os.MkdirTemp("", "bench-front"); err != nil {
		return f, err
	}
	back := addr[0]
	conf := filepath.Join(f.dir, "haproxy.cfg")
	if err := os.WriteFile(conf, fmt.Appendf(nil, haproxyConfig, addr[1], back), 0o644); err != nil {
		return f, err
	}
	if f.game, err = startSelf("direct", back, "echo "+back); err != nil {
		return f, err
	}
	if f.ours, err = startSelf("port843", addr[2], "door "+addr[2]+" "+back); err != nil {
		return f, err
	}
	if f.haproxy, err = start("HAProxy", addr[1], nil, "haproxy", "-f", conf); err != nil {
		return f, err
	}
	f.websockify, err = start("websockify", addr[3], nil, "websockify", addr[3], back)
	return f, err
}

func (f *field) stop() error {
	var errs []error
	for _, p := range []*process{f.websockify, f.haproxy, f.ours, f.game} {
		if p != nil {
			errs = append(errs, p.stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(f.dir))...)
}
