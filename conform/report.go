package conform

import (
	"encoding/json"
	"fmt"
	"time"
)

// Outcome is how a case ended. The set is closed.
type Outcome uint8

// The outcomes of a case.
const (
	NotRun  Outcome = iota // it cannot be run against this target; Result.Seen says why
	Skipped                // the caller left it out
	Pass                   // the server did what the case asks for
	Fail                   // it did not
)

func (o Outcome) String() string {
	switch o {
	case NotRun:
		return "not run"
	case Skipped:
		return "skipped"
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// MarshalJSON writes the outcome as its String.
func (o Outcome) MarshalJSON() ([]byte, error) { return json.Marshal(o.String()) }

// Result is what one case found.
type Result struct {
	Case     Case          // which case
	Outcome  Outcome       // how it ended
	Seen     string        // what was seen, or why it was not run; plain words, escaped
	Warnings []string      // what is no failure and yet worth a look; mostly none
	Elapsed  time.Duration // how long the case took
}

// Report is what a whole run found. Results are in the order of [Cases].
type Report struct {
	Target  string        // as it was given
	Address string        // the IP address and port that were tested
	Started time.Time     // when the run began
	Elapsed time.Duration // how long it took
	Answer  []byte        // the reference answer with its NUL; nil where there was none
	Results []Result      // one for each case
}

// Count returns how many cases ended with o.
func (r *Report) Count(o Outcome) int {
	n := 0
	for _, res := range r.Results {
		if res.Outcome == o {
			n++
		}
	}
	return n
}

// Failed tells whether a case failed.
func (r *Report) Failed() bool { return r.Count(Fail) > 0 }

// Summary is the report in one line, such as "27 of 29 passed, 1 not run".
func (r *Report) Summary() string {
	passed, failed := r.Count(Pass), r.Count(Fail)
	s := fmt.Sprintf("%d of %d passed", passed, passed+failed)
	if n := r.Count(NotRun); n > 0 {
		s += fmt.Sprintf(", %d not run", n)
	}
	if n := r.Count(Skipped); n > 0 {
		s += fmt.Sprintf(", %d skipped", n)
	}
	return s
}

// MarshalJSON writes the report for programs: times in milliseconds, the answer
// as its size and, where it is text, as a string.
func (r *Report) MarshalJSON() ([]byte, error) {
	type result struct {
		ID       string   `json:"id"`
		Group    string   `json:"group"`
		Title    string   `json:"title"`
		Outcome  Outcome  `json:"outcome"`
		Seen     string   `json:"seen"`
		Warnings []string `json:"warnings,omitempty"`
		Millis   float64  `json:"elapsed_ms"`
	}
	results := make([]result, 0, len(r.Results))
	for _, res := range r.Results {
		results = append(results, result{res.Case.ID, res.Case.Group, res.Case.Title, res.Outcome,
			res.Seen, res.Warnings, millis(res.Elapsed)})
	}
	return json.Marshal(struct {
		Target      string    `json:"target"`
		Address     string    `json:"address"`
		Started     time.Time `json:"started"`
		Millis      float64   `json:"elapsed_ms"`
		Answer      string    `json:"answer"`
		AnswerBytes int       `json:"answer_bytes"`
		Passed      int       `json:"passed"`
		Failed      int       `json:"failed"`
		NotRun      int       `json:"not_run"`
		Skipped     int       `json:"skipped"`
		Results     []result  `json:"results"`
	}{r.Target, r.Address, r.Started, millis(r.Elapsed), string(r.Answer), len(r.Answer),
		r.Count(Pass), r.Count(Fail), r.Count(NotRun), r.Count(Skipped), results})
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
