package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/player"
	"github.com/port843/port843/policy"
)

// checkFlags are the flags of check as they were given.
type checkFlags struct {
	from, policy, policyURL, master, client, who, contentType, metaHeader string
	servedFrom                                                            uint16
	load                                                                  []string
	timeout                                                               time.Duration
	json, log, nagios                                                     bool
}

const checkLong = `check does what the player does, step by step: it looks for the policies of
the target, decides by them, shows each step with its time, says whether the
player would connect, and what to change where it would not.

TARGET is HOST:PORT for a socket, or an http or https URL, for which URL
policy files decide (/crossdomain.xml and what it permits). --from is the URL
of the SWF: policies look at its scheme and host.

With --policy nothing is asked over the network: the file is judged as if it
came from the place where the client looks first (port 843, or the root of
the site), or from --policy-url. A config (.toml) is judged by the policy that
it builds for the target's address. --policy none judges without any policy.

With --who the question is turned round: whom do the policies of HOST:PORT
permit?

The clients are flash (Flash Player 10 and later), flash9.0.115, flash9.0.124,
air, air-application, lightspark, silverlight, unity, ruffle-web,
ruffle-desktop, acrobat; --client all is a table of them all.

Exit codes: 0 permitted (--who: somebody is), 1 denied (--who: nobody is;
--client all: one of them is), 2 could not be determined, or used wrongly.
With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.`

const checkExample = `  port843 check --from http://www.example.com/game.swf game.example.net:9000
  port843 check --from http://www.example.com/game.swf --client all game.example.net:9000
  port843 check --from http://www.example.com/game.swf --policy policy.xml game.example.net:9000
  port843 check --from http://www.example.com/a.swf http://data.example.net/api/list.xml
  port843 check --who game.example.net:9000`

// newCheck is the verb check: would the player connect, and if not, why?
func newCheck(s cli.Streams) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:     "check --from URL TARGET",
		Short:   "Would the player connect, and if not, why?",
		Long:    checkLong,
		Example: checkExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c := check{checkFlags: f, s: s}
			err := c.run(cmd.Context(), args)
			var e *cli.Error
			if f.nagios && errors.As(err, &e) && e.Err != nil {
				fmt.Fprintf(s.Out, "PORT843 UNKNOWN - %s\n", nagiosText(e.Err.Error()))
				return &cli.Error{Code: nagiosUnknown}
			}
			return err
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "URL of the SWF")
	flags.StringVar(&f.policy, "policy", "", `judge this policy offline: a file, "-", a config (.toml), an xmlsocket:// place to take it from, or "none"`)
	flags.StringVar(&f.policyURL, "policy-url", "", "where the policy is taken to come from (xmlsocket://HOST:PORT or a URL)")
	flags.Uint16Var(&f.servedFrom, "served-from", 0, "the same by a port alone; 80 and 443 stand for a web server, unless they are the target's")
	flags.StringVar(&f.master, "master", "", "the master policy beside it, a file")
	flags.StringVar(&f.contentType, "content-type", "", "with --policy: the Content-Type that a web server sends it with")
	flags.StringVar(&f.metaHeader, "meta-header", "", "with --policy: the X-Permitted-Cross-Domain-Policies that a web server sends it with")
	flags.StringArrayVar(&f.load, "load", nil, "a URL that the SWF names by Security.loadPolicyFile; may be repeated")
	flags.StringVar(&f.client, "client", "flash", "which client, or all")
	flags.DurationVar(&f.timeout, "timeout", 0, "wait at most this long for each answer (default: as long as the client does)")
	flags.StringVar(&f.who, "who", "", "HOST:PORT or URL: whom do its policies permit?")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	flags.BoolVar(&f.log, "log", false, "print lines as in the player's policyfiles.txt")
	flags.BoolVar(&f.nagios, "nagios", false, "print one line for Nagios and its kin, with their exit codes")
	cmd.MarkFlagsMutuallyExclusive("json", "log", "nagios")
	cmd.MarkFlagsMutuallyExclusive("who", "log")
	cmd.MarkFlagsMutuallyExclusive("who", "nagios")
	return cmd
}

// check is one run of the verb.
type check struct {
	checkFlags
	s        cli.Streams
	question player.Question
	clients  []*player.Profile
	fetcher  player.Fetcher
	given    *player.Given // with --policy or --master
}

const checkHint = `run "port843 check --help"`

func (c *check) run(ctx context.Context, args []string) error {
	if err := c.prepare(ctx, args); err != nil {
		return err
	}
	if c.who != "" {
		return c.runWho(ctx)
	}
	verdicts := make([]*player.Verdict, len(c.clients))
	for i, p := range c.clients {
		q, f, err := c.ask(p)
		if err != nil {
			return err
		}
		verdicts[i] = player.Decide(ctx, f, q)
	}
	return c.print(verdicts)
}

func (c *check) print(verdicts []*player.Verdict) error {
	switch {
	case c.json:
		if err := writeJSON(c.s.Out, checkJSON{Version: checkJSONVersion, Results: jsonVerdicts(verdicts, c.swf())}); err != nil {
			return cli.Fail(err, "")
		}
	case c.nagios:
		return printNagios(c.s.Out, verdicts)
	case c.log:
		for _, v := range verdicts {
			for _, line := range player.LogLines(v, c.swf()) {
				fmt.Fprintln(c.s.Out, line)
			}
		}
	case len(verdicts) > 1:
		printTable(c.s.Out, c.swf(), verdicts)
	default:
		printVerdict(c.s.Out, c.swf(), verdicts[0])
	}
	return exitOf(verdicts)
}

// swf is the URL of the SWF as the question has it.
func (c *check) swf() string {
	if c.from == "" {
		return "app:/"
	}
	return c.from
}

// exitOf is 1 where a client is denied, 0 where all that ask are permitted,
// else 2. A client that never asks has no part among others.
func exitOf(verdicts []*player.Verdict) error {
	permitted := false
	for _, v := range verdicts {
		switch {
		case v.Answer == player.Denied:
			return cli.No()
		case v.Answer == player.Permitted:
			permitted = true
		case len(verdicts) == 1 || v.Reason != player.ReasonNeverAsks && v.Reason != player.ReasonUnknown:
			return &cli.Error{Code: cli.ExitError}
		}
	}
	if !permitted {
		return &cli.Error{Code: cli.ExitError}
	}
	return nil
}

// ask returns the question and the fetcher for one client.
func (c *check) ask(p *player.Profile) (player.Question, player.Fetcher, error) {
	q := c.question
	q.Client = p
	if c.given == nil {
		return q, c.fetcher, nil
	}
	t, err := c.given.Apply(&q)
	if err != nil {
		return q, nil, cli.Usage("say with --policy-url or --served-from where the policy comes from", "%w", err)
	}
	return q, t, nil
}

// prepare turns the flags into a question.
func (c *check) prepare(ctx context.Context, args []string) error {
	target, err := c.target(args)
	if err != nil {
		return err
	}
	c.question = player.Question{Target: target, Connect: true}
	if err := c.prepareClients(); err != nil {
		return err
	}
	if err := c.prepareFrom(); err != nil {
		return err
	}
	for _, s := range c.load {
		l, err := player.ParseLocation(s)
		if err != nil {
			return cli.Usage(checkHint, "--load %w", err)
		}
		c.question.Load = append(c.question.Load, l)
	}
	if len(c.load) > player.MaxLoads {
		return cli.Usage(checkHint, "--load may be given %d times, not %d", player.MaxLoads, len(c.load))
	}
	network := &player.Network{Patience: c.timeout}
	c.fetcher = &player.Memo{Fetcher: network}
	return c.prepareGiven(ctx, network)
}

func (c *check) target(args []string) (player.Target, error) {
	text := c.who
	switch {
	case c.who != "" && len(args) > 0:
		return player.Target{}, cli.Usage(checkHint, "--who has its own target: %q is one too many", escape.Text(args[0], 80))
	case c.who != "" && c.client == "all":
		return player.Target{}, cli.Usage("ask for one client", "--who goes with one client")
	case c.who == "" && len(args) == 0:
		return player.Target{}, cli.Usage(`such as "port843 check --from http://www.example.com/game.swf game.example.net:9000"`, "no target is named")
	case c.who == "":
		text = args[0]
	}
	t, err := player.ParseTarget(text)
	if err != nil {
		return t, cli.Usage(checkHint, "%w", err)
	}
	return t, nil
}

func (c *check) prepareClients() error {
	if c.timeout < 0 {
		return cli.Usage(checkHint, "--timeout is a duration such as 500ms or 3s")
	}
	if c.client == "all" {
		c.clients = player.Profiles()
	} else if p := player.ProfileNamed(c.client); p != nil {
		c.clients = []*player.Profile{p}
	} else {
		var names []string
		for _, p := range player.Profiles() {
			names = append(names, p.Name)
		}
		return cli.Usage("one of "+strings.Join(names, ", ")+", or all", "no client is named %q", escape.Text(c.client, 40))
	}
	if c.timeout > 0 {
		for i, p := range c.clients {
			c.clients[i] = p.WithTimeout(c.timeout)
		}
	}
	return nil
}

func (c *check) prepareFrom() error {
	if c.who != "" && c.from == "" {
		return nil
	}
	if c.from == "" && c.client != "air-application" {
		return cli.Usage("--from is the URL of the SWF: its scheme and host are what policies look at", "--from is missing")
	}
	from, err := policy.ParseRequestor(c.swf())
	if c.from == "" {
		from, err = policy.Requestor{Scheme: "app"}, nil
	} else if from.Scheme == "" && strings.HasPrefix(strings.ToLower(c.from), "app:") {
		from, err = policy.Requestor{Scheme: "app"}, nil
	}
	if err != nil {
		return cli.Usage("such as --from http://www.example.com/game.swf", "%s", escape.Text(err.Error(), 300))
	}
	c.question.From = from
	if l, err := player.ParseLocation(c.from); err == nil {
		c.question.Origin = l
	}
	return nil
}
