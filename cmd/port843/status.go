package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/internal/web"
)

// watchEvery is how often status --watch asks: as often as the page changes.
const watchEvery = 2 * time.Second

// status is the verb status: what does the service do now?
type status struct {
	admin       string
	json, watch bool
	o           web.ClientOptions
	s           cli.Streams
}

func newStatus(s cli.Streams) *cobra.Command {
	v := status{s: s}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a running service does now",
		Long: `Status asks a running "port843 serve --admin ADDR" and prints what its page
shows: what is not well, first; exchanges and how they ended; the listeners
with the policies in service; the front door with its backends and the pages
that it refused; who may reach what, with owner and line, and what the linter
finds; the last reloads, why, and what they changed.

Lines are wrapped to the width of the terminal, and tables that do not fit it
become lists. With --watch what comes first stays on the screen.

Exit codes: 0 all is well; 1 something is to be looked at; 2 used wrongly, or
the service could not be asked.`,
		Example: `  port843 status
  port843 status --admin unix:/run/port843/admin.sock --watch
  port843 status --admin https://games.example.com:8430 --token-file token
  port843 status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return v.run(cmd.Context()) },
	}
	fl := cmd.Flags()
	fl.StringVar(&v.admin, "admin", "127.0.0.1:8430", "ask the service whose --admin is `ADDR` (host:port, https://host:port, or unix:PATH)")
	fl.BoolVar(&v.watch, "watch", false, "ask again every two seconds, until interrupted")
	fl.BoolVar(&v.json, "json", false, "print what /status says, as JSON; with --watch a line each time")
	fl.StringVar(&v.o.TokenFile, "token-file", "", "the `FILE` with the service's token")
	fl.StringVar(&v.o.CA, "ca", "", "the `FILE` with the authority that signed the service's certificate")
	fl.StringVar(&v.o.Cert, "cert", "", "the `FILE` with the client's own certificate")
	fl.StringVar(&v.o.Key, "key", "", "the `FILE` with the key of --cert")
	return cmd
}

func (v *status) run(ctx context.Context) error {
	client, err := web.NewClient(v.admin, v.o)
	if err != nil {
		return cli.Usage("see port843 help status", "%w", err)
	}
	for {
		st, err := v.ask(ctx, client)
		if v.watch && ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := v.print(st); err != nil {
			return cli.Fail(err, "")
		}
		if !v.watch {
			if st.Status != "ok" {
				return cli.No()
			}
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchEvery):
		}
	}
}

// ask returns what the service says of itself.
func (v *status) ask(ctx context.Context, client *web.Client) (*daemon.Status, error) {
	body, err := client.Get(ctx, "/status?who")
	switch {
	case errors.Is(err, web.ErrToken):
		return nil, cli.Fail(err, "name the file with --token-file")
	case err != nil:
		return nil, cli.Fail(err, `the service must run with --admin, and --admin here must be that address`)
	}
	var st daemon.Status
	if err := json.Unmarshal(body, &st); err != nil {
		return nil, cli.Fail(fmt.Errorf("%s is no port843: %w", v.admin, err), "name the address of serve --admin")
	}
	return &st, nil
}

func (v *status) print(st *daemon.Status) error {
	if v.json {
		e := json.NewEncoder(v.s.Out)
		if !v.watch {
			e.SetIndent("", "  ")
		}
		return e.Encode(st)
	}
	width, height := terminalSize(v.s.Out)
	s := sheet{width: width}
	printStatus(&s, st, time.Now())
	text := s.text(0)
	if v.watch && height > 0 {
		// To the corner; clear the rest of each line, and what is below. What
		// comes first stays on the screen.
		text = "\x1b[H" + strings.ReplaceAll(s.text(height), "\n", "\x1b[K\n") + "\x1b[J"
	}
	_, err := io.WriteString(v.s.Out, text)
	return err
}
