package main

import (
	"fmt"
	"os"
	"time"

	"github.com/port843/port843/audit/survey"
)

// progress keeps a line up to date on a terminal, until the function that it
// returns is called.
func (v *scan) progress(run *survey.Run) (stop func()) {
	file, ok := v.Err.(*os.File)
	if !ok || v.quiet {
		return func() {}
	}
	if info, err := file.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return func() {}
	}
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(500 * time.Millisecond)
		defer tick.Stop()
		first, start := run.Progress().Done, time.Now()
		for {
			select {
			case <-quit:
				fmt.Fprint(file, "\r\x1b[K")
				return
			case <-tick.C:
			}
			fmt.Fprintf(file, "\r\x1b[K%s", progressLine(run.Progress(), first, time.Since(start)))
		}
	}()
	return func() { close(quit); <-ended }
}

// progressLine says how far a run is, and estimates the rest by what was done
// since it began at first.
func progressLine(p survey.Progress, first uint64, took time.Duration) string {
	line := fmt.Sprintf("%d of %d targets", p.Done, p.Total)
	if p.Errors > 0 {
		line += fmt.Sprintf(", %d could not be tried", p.Errors)
	}
	if done := p.Done - first; done > 0 && took > 0 {
		rate := float64(done) / took.Seconds()
		left := time.Duration(float64(p.Total-p.Done) / rate * float64(time.Second))
		line += fmt.Sprintf(", %.0f a second, %s left", rate, left.Round(time.Second))
	}
	return line
}
