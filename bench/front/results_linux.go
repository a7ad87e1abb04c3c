package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figure is something that is measured.
type figure struct{ what, unit string }

var (
	stream = "one stream"
	pings  = "22 bytes there and back"
	visits = "connect, and one < there and back"

	rawFigures = []figure{
		{stream, "MB/s"}, {stream, "µs of processor time a MB"},
		{pings, "median µs"}, {pings, "99 % below, µs"}, {pings, "µs of processor time"},
		{visits, "median µs"}, {visits, "µs of processor time"},
	}
	gatewayUnits = []string{perSecond, cpuEach, cappedRate}
)

const (
	perSecond  = "1/s"
	cpuEach    = "µs of processor time each"
	cappedRate = "1/s with a tenth of a processor"
)

// results are the samples of each figure: figure, who, one a round.
type results map[figure]map[string][]float64

func (r results) add(f figure, p *process, v float64) {
	if r[f] == nil {
		r[f] = map[string][]float64{}
	}
	r[f][p.name] = append(r[f][p.name], v)
}

// cpu adds the processor time since before, for each of n, in µs.
func (r results) cpu(f figure, p *process, before time.Duration, n float64) error {
	now, err := p.used()
	if err == nil && p.name != "direct" {
		r.add(f, p, float64(now-before)/float64(time.Microsecond)/n)
	}
	return err
}

// median returns the middle of the samples, and the lowest and highest.
func (r results) median(f figure, who string) (mid, low, high float64, ok bool) {
	v := slices.Sorted(slices.Values(r[f][who]))
	if len(v) == 0 {
		return 0, 0, 0, false
	}
	return v[len(v)/2], v[0], v[len(v)-1], true
}

// print writes the tables as Markdown.
func (r results) print(out io.Writer) {
	r.table(out, []string{"direct", "HAProxy", "port843"}, rawFigures)
	fmt.Fprintln(out)
	var figures []figure
	for _, p := range patterns {
		for _, u := range gatewayUnits {
			figures = append(figures, figure{p.what, u})
		}
	}
	r.table(out, []string{"websockify", "port843"}, figures)
}

// table writes one: the last column is the last one's median to the one's
// before it.
func (r results) table(out io.Writer, who []string, figures []figure) {
	w := tabwriter.NewWriter(out, 0, 0, 1, ' ', 0)
	fmt.Fprintf(w, "| \t| %s\t| ratio\t|\n", strings.Join(who, "\t| "))
	fmt.Fprintf(w, "|---\t%s|---\t|\n", strings.Repeat("|---\t", len(who)))
	for _, f := range figures {
		if r[f] == nil {
			continue
		}
		fmt.Fprintf(w, "| %s, %s", f.what, f.unit)
		for _, p := range who {
			if mid, low, high, ok := r.median(f, p); ok {
				fmt.Fprintf(w, "\t| %s (%s–%s)", number(mid), number(low), number(high))
			} else {
				fmt.Fprint(w, "\t| ")
			}
		}
		peer, _, _, _ := r.median(f, who[len(who)-2])
		ours, _, _, _ := r.median(f, who[len(who)-1])
		fmt.Fprintf(w, "\t| %.2f\t|\n", ours/peer)
	}
	w.Flush()
}

// number writes three digits, or all in front of the point.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
