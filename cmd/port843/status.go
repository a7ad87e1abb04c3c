package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/daemon"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/internal/web"
	"github.com/port843/port843/server"
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
with the policies in service; the last reloads and what they changed.

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
	body, err := client.Get(ctx, "/status")
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
	var b strings.Builder
	if v.watch && isTerminal(v.s.Out) {
		b.WriteString("\x1b[H\x1b[2J") // to the corner, and clear
	}
	printStatus(&b, st, time.Now())
	_, err := io.WriteString(v.s.Out, b.String())
	return err
}

// printable makes a text of the service's fit for a terminal.
func printable(s string) string { return escape.Text(s, 1024) }

func printStatus(w io.Writer, st *daemon.Status, now time.Time) {
	switch {
	case st.Status == "ok":
		fmt.Fprintln(w, "all is well")
	case st.Ready:
		fmt.Fprintln(w, "it serves, and something is to be looked at:")
	default:
		fmt.Fprintln(w, "it does not serve everywhere:")
	}
	for _, r := range st.Reasons {
		for _, line := range strings.Split(r, "\n") {
			fmt.Fprintf(w, "  %s\n", printable(line))
		}
	}
	fmt.Fprintf(w, "version %s, up for %s, as the user %s\n\n", printable(st.Version), web.Span(now.Sub(st.Started)), printable(st.User))
	printOutcomes(w, st)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "LISTENER\tPOLICY\tBYTES\tACCEPTED\tOPEN\tSOURCE")
	for _, l := range st.Listeners {
		fmt.Fprintf(tw, "%s\t%.12s\t%d\t%s\t%d\t%s\n", printable(l.Address), printable(l.Digest), l.Bytes, web.Grouped(l.Accepted), l.Open, printable(l.Source))
	}
	tw.Flush()
	printFronts(w, st.Fronts)
	for i := range st.Sources {
		printSource(w, &st.Sources[i], now)
	}
}

func printFronts(w io.Writer, fronts []daemon.StatusFront) {
	if len(fronts) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\nFRONT\tOPEN\tWEBSOCKETS\tRAW\tPOLICIES\tORIGINS REFUSED\tBACKENDS")
	for _, f := range fronts {
		var backends []string
		for _, b := range f.Backends {
			state := "up"
			if !b.Up {
				state = "down"
			}
			backends = append(backends, printable(b.Address)+" "+state)
		}
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\t%s\t%s\t%s\n", printable(f.Address), f.Open, web.Grouped(f.WebSockets), web.Grouped(f.Raw),
			web.Grouped(f.Policies), web.Grouped(f.Origins), strings.Join(backends, ", "))
	}
	tw.Flush()
}

func printOutcomes(w io.Writer, st *daemon.Status) {
	var open int64
	total := map[string]uint64{}
	for _, l := range st.Listeners {
		open += l.Open
		for name, n := range l.Outcomes {
			total[name] += n
		}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "EXCHANGES\tA SECOND\tIN ALL\t")
	for _, o := range server.Outcomes() {
		if name := o.String(); total[name] > 0 || o == server.Answered {
			rate := "-"
			if r, ok := st.PerSecond[name]; ok {
				rate = web.Figure(r)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t\n", name, rate, web.Grouped(total[name]))
		}
	}
	tw.Flush()
	fmt.Fprintf(w, "%d connections open, of %s at most and %s of one client\n\n", open,
		web.Grouped(uint64(max(st.Limits.MaxConnections, 0))), web.Grouped(uint64(max(st.Limits.MaxPerAddress, 0))))
}

// shownReloads is how many reloads fit a terminal beside the rest.
const shownReloads = 5

func printSource(w io.Writer, s *daemon.SourceState, now time.Time) {
	fmt.Fprintf(w, "\n%s: in service since %s; reloads: %d taken, %d refused\n", printable(s.Name), web.Ago(s.Since, now), s.Reloads, s.Refusals)
	for _, x := range s.Warnings[:min(len(s.Warnings), shownReloads)] {
		fmt.Fprintf(w, "  warning: %s\n", printable(x))
	}
	if more := len(s.Warnings) - shownReloads; more > 0 {
		fmt.Fprintf(w, "  and %s more\n", count(more, "warning"))
	}
	for _, r := range s.History[:min(len(s.History), shownReloads)] {
		outcome := "taken"
		switch {
		case r.Error != "":
			outcome = "refused"
		case len(r.Refused) > 0:
			outcome = "taken in part"
		}
		fmt.Fprintf(w, "  %s %s (%s)\n", r.At.UTC().Format("2006-01-02 15:04:05 UTC"), outcome, printable(r.Why))
		for _, c := range r.Changes {
			fmt.Fprintf(w, "    %s\n", printable(c.Address))
			for _, t := range c.Granted {
				fmt.Fprintf(w, "      + %s\n", printable(t.Text))
			}
			for _, t := range c.Revoked {
				fmt.Fprintf(w, "      - %s\n", printable(t.Text))
			}
			if c.More > 0 {
				fmt.Fprintf(w, "      and %d more\n", c.More)
			}
		}
	}
}
