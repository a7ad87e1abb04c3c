package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/lint"
)

// githubRenderer writes workflow commands, which GitHub shows at the lines of
// a pull request.
type githubRenderer struct{ w io.Writer }

func (r *githubRenderer) Add(f Finding) error {
	command := "notice"
	switch f.Severity {
	case lint.Error:
		command = "error"
	case lint.Warning:
		command = "warning"
	}
	where := "file=" + githubProperty(f.Place)
	if f.Line > 0 {
		where += fmt.Sprintf(",line=%d,col=%d", f.Line, f.Column)
		if f.EndLine >= f.Line {
			where += fmt.Sprintf(",endLine=%d", f.EndLine)
		}
		if f.EndLine == f.Line && f.EndCol > f.Column {
			where += fmt.Sprintf(",endColumn=%d", f.EndCol)
		}
	}
	message := escape.Text(f.Message, shown)
	if f.Gain != "" {
		message += "\nAn attacker gains: " + escape.Text(f.Gain, shown)
	}
	if f.Hint != "" {
		message += "\nFix: " + escape.Text(f.Hint, shown)
	}
	_, err := fmt.Fprintf(r.w, "::%s %s,title=%s::%s\n", command, where, githubProperty(f.Code), githubData(message))
	return err
}

func (r *githubRenderer) Close(int) error { return nil }

// githubData escapes a message as the runner unescapes it.
func githubData(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// githubProperty escapes a property, which ends at a comma or a colon.
func githubProperty(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(escape.Text(s, shown))
}
