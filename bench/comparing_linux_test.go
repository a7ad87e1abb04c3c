package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/internal/docs"
	"github.com/port843/port843/internal/need"
)

// compared are the contenders that docs/comparing.md puts through the cases,
// in the order of its columns. The C program is a yardstick of the benchmark's
// and takes the request to the letter: nobody would run it.
var compared = []string{"port843", "nginx", "nginx-njs", "haproxy", "policyfile", "naive"}

// leftOut is the case about descriptors: it is about what a server does at a limit that the
// contenders' configurations raise, and the benchmark measures that.
const leftOut = "descriptors"

// wantPart compares a generated part of the page; UPDATE_DOCS=1 writes it.
func wantPart(t *testing.T, root, name, text string) {
	t.Helper()
	update := os.Getenv("UPDATE_DOCS") == "1"
	if changed, err := docs.WriteGenerated(filepath.Join(root, comparingPage), name, text, update); err != nil || changed && !update {
		t.Errorf("the part %q of %s (UPDATE_DOCS=1 writes it) should be, %v,\n%s", name, comparingPage, err, text)
	}
}

// The figures of the comparison are those of the performance page.
func TestComparedFigures(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, performancePage))
	if err != nil {
		t.Fatal(err)
	}
	text, err := comparedFigures(string(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| port843 |", "| nginx return |", "| HAProxy + Lua |", "| npm policyfile |", "| Go, naive |"} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("there is no row %q in\n%s", want, text)
		}
	}
	wantPart(t, root, "figures", text)
}

// The cases of the comparison are what conform finds when it is let loose on
// the benchmark's contenders.
func TestComparedCases(t *testing.T) {
	b := testBench(t)
	s := b.setup
	for _, name := range []string{"nginx", "haproxy", "node"} {
		s.Programs[name] = need.Tool(t, name)
	}
	for _, id := range compared {
		for _, file := range contenderByID(t, id).Needs {
			need.File(t, file)
		}
	}
	s.Module = need.File(t, filepath.Join(s.Root, ".tools", "node_modules", "policyfile"))
	reports := make([]*conform.Report, len(compared))
	var group sync.WaitGroup
	for i, id := range compared {
		own := testBench(t) // a port of its own
		group.Go(func() { reports[i] = judge(t, own, id) })
	}
	group.Wait()
	if !t.Failed() {
		wantPart(t, s.Root, "cases", casesTable(t, reports))
	}
}

// judge starts a contender and puts it through the cases.
func judge(t *testing.T, b *bench, id string) (r *conform.Report) {
	c := contenderByID(t, id)
	_, err := b.with(c, asUsual, 8_192, func(s *server) (values, error) {
		// Twice the longest time that a contender gives a silent client, so
		// that a busy machine fails nobody.
		o := conform.Options{Skip: []string{leftOut}, Deadline: 20 * time.Second}
		var err error
		r, err = conform.Run(context.Background(), fmt.Sprintf("127.0.0.1:%d", b.port), o)
		return nil, err
	})
	if err != nil {
		t.Errorf("%s: %v", id, err)
	}
	return r
}

// casesTable has a row for each case and a column for each server.
func casesTable(t *testing.T, reports []*conform.Report) string {
	var b strings.Builder
	b.WriteString("\n| case |")
	for _, id := range compared {
		fmt.Fprintf(&b, " %s |", contenderByID(t, id).Title)
	}
	b.WriteString("\n|---|" + strings.Repeat(":---:|", len(compared)) + "\n")
	for i, res := range reports[0].Results {
		if res.Case.ID == leftOut {
			continue
		}
		fmt.Fprintf(&b, "| %s |", res.Case.Title)
		for n, r := range reports {
			cell := map[conform.Outcome]string{conform.Pass: "yes", conform.Fail: "**no**", conform.NotRun: "not run"}[r.Results[i].Outcome]
			fmt.Fprintf(&b, " %s |", cell)
			if r.Results[i].Outcome != conform.Pass {
				t.Logf("%s: %s: %s", compared[n], res.Case.ID, r.Results[i].Seen)
			}
		}
		b.WriteString("\n")
	}
	b.WriteString("| **of those that were run** |")
	for _, r := range reports {
		fmt.Fprintf(&b, " %d of %d |", r.Count(conform.Pass), r.Count(conform.Pass)+r.Count(conform.Fail))
	}
	return b.String() + "\n\n"
}
