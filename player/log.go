package player

import (
	"fmt"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

func printable(s string) string { return escape.Text(s, 200) }

// LogLines writes a verdict as a debug player's policyfiles.txt would have it.
// Of Adobe's wordings only some are known to the letter, and none is made up:
// what happened in between is in Verdict.Steps. swf is the URL of the SWF.
func LogLines(v *Verdict, swf string) []string {
	swf = printable(swf)
	resource := v.Question.Target.Location().String()
	out := []string{
		"OK: Root-level SWF loaded: " + swf,
		fmt.Sprintf("OK: Searching for <allow-access-from> in policy files to authorize data loading from resource at %s by requestor from %s", resource, swf),
	}
	for _, s := range v.Steps {
		switch {
		case s.Kind == StepAsk && s.Source.Policy == nil && s.Source.Access == nil && s.Source.Observation.Outcome != OutcomeUnknown:
			out = append(out, "Warning: Failed to load policy file from "+printable(s.Source.Location.String()))
		case s.Kind == StepIgnore && s.Meta == policy.MetaMasterOnly:
			out = append(out, fmt.Sprintf("Error: Ignoring policy file at %s due to meta-policy 'master-only'.", printable(s.Place.String())))
		}
	}
	switch {
	case v.Answer == Permitted && v.By != nil:
		out = append(out, fmt.Sprintf("OK: Request for resource at %s by requestor from %s is permitted due to policy file at %s.", resource, swf, v.By.Location))
	case v.Answer == Denied:
		out = append(out, fmt.Sprintf("Error: Request for resource at %s by requestor from %s is denied due to lack of policy file permissions.", resource, swf))
	}
	return out
}
