package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/config"
)

func newInit(s cli.Streams) *cobra.Command {
	var minimal bool
	var output string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Print a config file to begin with",
		Long: `Init prints a config with every key in it, explained; --minimal prints the
shortest that is of use. With --output it is written to a new file; one that
is there already is left alone.

Exit codes: 0 done; 2 used wrongly, or it could not be written.`,
		Example: `  port843 init
  port843 init --minimal --output /etc/port843/port843.toml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text := config.Reference()
			if minimal {
				text = config.Minimal()
			}
			if output != "" {
				return writeNew(output, text)
			}
			if _, err := s.Out.Write(text); err != nil {
				return cli.Fail(err, "")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&minimal, "minimal", false, "the shortest config that is of use")
	cmd.Flags().StringVar(&output, "output", "", "write it to the new `FILE`")
	return cmd
}

// writeNew writes a file that must not be there yet.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return cli.Fail(fmt.Errorf("%s is there already", path), "name another file, or move that one away")
	}
	if err != nil {
		return cli.Fail(err, "")
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return cli.Fail(err, "")
	}
	return nil
}
