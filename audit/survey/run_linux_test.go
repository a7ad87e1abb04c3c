package survey_test

import (
	"errors"
	"testing"

	"github.com/port843/port843/audit/survey"
	"github.com/port843/port843/internal/need"
)

func TestStopsOnErrors(t *testing.T) {
	// A network namespace of its own, from which no route leads anywhere.
	if !need.Namespace(t, "") {
		return
	}
	plan := sealed(t, []uint16{843}, "192.0.2.0/24")
	n := 0
	err := (&survey.Run{Plan: plan}).Do(t.Context(), func(r survey.Record) error { n++; return nil })
	if !errors.Is(err, survey.ErrSpike) || n >= 256 {
		t.Errorf("%d records, error %v, want an early end", n, err)
	}
}
