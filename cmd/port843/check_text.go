package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/player"
)

// printVerdict prints the steps, the verdict, and what to change.
func printVerdict(w io.Writer, swf string, v *player.Verdict) {
	fmt.Fprintf(w, "%s -> %s, %s\n\n", escape.Text(swf, 200), v.Question.Target, v.Client.Title)
	printSteps(w, v.Steps, v.Notes)
	fmt.Fprintf(w, "\n%s\n", verdictLine(v))
	if event := v.Event(); event != "" {
		fmt.Fprintf(w, "the program sees: %s\n", event)
	}
	if online(v) {
		fmt.Fprintf(w, "the client knows after %s\n", seconds(v.Wait))
	}
	printAdvice(w, player.Advise(v))
}

func verdictLine(v *player.Verdict) string { return fmt.Sprintf("%s: %s", v.Answer, v.Because) }

// online reports whether an address was asked, so that there are times to tell.
func online(v *player.Verdict) bool {
	return len(v.Addresses) > 0 && v.Addresses[0].Addr.IsValid() && v.Reason != player.ReasonHangs
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f s", d.Seconds()) }

func printSteps(w io.Writer, steps []player.Step, notes []player.Note) {
	for _, s := range steps {
		took := ""
		if s.Took > 0 {
			took = " (" + seconds(s.Took) + ")"
		}
		fmt.Fprintf(w, "%9s  %-7s  %s%s\n", seconds(s.At), s.Kind, s.Text, took)
	}
	for _, n := range notes {
		fmt.Fprintf(w, "%9s  %-7s  %s\n", "", "note", n.Text)
	}
}

func printAdvice(w io.Writer, advice []player.Advice) {
	for _, a := range advice {
		fmt.Fprintf(w, "\nadvice: %s\n  where: %s\n  then:  %s\n", a.What, a.Where, a.Effect)
		for _, c := range a.Commands {
			fmt.Fprintf(w, "    %s\n", c)
		}
	}
}

// printTable prints a line for each client.
func printTable(w io.Writer, swf string, verdicts []*player.Verdict) {
	fmt.Fprintf(w, "%s -> %s\n\n", escape.Text(swf, 200), verdicts[0].Question.Target)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT\tVERDICT\tKNOWS AFTER\tBECAUSE")
	for _, v := range verdicts {
		wait := "-"
		if online(v) {
			wait = seconds(v.Wait)
		}
		if v.Reason == player.ReasonHangs {
			wait = "never"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", v.Client.Name, v.Answer, wait, v.Because)
	}
	t.Flush()
	printed := map[string]bool{}
	var list []player.Advice
	for _, v := range verdicts {
		for _, a := range player.Advise(v) {
			if key := a.Code + a.Where; !printed[key] {
				printed[key] = true
				list = append(list, a)
			}
		}
	}
	printAdvice(w, list)
}

// runWho answers the second question.
func (c *check) runWho(ctx context.Context) error {
	q, f, err := c.ask(c.clients[0])
	if err != nil {
		return err
	}
	r := player.Who(ctx, f, q)
	if c.json {
		err = writeJSON(c.s.Out, checkJSON{Version: checkJSONVersion, Who: jsonRoll(r)})
	} else {
		err = printRoll(c.s.Out, r)
	}
	switch {
	case err != nil:
		return cli.Fail(err, "")
	case len(r.Permits) > 0:
		return nil
	case !r.Complete:
		return &cli.Error{Code: cli.ExitError}
	}
	return cli.No()
}

func printRoll(w io.Writer, r *player.Roll) error {
	fmt.Fprintf(w, "who may reach %s, %s\n\n", r.Target, r.Client.Title)
	printSteps(w, r.Steps, r.Notes)
	fmt.Fprintln(w)
	if len(r.Permits) == 0 {
		_, err := fmt.Fprintf(w, "nobody: %s\n", r.Why)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "WHO\tOVER\tRULE\tOF")
	for _, p := range r.Permits {
		over := "any"
		if p.Secure {
			over = "https"
		}
		where := p.By.Location.String()
		if list := addrText(p); list != "" {
			where += " at " + list
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", p.Domain, over, p.Rule, where)
	}
	return t.Flush()
}

// addrText lists the addresses of a permit, unless they are the host itself.
func addrText(p player.Permit) string {
	var list []string
	for _, a := range p.Addrs {
		if a.String() != p.By.Location.Host {
			list = append(list, a.String())
		}
	}
	return strings.Join(list, ", ")
}

// Nagios has exit codes of its own.
const (
	nagiosOK = iota
	nagiosWarning
	nagiosCritical
	nagiosUnknown
)

var nagiosNames = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// nagiosText keeps the plugin line in one piece: "|" begins the perfdata.
func nagiosText(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\n", "; "), "|", "/")
}

// printNagios prints one plugin line: the worst client's.
func printNagios(w io.Writer, verdicts []*player.Verdict) error {
	worst, code := verdicts[0], -1
	for _, v := range verdicts {
		if len(verdicts) > 1 && (v.Reason == player.ReasonNeverAsks || v.Reason == player.ReasonUnknown) {
			continue
		}
		if c := nagiosCode(v); code < 0 || nagiosRank[c] > nagiosRank[code] {
			worst, code = v, c
		}
	}
	text := verdictLine(worst)
	if len(verdicts) > 1 {
		text = worst.Client.Name + " " + text
	}
	if advice := player.Advise(worst); code == nagiosWarning && len(advice) > 0 {
		text += "; " + advice[0].What
	}
	bytes := 0
	for _, s := range worst.Sources {
		if s.Counts {
			bytes = len(s.Observation.Data)
			break
		}
	}
	fmt.Fprintf(w, "PORT843 %s - %s | wait=%.6fs;1;3;0 size=%dB;;;0\n", nagiosNames[code], nagiosText(text), worst.Wait.Seconds(), bytes)
	if code == nagiosOK {
		return nil
	}
	return &cli.Error{Code: code}
}

var nagiosRank = [...]int{nagiosOK: 0, nagiosWarning: 1, nagiosUnknown: 2, nagiosCritical: 3}

func nagiosCode(v *player.Verdict) int {
	switch {
	case v.Answer == player.Denied:
		return nagiosCritical
	case v.Answer == player.Undetermined:
		return nagiosUnknown
	case v.Event() != "" || v.Wait > time.Second:
		return nagiosWarning
	}
	return nagiosOK
}
