package main

import (
	"github.com/port843/port843/audit/survey"
	"github.com/port843/port843/lint"
)

// scanLint finds fault with the policies of a scan, by the rules of lint.
func scanLint(document []byte, web, silverlight bool, servedFrom uint16) []survey.Finding {
	opt := lint.Options{Kind: lint.KindSocket, ServedFrom: servedFrom}
	switch {
	case silverlight:
		opt.Kind = lint.KindSilverlight
	case web:
		opt.Kind, opt.ServedFrom = lint.KindURL, 0
	}
	out := []survey.Finding{}
	for _, f := range lint.Check(document, opt) {
		out = append(out, survey.Finding{
			Code: f.Code, Severity: survey.Severity(f.Severity.String()), Line: int(f.Pos.Line), Column: int(f.Pos.Col),
			Message: f.Message, Gain: f.Gain, Hint: f.Hint,
		})
		if len(out) == survey.MaxFindings {
			break
		}
	}
	return out
}
