//go:build unix

package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// A take-over: on SIGUSR2 the server starts the binary that stands at its path
// now, with the same arguments, and hands it copies of its listening sockets.
// When the successor says that it serves, this process stops accepting and
// finishes what it has. The sockets are never closed in between, so no
// connection is refused. If the successor does not come up, nothing changes.

const (
	// envTakeover holds the names of the sockets from descriptor 3 on, each
	// with "=" and the address that was asked for, joined by commas; the
	// descriptor behind them is the pipe to say "ready" on.
	envTakeover = "PORT843_TAKEOVER"
	// takeoverPatience is how long a successor may take to be ready.
	takeoverPatience = 30 * time.Second
	readyWord        = "ready"
	firstFD          = 3
)

// takenOver returns the sockets of a predecessor with their names, and the
// pipe to tell it on that this process serves. The environment is cleared, so
// that they are taken once.
func takenOver() (files []*os.File, names []string, ready *os.File) {
	value := os.Getenv(envTakeover)
	if value == "" {
		return nil, nil, nil
	}
	os.Unsetenv(envTakeover)
	names = strings.Split(value, ",")
	for i, name := range names {
		syscall.CloseOnExec(firstFD + i)
		files = append(files, os.NewFile(uintptr(firstFD+i), name))
	}
	readyFD := firstFD + len(names)
	syscall.CloseOnExec(readyFD)
	return files, names, os.NewFile(uintptr(readyFD), readyWord)
}

// tellPredecessor says that this process serves.
func (d *daemon) tellPredecessor() error {
	if d.predecessor == nil {
		return nil
	}
	defer d.predecessor.Close()
	_, err := io.WriteString(d.predecessor, readyWord)
	return err
}

// takeovers hands over on each SIGUSR2 until one succeeds; then it returns the
// successor's process id. It returns 0 when ctx ends.
func (d *daemon) takeovers(ctx context.Context) int {
	for {
		select {
		case <-ctx.Done():
			return 0
		case <-d.signals.takeover:
		}
		d.log.Info("take-over asked for", "binary", d.o.Executable)
		pid, err := d.handOver(ctx)
		if err == nil {
			return pid
		}
		d.log.Error("the take-over failed: this process goes on", "error", err)
	}
}

// handOver starts a successor and waits until it is ready.
func (d *daemon) handOver(ctx context.Context) (pid int, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	d.fast.freeze()
	defer func() {
		if err != nil {
			d.fast.thaw()
		}
	}()
	fds, names, err := d.copySockets()
	defer func() {
		for _, fd := range fds {
			syscall.Close(fd)
		}
	}()
	if err != nil {
		w.Close()
		return 0, err
	}
	attr := &syscall.ProcAttr{
		Env:   append(os.Environ(), envTakeover+"="+strings.Join(names, ",")),
		Files: []uintptr{0, 1, 2},
	}
	for _, fd := range fds {
		attr.Files = append(attr.Files, uintptr(fd))
	}
	attr.Files = append(attr.Files, w.Fd())
	pid, err = syscall.ForkExec(d.o.Executable, os.Args, attr)
	w.Close()
	if err != nil {
		return 0, fmt.Errorf("%s: %w", d.o.Executable, err)
	}
	child, err := os.FindProcess(pid)
	if err != nil {
		return 0, err
	}
	exited := make(chan error, 1)
	go func() {
		state, err := child.Wait()
		if err == nil {
			err = errors.New("the successor ended: " + state.String())
		}
		exited <- err
	}()
	if err = awaitReady(ctx, r, exited); err != nil {
		child.Kill()
		return 0, err
	}
	return pid, nil
}

// awaitReady returns nil when the successor has said that it serves.
func awaitReady(ctx context.Context, r *os.File, exited <-chan error) error {
	said := make(chan error, 1)
	go func() {
		word, err := io.ReadAll(io.LimitReader(r, int64(len(readyWord))))
		if err == nil && string(word) != readyWord {
			err = errors.New("the successor closed the pipe without a word")
		}
		said <- err
	}()
	select {
	case err := <-said:
		if err == nil {
			return nil
		}
		select {
		case err = <-exited: // says more
		case <-time.After(time.Second):
		}
		return err
	case <-time.After(takeoverPatience):
		return errors.New("the successor was not ready in " + takeoverPatience.String())
	case <-ctx.Done():
		return ctx.Err()
	}
}

// filer is a listening socket of which there can be copies.
type filer interface{ File() (*os.File, error) }

// copySockets duplicates the listening sockets for a successor.
func (d *daemon) copySockets() (fds []int, names []string, err error) {
	addFile := func(f *os.File, name string) error {
		defer f.Close()
		// Not with Fd, which would make the socket blocking, for every process
		// that shares it.
		raw, err := f.SyscallConn()
		if err != nil {
			return err
		}
		var dupErr error
		err = raw.Control(func(fd uintptr) {
			syscall.ForkLock.RLock()
			defer syscall.ForkLock.RUnlock()
			copied, err := syscall.Dup(int(fd))
			if err != nil {
				dupErr = err
				return
			}
			syscall.CloseOnExec(copied)
			fds, names = append(fds, copied), append(names, name)
		})
		return errors.Join(err, dupErr)
	}
	add := func(socket filer, name string) error {
		f, err := socket.File()
		if err != nil {
			return err
		}
		return addFile(f, name)
	}
	for i, l := range d.server.Listeners() {
		if err := add(l, namePolicy+"="+d.sockets[i].asked); err != nil {
			return fds, names, err
		}
	}
	other := func(ln net.Listener, name string) error {
		socket, ok := ln.(filer)
		if !ok {
			return fmt.Errorf("the socket on %s cannot be handed over", ln.Addr())
		}
		return add(socket, name)
	}
	for _, f := range d.frontList() {
		if err := other(f.ln, nameFront+"="+f.address); err != nil {
			return fds, names, err
		}
	}
	if d.admin != nil {
		if err := other(d.admin, nameAdmin+"="+d.o.Admin); err != nil {
			return fds, names, err
		}
	}
	paths, err := d.fast.files()
	for _, f := range paths {
		err = errors.Join(err, addFile(f.File, nameFast+"="+f.Name))
	}
	return fds, names, err
}

// listenForSignals takes the signals over before anything else happens, since
// what they do by default is to end the process.
func listenForSignals() signals {
	s := signals{reload: make(chan os.Signal, 1), takeover: make(chan os.Signal, 1)}
	signal.Notify(s.reload, syscall.SIGHUP)
	signal.Notify(s.takeover, syscall.SIGUSR2)
	return s
}
