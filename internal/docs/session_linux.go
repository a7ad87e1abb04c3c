package docs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Session is a shell that stays between commands, as at a terminal: what one
// command leaves (a folder, a variable, $?, a job) the next one finds. It is
// for one goroutine.
type Session struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	state *bufio.Reader // a line with the exit status of each command
	keep  string        // where commands and outputs are
	n     int
}

// Start starts bash in dir, with env as its whole environment. keep is a
// folder for what the session needs, outside dir.
func Start(dir, keep string, env []string) (*Session, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	s := &Session{cmd: exec.Command("bash", "--norc", "--noprofile"), state: bufio.NewReader(r), keep: keep}
	s.cmd.Dir, s.cmd.Env = dir, env
	s.cmd.ExtraFiles = []*os.File{w}
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = io.WriteString(s.in, "set -m\n") // each job a process group
	return s, err
}

// ErrTime is returned where a command did not end, or did not print what was
// wanted, in time.
var ErrTime = errors.New("not in time")

// Run runs a command to its end, and returns what it printed on both streams,
// and its status. Jobs that it starts go on.
func (s *Session) Run(command string, limit time.Duration) (out string, code int, err error) {
	if err := s.begin(command); err != nil {
		return "", 0, err
	}
	type ended struct {
		line string
		err  error
	}
	end := make(chan ended, 1)
	go func() {
		line, err := s.state.ReadString('\n')
		end <- ended{line, err}
	}()
	select {
	case e := <-end:
		if e.err != nil {
			return s.Printed(), 0, fmt.Errorf("the shell has ended: %w", e.err)
		}
		code, err = strconv.Atoi(strings.TrimSpace(e.line))
		return s.Printed(), code, err
	case <-time.After(limit):
		s.kill()
		return s.Printed(), 0, ErrTime
	}
}

// begin has the shell read the command from a file: so it may be anything that
// can be typed, and its output is apart from that of the jobs before it.
func (s *Session) begin(command string) error {
	s.n++
	name := s.name("command")
	if err := os.WriteFile(name, []byte(command+"\n"), 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.in, "(exit ${last:-0}); . %s >%s 2>&1 </dev/null 3>&-; last=$?; echo $last >&3\n", name, s.name("output"))
	return err
}

func (s *Session) name(what string) string {
	return filepath.Join(s.keep, fmt.Sprintf("%s.%d", what, s.n))
}

// Printed is what the last command, and the jobs that it left, have printed up
// to now.
func (s *Session) Printed() string {
	data, err := os.ReadFile(s.name("output"))
	if err != nil {
		return "" // not begun
	}
	return string(data)
}

// Close ends the jobs and the shell, and waits for the shell.
func (s *Session) Close() {
	s.signal(syscall.SIGTERM)
	fmt.Fprintln(s.in, "wait; exit") // fails where the shell was killed
	s.in.Close()
	done := make(chan struct{})
	go func() { s.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(endLimit):
		s.kill()
		<-done
	}
}

// endLimit is how long jobs may take to end when they are told to.
const endLimit = 20 * time.Second

// Jobs is how many jobs run.
func (s *Session) Jobs() int { return len(s.children()) }

// children are what the shell has started: with "set -m" each is a process
// group.
func (s *Session) children() (pids []int) {
	pid := s.cmd.Process.Pid
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid)) // none, where the shell is gone
	for _, each := range strings.Fields(string(list)) {
		if pid, err := strconv.Atoi(each); err == nil && pid > 1 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (s *Session) signal(sig syscall.Signal) {
	for _, pid := range s.children() {
		syscall.Kill(-pid, sig)
	}
}

func (s *Session) kill() {
	s.signal(syscall.SIGKILL)
	s.cmd.Process.Kill()
}
