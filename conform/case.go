package conform

import (
	"context"
	"fmt"
	"slices"
)

// Case is one thing that is asked of a server.
type Case struct {
	ID    string // stable, kebab-case
	Group string // what it belongs to, such as "the request"
	Title string // what a good server does
	Asks  string // what the suite does, and what it wants to see
	Why   string // the fact behind it

	stage stage
	// unaided cases do not look at the reference answer: they run without one.
	unaided bool
	run     func(context.Context, *runner) verdict
}

// stage says when a case runs and beside which others.
type stage uint8

const (
	stageFirst    stage = iota // the exact request: it brings the reference answer
	stageAnswer                // looks at the reference answer, or times it: alone
	stageBlocking              // tells whether the server takes several clients: alone
	stageTogether              // well-behaved, short exchanges: side by side where the server can
	stageAlone                 // strains the server, so nothing else runs beside it
	stageWaiting               // waits for the server's own deadline: all of them at once
	stageCrowd                 // the idle crowd: alone
	stageFiles                 // starts the server anew with few descriptors: alone and last
)

// verdict is what a case's function returns.
type verdict struct {
	outcome  Outcome
	seen     string
	warnings []string
	gone     bool // the server could not be reached
}

func pass(format string, args ...any) verdict {
	return verdict{outcome: Pass, seen: fmt.Sprintf(format, args...)}
}

func fail(format string, args ...any) verdict {
	return verdict{outcome: Fail, seen: fmt.Sprintf(format, args...)}
}

func notRun(format string, args ...any) verdict {
	return verdict{outcome: NotRun, seen: fmt.Sprintf(format, args...)}
}

// unreachable is the verdict where the server could not be connected to.
func unreachable(err error) verdict {
	if isOutOfFiles(err) {
		return notRun("this machine has no descriptor or local port left: %v", err)
	}
	v := fail("could not connect: %v", err)
	v.gone = true
	return v
}

// unserved is the verdict where a good client was not served afterwards.
func unserved(after string, err error) verdict {
	v := fail("%s, a good client is not served: %v", after, err)
	v.gone = true
	return v
}

// Cases returns every case in the order in which results are reported. The
// slice is the caller's.
func Cases() []Case {
	return slices.Concat(answerCases(), requestCases(), strangerCases(), waitingCases(), strainCases())
}
