// Package cli is what every verb of port843 shares: its streams, its exit
// codes, and the two lines in which it reports an error.
//
// A verb is a constructor func(Streams) *cobra.Command in cmd/port843. Its
// RunE returns nil, or an error made by [Refuse], [Fail] or [Usage], which
// [Main] prints and turns into an exit code. A verb never calls os.Exit and
// never writes to os.Stdout.
//
// The voice: an error says what is wrong, the hint what to do about it. Both
// are lower case, without a final period, one line each.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, the same for every verb.
const (
	ExitOK    = 0 // done, or the answer is yes
	ExitNo    = 1 // the answer is no: denied, different, refused, a case failed, a finding
	ExitError = 2 // used wrongly, or it could not be determined or done
)

// Streams are a verb's standard streams.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// OS returns the process's own streams.
func OS() Streams { return Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr} }

// Error is an error with an exit code and, mostly, a hint.
type Error struct {
	Code int    // ExitNo or ExitError
	Err  error  // what is wrong; nil where the verb's output has said it already
	Hint string // what to do about it; may be empty
}

func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("exit %d", e.Code)
	}
	return e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// No ends the verb with ExitNo and prints nothing: its output has said why.
func No() error { return &Error{Code: ExitNo} }

// Refuse is the answer no with its reason, such as a policy that does not parse.
func Refuse(err error, hint string) error { return &Error{Code: ExitNo, Err: err, Hint: hint} }

// Fail is something that could not be done, such as a port that cannot be bound.
func Fail(err error, hint string) error { return &Error{Code: ExitError, Err: err, Hint: hint} }

// Usage is a verb used wrongly.
func Usage(hint, format string, args ...any) error {
	return &Error{Code: ExitError, Err: fmt.Errorf(format, args...), Hint: hint}
}

// Main runs the command tree on args and returns the exit code. The verb's
// context ends at the first SIGINT or SIGTERM; a second one kills the process,
// because the signals' default is restored as soon as the first has come.
func Main(root func(Streams) *cobra.Command, s Streams, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)

	cmd := root(s)
	cmd.SetArgs(args)
	cmd.SetIn(s.In)
	cmd.SetOut(s.Out)
	cmd.SetErr(s.Err)
	cmd.SilenceErrors = true
	cmd.SilenceUsage = true
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return Usage(fmt.Sprintf("run %q", c.CommandPath()+" --help"), "%w", err)
	})
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	return Report(s.Err, err)
}

// Report prints err and its hint on w and returns the exit code it stands for.
// An error that is no [Error] is cobra's own: a wrong use.
func Report(w io.Writer, err error) int {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Code: ExitError, Err: err, Hint: `run "port843 help"`}
	}
	if e.Err != nil {
		lines := strings.Split(strings.TrimRight(e.Err.Error(), "\n"), "\n")
		for _, line := range lines {
			fmt.Fprintf(w, "error: %s\n", line)
		}
		if e.Hint != "" {
			fmt.Fprintf(w, "hint: %s\n", e.Hint)
		}
	}
	return e.Code
}
