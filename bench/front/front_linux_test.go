package main

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/need"
)

// The processes that are started are this program too.
func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		check(play(role))
		return
	}
	os.Exit(m.Run())
}

// TestRun measures with next to nothing: it shows that everyone answers
// rightly and every figure is there, and no figure's size.
func TestRun(t *testing.T) {
	need.Tool(t, "haproxy")
	need.Tool(t, "websockify")
	var out bytes.Buffer
	s := scale{rounds: 2, bulk: 4 << 20, pings: 20, visits: 5, spell: 20 * time.Millisecond, idle: 25, each: 10}
	if err := run(s, &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	t.Log("\n" + text)
	figures := len(rawFigures) + 2*len(patterns)
	if os.Geteuid() == 0 {
		figures += len(patterns) // with a quota
	}
	rows := regexp.MustCompile(`(?m)^\| \S.*\|$`).FindAllString(text, -1)
	if n := len(rows); n != figures && n != figures-len(patterns) { // a machine without cgroups has no quota
		t.Errorf("%d figures, want %d", n, figures)
	}
	for _, r := range rows {
		if strings.Contains(r, "NaN") || strings.Contains(r, "Inf") {
			t.Error(r)
		}
	}
	if !regexp.MustCompile(`(?m)^25 idle WebSockets, 3 doors: `).MatchString(text) {
		t.Error("nothing is held")
	}
}

func TestPayload(t *testing.T) {
	stream := "\x82\x03abc\x82\x00\x82\x7e\x00\x80" + strings.Repeat("x", 128) + "\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x02hi"
	for cut := range len(stream) + 1 {
		f, got := frames{}, 0
		for _, s := range []string{stream[:cut], stream[cut:]} {
			n, err := f.payload([]byte(s))
			if err != nil {
				t.Fatal(err)
			}
			got += n
		}
		if got != 3+128+2 {
			t.Errorf("cut at %d: %d bytes", cut, got)
		}
	}
	if _, err := new(frames).payload([]byte("\x88\x00")); err == nil {
		t.Error("a close counts as payload")
	}
}
