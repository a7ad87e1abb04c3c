package player

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/docs"
)

// TestDocs compares the table of clients in docs/protocol.md with the
// profiles. UPDATE_DOCS=1 writes it anew.
func TestDocs(t *testing.T) {
	update := os.Getenv("UPDATE_DOCS") == "1"
	if changed, err := docs.WriteGenerated("../docs/protocol.md", "clients", clientsAsMarkdown(), update); err != nil || changed && !update {
		t.Fatalf("docs/protocol.md differs from the profiles, %v: run UPDATE_DOCS=1 go test -run TestDocs ./player", err)
	}
}

func clientsAsMarkdown() string {
	var b strings.Builder
	b.WriteString("\n| `--client` | who | asks for a socket | then the destination port | waits for port 843 | without a NUL | takes of `9000-9010` | connects to |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|\n")
	for _, p := range Profiles() {
		fmt.Fprintf(&b, "| `%s` | %s |", p.Name, p.Title)
		if p.Sockets != AsksPolicies {
			b.WriteString(strings.Repeat(" — |", 6) + "\n")
			continue
		}
		asks := fmt.Sprintf("port %d, %d bytes", p.MasterPort, len(p.Request))
		if p.Exempt != "" {
			asks = "nobody, for content of its own; else " + asks
		}
		nul := "takes the answer"
		if p.NeedsNUL {
			nul = "takes nothing"
		}
		fmt.Fprintf(&b, " %s | %s | %s | %s | %s | %s |\n", asks, fallbackText[p.Fallback], patience(p.Master), nul, rangesText[p.Ranges], reach(p))
	}
	return b.String() + "\n"
}

var fallbackText = map[Fallback]string{
	FallbackNone: "never", FallbackNoRule: "where no rule grants", FallbackAlways: "always, before it decides",
}

var rangesText = map[Ranges]string{RangesWhole: "all of it", RangesFirst: "9000", RangesWithoutEnd: "9000 to 9009"}

func patience(l Limits) string {
	limit := func(d time.Duration) string {
		if d == 0 {
			return "for ever"
		}
		return fmt.Sprintf("%g s", d.Seconds())
	}
	if l.Connect == l.Answer {
		return limit(l.Connect) + " in all"
	}
	return limit(l.Connect) + " to connect, then " + limit(l.Answer)
}

func reach(p *Profile) string {
	switch {
	case p.PortLo > 0:
		return fmt.Sprintf("ports %d to %d", p.PortLo, p.PortHi)
	case p.IPv4Only:
		return "IPv4 only"
	case p.NoIPv6Literals:
		return "no literal IPv6 address"
	}
	return "anywhere"
}
