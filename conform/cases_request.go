package conform

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/port843/port843/policy"
)

const groupRequest = "the request"

// bare is the request without its NUL: what Silverlight and telnet send.
var bare = strings.TrimSuffix(policy.Request, "\x00")

func requestCases() []Case {
	ask := func(s script) func(context.Context, *runner) verdict {
		return func(ctx context.Context, r *runner) verdict { return r.ask(ctx, s) }
	}
	return []Case{
		{
			ID: "split", Group: groupRequest, stage: stageTogether, run: split,
			Title: "the request may come in two segments, cut anywhere",
			Asks:  "The request cut after each of its first 22 bytes; the second part is sent after the first was acknowledged and a pause. Each of the 22 must be answered.",
			Why:   "TCP promises no segments. Five of 28 known servers refuse a cut request or hang on it.",
		},
		{
			ID: "nul-late", Group: groupRequest, stage: stageTogether,
			run:   ask(script{parts: []string{bare, "\x00"}, pause: 200 * time.Millisecond, answered: true, late: true}),
			Title: "a NUL that comes late destroys nothing",
			Asks:  "22 bytes, the NUL at least 200 ms later, when the answer lies there unread, and only then the client reads. The answer must be there, whole, ended by FIN: no RST because the NUL met a closed socket.",
			Why:   "A server that closes without draining answers late bytes with RST, and a RST can destroy an answer that was not read yet.",
		},
		{
			ID: "nul-apart", Group: groupRequest, stage: stageTogether, run: nulApart,
			Title: "the NUL may come in a segment of its own",
			Asks:  "22 bytes, and once the answer is on its way the NUL; then the client reads.",
			Why:   "A client that writes the document and the NUL apart sends two segments.",
		},
		{
			ID: "no-nul", Group: groupRequest, stage: stageTogether, run: ask(script{parts: []string{bare}}),
			Title: "a request without NUL is answered",
			Asks:  "22 bytes, no NUL, and the client's side stays open.",
			Why:   "Silverlight, telnet and monitors send no NUL.",
		},
		{
			ID: "space", Group: groupRequest, stage: stageTogether, run: ask(script{parts: []string{"<policy-file-request />\x00"}}),
			Title: "a space before /> is accepted",
			Asks:  "The request with one space before \"/>\".",
			Why:   "Adobe's own reference prints the request so.",
		},
		{
			ID: "white-space", Group: groupRequest, stage: stageTogether, run: whiteSpace,
			Title: "other white space before /> is accepted",
			Asks:  "The request with a tab, a line feed, CR LF, and four spaces before \"/>\".",
			Why:   "To XML they are one and the same tag.",
		},
		{
			ID: "crlf", Group: groupRequest, stage: stageTogether, run: ask(script{parts: []string{bare + "\r\n"}}),
			Title: "a request typed in telnet is answered",
			Asks:  "22 bytes, then CR LF in place of the NUL.",
			Why:   "It is how an administrator looks whether the server works.",
		},
		{
			ID: "trailing", Group: groupRequest, stage: stageTogether, run: ask(script{parts: []string{policy.Request + strings.Repeat("trailing bytes. ", 32)}}),
			Title: "bytes after the request do no harm",
			Asks:  "The request and 512 more bytes in one segment. The answer must come whole and be ended by FIN.",
			Why:   "A close with unread bytes in the receive queue makes the kernel send RST, which can destroy the answer in flight.",
		},
		{
			ID: "pipelined", Group: groupRequest, stage: stageTogether, run: ask(script{parts: []string{policy.Request + policy.Request}}),
			Title: "two requests in one segment get one answer",
			Asks:  "The request twice in one segment: one answer, then FIN.",
			Why:   "The connection carries one document, one NUL, and its end; it is never used again.",
		},
		{
			ID: "half-close-after", Group: groupRequest, stage: stageTogether, run: ask(script{parts: []string{policy.Request}, halfClose: true}),
			Title: "a client that closes its side after the request is answered",
			Asks:  "The request, then the client's FIN. The answer must still come.",
			Why:   "A half-closed connection still carries the answer; nc and scripts close so.",
		},
	}
}

// split cuts the request at each point, some at a time, until enough went
// wrong to say so.
func split(ctx context.Context, r *runner) verdict {
	const enough = 3
	cuts := len(policy.Request) - 1
	verdicts := make([]verdict, cuts)
	gate := make(chan struct{}, r.parallel)
	var wrong atomic.Int32
	tried := 0
	var wg sync.WaitGroup
	for i := range verdicts {
		gate <- struct{}{}
		if wrong.Load() >= enough {
			break
		}
		tried++
		wg.Go(func() {
			defer func() { <-gate }()
			v := r.ask(ctx, script{parts: []string{policy.Request[:i+1], policy.Request[i+1:]}, pause: r.opts.Pause, answered: i+1 == len(bare)})
			if v.outcome != Pass {
				wrong.Add(1)
			}
			verdicts[i] = v
		})
	}
	wg.Wait()
	for i, v := range verdicts[:tried] {
		if v.outcome != Pass {
			v.seen = fmt.Sprintf("%d of %d cuts went wrong; after byte %d: %s", wrong.Load(), tried, i+1, v.seen)
			return v
		}
	}
	return pass("%d of %d cuts answered", cuts, cuts)
}

// ask plays s and wants the reference answer.
func (r *runner) ask(ctx context.Context, s script) verdict {
	o, err := r.exchange(ctx, s)
	if err != nil {
		return unreachable(err)
	}
	return r.wholeAnswer(o)
}

func nulApart(ctx context.Context, r *runner) verdict {
	return r.ask(ctx, script{parts: []string{bare, "\x00"}, pause: r.opts.Pause, answered: true})
}

func whiteSpace(ctx context.Context, r *runner) verdict {
	var scripts []script
	for _, space := range []string{"\t", "\n", "\r\n", "    "} {
		scripts = append(scripts, script{parts: []string{"<policy-file-request" + space + "/>\x00"}})
	}
	return r.each(ctx, scripts, []string{"tab", "line feed", "CR LF", "four spaces"})
}

// each plays the scripts one after the other; the first that is not answered
// is the verdict, under its name.
func (r *runner) each(ctx context.Context, scripts []script, names []string) verdict {
	for i, s := range scripts {
		if v := r.ask(ctx, s); v.outcome != Pass {
			v.seen = names[i] + ": " + v.seen
			return v
		}
	}
	return pass("%d of %d answered", len(scripts), len(scripts))
}
