package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/port843/port843/internal/escape"
)

// process is a server that the suite has started.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	said *tail
}

// launch starts command by /bin/sh, which gives its place to it: so the
// process id is the server's. files bounds its descriptors, 0 leaves them.
func launch(command string, files int) (*process, error) {
	line := "exec " + command
	if files > 0 {
		// Both limits at once: a Go program raises the soft one to the hard.
		line = fmt.Sprintf("ulimit -n %d && %s", files, line)
	}
	p := &process{cmd: exec.Command("/bin/sh", "-c", line), done: make(chan struct{}), said: &tail{}}
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	// A child that outlives the server could keep the pipe open for ever.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop ends the server: politely, and after five seconds for good.
func (p *process) stop() {
	const patience = 5 * time.Second
	if p.cmd.Process.Signal(syscall.SIGTERM) == nil {
		select {
		case <-p.done:
			return
		case <-time.After(patience):
		}
	}
	p.cmd.Process.Kill()
	<-p.done
}

// ended returns how the server ended, nil while it runs.
func (p *process) ended() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	text := "it ended with " + p.cmd.ProcessState.String()
	if said := p.said.String(); said != "" {
		text += ", saying: " + said
	}
	return errors.New(text)
}

// explain adds to err that the server has ended, where it has.
func (p *process) explain(err error) error {
	if end := p.ended(); end != nil {
		return fmt.Errorf("%w; %w", err, end)
	}
	return err
}

// cpu returns the CPU time that the process has used, on Linux (proc(5)).
func (p *process) cpu() (time.Duration, bool) {
	const tick = time.Second / 100 // USER_HZ is 100 wherever Linux runs
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, false
	}
	// The name in parentheses may hold anything; utime and stime are the 12th
	// and 13th field after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return 0, false
	}
	utime, err1 := strconv.ParseInt(fields[11], 10, 64)
	stime, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(utime+stime) * tick, err1 == nil && err2 == nil
}

// watch looks at the process for a while: which share of one processor it uses
// and how many of its files descriptors it holds at most, on Linux.
func (p *process) watch(ctx context.Context, d time.Duration, files int) (share float64, held int, known bool) {
	before, known := p.cpu()
	began := time.Now()
	for time.Since(began) < d && known && sleep(ctx, d/100) {
		if entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)); err == nil {
			held = max(held, min(len(entries), files)) // a listing is no snapshot
		}
	}
	after, still := p.cpu()
	if !known || !still {
		return 0, 0, false
	}
	return (after - before).Seconds() / time.Since(began).Seconds(), held, true
}

// tail keeps the end of what a server says, and drops the rest.
type tail struct {
	mu  sync.Mutex
	end []byte
}

func (t *tail) Write(b []byte) (int, error) {
	const keep = 400
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b[max(0, len(b)-keep):]...)
	t.end = bytes.Clone(t.end[max(0, len(t.end)-keep):])
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return escape.Text(bytes.TrimSpace(t.end), 400)
}

// restart ends the server that the suite started, if there is one, starts it
// anew, and waits until it can be connected to.
func (r *runner) restart(ctx context.Context, files int) error {
	const patience = 10 * time.Second
	if r.server != nil {
		r.server.stop()
		r.server = nil
	}
	if err := r.connect(ctx); err == nil {
		r.opened.Close()
		r.opened = nil
		return fmt.Errorf("something else serves on %s already", r.address)
	}
	p, err := launch(r.opts.Exec, files)
	if err != nil {
		return err
	}
	r.server = p
	for over := time.Now().Add(patience); ; {
		err := r.connect(ctx)
		if err == nil {
			return nil
		}
		if end := p.ended(); end != nil {
			return end
		}
		if time.Now().After(over) || !sleep(ctx, 20*time.Millisecond) {
			return err
		}
	}
}
