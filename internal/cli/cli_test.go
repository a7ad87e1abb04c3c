package cli

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/spf13/cobra"
)

func TestMainTurnsErrorsIntoExitCodes(t *testing.T) {
	for _, c := range []struct {
		name string
		args []string
		err  error
		code int
		want string
	}{
		{"done", nil, nil, ExitOK, ""},
		{"no, and it was said already", nil, No(), ExitNo, ""},
		{"refused", nil, Refuse(errors.New("it does not parse"), "mend it"), ExitNo, "error: it does not parse\nhint: mend it\n"},
		{"several lines", nil, Refuse(errors.New("a:1: x\na:2: y\n"), ""), ExitNo, "error: a:1: x\nerror: a:2: y\n"},
		{"failed", nil, Fail(errors.New("no such port"), ""), ExitError, "error: no such port\n"},
		{"wrapped", nil, fmt.Errorf("outside: %w", Usage("try this", "no %s", "way")), ExitError, "error: no way\nhint: try this\n"},
		{"not ours", nil, errors.New("from a library"), ExitError, "error: from a library\nhint: run \"port843 help\"\n"},
		{"no such flag", []string{"--nonsense"}, nil, ExitError, "error: unknown flag: --nonsense\nhint: run \"root --help\"\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			root := func(Streams) *cobra.Command {
				return &cobra.Command{Use: "root", RunE: func(*cobra.Command, []string) error { return c.err }}
			}
			code := Main(root, Streams{In: &out, Out: &out, Err: &errs}, c.args)
			if code != c.code || errs.String() != c.want || out.Len() > 0 {
				t.Errorf("exit %d, %q, output %q; want exit %d, %q", code, errs.String(), out.String(), c.code, c.want)
			}
		})
	}
}

func TestErrorUnwraps(t *testing.T) {
	inner := errors.New("inner")
	if !errors.Is(Fail(inner, ""), inner) {
		t.Error("Fail hides its error")
	}
	if got := No().Error(); got != "exit 1" {
		t.Errorf("No says %q", got)
	}
}
