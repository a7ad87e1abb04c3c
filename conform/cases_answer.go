package conform

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/port843/port843/internal/escape"
	"github.com/port843/port843/policy"
)

const groupAnswer = "the answer"

func answerCases() []Case {
	return []Case{
		{
			ID: "exact-request", Group: groupAnswer, stage: stageFirst, run: exactRequest,
			Title: "the exact request is answered",
			Asks:  "The 23 bytes in one segment. An answer must come and be ended by FIN in time. It is the reference for all the others.",
			Why:   "Flash Player sends exactly this as soon as it is connected, and waits three seconds.",
		},
		{
			ID: "answer-nul", Group: groupAnswer, stage: stageAnswer, run: answerNUL,
			Title: "the answer ends in exactly one NUL",
			Asks:  "The reference answer has one NUL, and it is the last byte.",
			Why:   "The NUL ends the document for Flash Player: without it the policy is not read, though telnet shows it whole.",
		},
		{
			ID: "answer-xml", Group: groupAnswer, stage: stageAnswer, run: answerXML,
			Title: "the answer is one whole XML document",
			Asks:  "The reference answer starts with \"<\", without a byte order mark or an HTTP header, and its root element is closed.",
			Why:   "Unity and Moonlight read ASCII or UTF-8 from the first byte on; the nginx recipe with error_page put HTTP headers before the XML and never worked.",
		},
		{
			ID: "answer-size", Group: groupAnswer, stage: stageAnswer, run: answerSize,
			Title: "the answer is short enough for every client",
			Asks:  "The size is reported: above 1,200 bytes with a warning, above 4,095 with a louder one. It fails no server.",
			Why:   "Lightspark stops at the first short read of 4,096 bytes, Unity reads once and at most 5,000; up to about 1,200 bytes travel in one segment.",
		},
		{
			ID: "answer-in-one-piece", Group: groupAnswer, stage: stageAnswer, run: answerInOnePiece,
			Title: "document and NUL leave in one write",
			Asks:  "Eight exact requests, one after the other: the first read must return the whole answer each time. Not run for an answer above 1,200 bytes, which the network may cut.",
			Why:   "Unity reads once and Lightspark stops at a short read: what comes in a second write is lost on them.",
		},
		{
			ID: "answer-time", Group: groupAnswer, stage: stageAnswer, run: answerTime,
			Title: "the answer is prompt",
			Asks:  "Twenty exact requests, one after the other; the shortest, the median and the longest time from connect to the last byte are reported, and none may exceed the limit.",
			Why:   "Every socket connection of a Flash program waits for this answer, and after three seconds the player gives up on it.",
		},
	}
}

// exactRequest takes the reference answer.
func exactRequest(ctx context.Context, r *runner) verdict {
	o, err := r.exchange(ctx, script{parts: []string{policy.Request}})
	if err != nil {
		return unreachable(err)
	}
	if len(o.data) > 0 && o.end != endless {
		r.answer = o.data
	}
	return r.wholeAnswer(o)
}

func answerNUL(_ context.Context, r *runner) verdict {
	n := bytes.Count(r.answer, []byte{0})
	last := r.answer[len(r.answer)-1] == 0
	switch {
	case n == 1 && last:
		return pass("one NUL, the last byte")
	case n == 0:
		return fail("no NUL")
	case last:
		return fail("%d NULs", n)
	}
	return fail("%d NULs, and the last byte is no NUL", n)
}

func answerXML(_ context.Context, r *runner) verdict {
	doc := bytes.TrimRight(r.answer, "\x00")
	switch {
	case bytes.HasPrefix(doc, []byte("\xef\xbb\xbf")), bytes.HasPrefix(doc, []byte("\xff\xfe")), bytes.HasPrefix(doc, []byte("\xfe\xff")):
		return fail("a byte order mark stands before the XML: %s", sample(doc))
	case bytes.HasPrefix(doc, []byte("HTTP/")):
		return fail("HTTP headers stand before the XML: %s", sample(doc))
	case !bytes.HasPrefix(doc, []byte("<")):
		return fail("it does not start with \"<\": %s", sample(doc))
	}
	parsed, problems := policy.ParseDocument(doc)
	for _, p := range problems {
		// What the document means is not asked, only whether it is one.
		if p.Effect == policy.EffectVoid {
			return fail("not one whole XML document: %s", escape.Text(p.Error(), 200))
		}
	}
	if len(parsed.Elements) == 0 {
		return fail("no root element: %s", sample(doc))
	}
	root := parsed.Elements[0].Name
	if root == "policy-file-request" {
		return fail("it is the request, sent back")
	}
	return pass("one document, root %s", sample([]byte(root)))
}

func answerSize(_ context.Context, r *runner) verdict {
	n := len(r.answer)
	v := pass("%d bytes, the NUL included", n)
	switch {
	case n > policy.SafeSize:
		v.warnings = append(v.warnings, "above 4,095 bytes: Lightspark and Unity are likely to read it cut, and then refuse everything")
	case n > policy.AdvisedSize:
		v.warnings = append(v.warnings, "above 1,200 bytes: it may travel in several segments, and a client that reads once gets the first of them")
	}
	return v
}

func answerInOnePiece(ctx context.Context, r *runner) verdict {
	const times = 8
	if len(r.answer) > policy.AdvisedSize {
		return notRun("the answer has %d bytes: the network may cut it", len(r.answer))
	}
	for i := range times {
		o, err := r.exchange(ctx, script{parts: []string{policy.Request}, enough: len(r.answer)})
		if err != nil {
			return unreachable(err)
		}
		if !bytes.Equal(o.data, r.answer) {
			return r.wholeAnswer(o)
		}
		if o.first < len(r.answer) {
			return fail("the first read returned %d of %d bytes (exchange %d of %d)", o.first, len(r.answer), i+1, times)
		}
	}
	return pass("%d of %d answers came whole in the first read", times, times)
}

func answerTime(ctx context.Context, r *runner) verdict {
	const times = 20
	var took []time.Duration
	for range times {
		d, err := r.served(ctx, r.opts.Timeout)
		if err != nil {
			return fail("after %d answers: %v", len(took), err)
		}
		took = append(took, d)
	}
	slices.Sort(took)
	return pass("%d answers: %s at best, %s in the median, %s at worst", times,
		round(took[0]), round((took[times/2-1]+took[times/2])/2), round(took[times-1]))
}
