package conform

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The defaults of [Options], each with where it comes from.
const (
	// DefaultTimeout is how long Flash Player waits for a master policy.
	DefaultTimeout = 3 * time.Second
	// DefaultDeadline is twice the 5 s that a careful server gives a client.
	DefaultDeadline = 10 * time.Second
	// DefaultIdle is the crowd that five of 28 known servers could not stand.
	DefaultIdle = 1000
	// DefaultGarbage is more than a server may ever keep of one client.
	DefaultGarbage = 64 << 20
	// DefaultParallel keeps well below the limits that servers set per address.
	DefaultParallel = 8
	// DefaultPause lets a server read one part of a request before the next
	// comes: a hundred times what the wake-up of a process takes.
	DefaultPause = 60 * time.Millisecond
	// DefaultFiles leaves room for what a server opens or reserves for itself,
	// and is soon full.
	DefaultFiles = 256
)

// MaxAnswer is the most bytes that are read of an answer: far above every
// policy, and little enough to hold for each connection at once.
const MaxAnswer = 1 << 20

// Options bound and choose what a run does. The zero value runs every case
// with the defaults. Run does not change it.
type Options struct {
	Timeout  time.Duration // the answer and its end must have come by then
	Deadline time.Duration // a silent client must have been sent away by then
	Pause    time.Duration // between two parts of a cut request
	Idle     int           // connections of the idle crowd
	Garbage  int           // bytes of garbage
	Parallel int           // exchanges at a time, where the server can take several

	Only []string // ids of the cases to run; none means all
	Skip []string // ids of the cases to leave out

	// Exec is a simple shell command that starts the server to test, in the
	// foreground. It is started once for the ordinary cases and once more with
	// no more than Files descriptors. Empty means that the server runs already,
	// and the case about descriptors is not run. It needs /bin/sh.
	Exec  string
	Files int

	// Progress, if not nil, is called after each case, never twice at a time.
	Progress func(done, total int, last Result)
}

// OptionError is a field of [Options] that cannot be used.
type OptionError struct {
	Field string // such as "Idle"
	Value string // what it held
	Want  string // what it may hold
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("%s is %s, want %s", strings.ToLower(e.Field), e.Value, e.Want)
}

// withDefaults returns o complete, or the first field that cannot be used.
func (o Options) withDefaults() (Options, error) {
	for _, f := range []struct {
		name string
		p    *time.Duration
		def  time.Duration
	}{{"Timeout", &o.Timeout, DefaultTimeout}, {"Deadline", &o.Deadline, DefaultDeadline}, {"Pause", &o.Pause, DefaultPause}} {
		if *f.p == 0 {
			*f.p = f.def
		}
		if *f.p < time.Millisecond || *f.p > time.Hour {
			return o, &OptionError{f.name, f.p.String(), "1ms to 1h"}
		}
	}
	for _, f := range []struct {
		name          string
		p             *int
		def, min, max int
	}{
		{"Idle", &o.Idle, DefaultIdle, 1, 60000},
		{"Garbage", &o.Garbage, DefaultGarbage, 1 << 20, 1 << 30},
		{"Parallel", &o.Parallel, DefaultParallel, 1, 64},
		{"Files", &o.Files, DefaultFiles, 16, 4096},
	} {
		if *f.p == 0 {
			*f.p = f.def
		}
		if *f.p < f.min || *f.p > f.max {
			return o, &OptionError{f.name, fmt.Sprint(*f.p), fmt.Sprintf("%d to %d", f.min, f.max)}
		}
	}
	known := Cases()
	for name, ids := range map[string][]string{"Only": o.Only, "Skip": o.Skip} {
		for _, id := range ids {
			if !slices.ContainsFunc(known, func(c Case) bool { return c.ID == id }) {
				return o, &OptionError{name, fmt.Sprintf("%q", id), "the id of a case"}
			}
		}
	}
	return o, nil
}

// wants tells whether the caller wants the case.
func (o *Options) wants(id string) bool {
	return (len(o.Only) == 0 || slices.Contains(o.Only, id)) && !slices.Contains(o.Skip, id)
}
