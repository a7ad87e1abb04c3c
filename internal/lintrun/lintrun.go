// Package lintrun lints many policies at once: files, folders, URLs, standard
// input.
//
// [Run] turns targets into items, reads and checks them in parallel, and hands
// them over one after the other in the order of the targets, of a folder's
// files by name. Memory is bounded: it is never more than a few files ahead.
package lintrun

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/port843/port843/internal/bounded"
	"github.com/port843/port843/internal/fetch"
	"github.com/port843/port843/lint"
	"github.com/port843/port843/policy"
)

// MaxFiles bounds what is looked at in one folder: ten times the largest tree
// of policies that was measured.
const MaxFiles = 1_000_000

// Stdin is the target that stands for standard input.
const Stdin = "-"

// Item is one policy that was looked at.
type Item struct {
	Place    string // as findings name it
	Data     []byte
	Options  lint.Options // with what was learnt on the way
	Findings []lint.Finding
	Foreign  bool  // a file of a folder that is no policy file: nothing was checked
	Err      error // it could not be read
}

// Runner says how.
type Runner struct {
	Options lint.Options
	Stdin   io.Reader
}

// job is a place that is to be read.
type job struct {
	place    string
	inFolder bool
	err      error // found while looking for it
	done     chan Item
}

// Run looks at the targets and calls emit for each item, from one goroutine.
// It ends with the context, or at emit's first error, which it returns.
func (r Runner) Run(ctx context.Context, targets []string, emit func(Item) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := runtime.GOMAXPROCS(0)
	jobs := make(chan job)
	order := make(chan job, 4*workers)
	for range workers {
		go func() {
			for j := range jobs {
				j.done <- r.item(ctx, j)
			}
		}()
	}
	go func() {
		defer close(jobs)
		defer close(order)
		send := func(j job) bool {
			j.done = make(chan Item, 1)
			select {
			case order <- j:
			case <-ctx.Done():
				return false
			}
			// Once it is in the order it must be done, or its reader waits.
			jobs <- j
			return true
		}
		for _, target := range targets {
			if !find(target, send) {
				return
			}
		}
	}()
	for j := range order {
		item := <-j.done
		if err := ctx.Err(); err != nil {
			return drain(order, err)
		}
		if err := emit(item); err != nil {
			cancel()
			return drain(order, err)
		}
	}
	return ctx.Err()
}

// drain lets the goroutines of a Run that ends early end too.
func drain(order <-chan job, err error) error {
	for j := range order {
		<-j.done
	}
	return err
}

// find sends the places of a target, and reports whether to go on.
func find(target string, send func(job) bool) bool {
	if target == Stdin || fetch.IsURL(target) {
		return send(job{place: target})
	}
	info, err := os.Stat(target)
	if err != nil || !info.IsDir() {
		return send(job{place: target, err: err})
	}
	files := 0
	stop := errors.New("stop")
	err = filepath.WalkDir(target, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			if !send(job{place: path, err: err}) {
				return stop
			}
			return nil
		case !d.Type().IsRegular() || !strings.EqualFold(filepath.Ext(path), ".xml"):
			return nil
		}
		if files++; files > MaxFiles {
			send(job{place: target, err: fmt.Errorf("the folder has more than %d files", MaxFiles)})
			return stop
		}
		if !send(job{place: path, inFolder: true}) {
			return stop
		}
		return nil
	})
	return err == nil
}

// item reads and checks one place.
func (r Runner) item(ctx context.Context, j job) Item {
	item := Item{Place: j.place, Options: r.Options, Err: j.err}
	item.Options.File = j.place
	if j.err != nil {
		return item
	}
	if item.Err = r.read(ctx, &item); item.Err != nil {
		var redirect *fetch.RedirectError
		if errors.As(item.Err, &redirect) {
			item.Err, item.Findings = nil, []lint.Finding{elsewhere(j.place, redirect)}
		}
		return item
	}
	if j.inFolder && !looksLikePolicy(j.place, item.Data) {
		item.Foreign, item.Data = true, nil
		return item
	}
	item.Findings = lint.Check(item.Data, item.Options)
	return item
}

// elsewhere is the finding for a redirect that was not followed.
func elsewhere(place string, e *fetch.RedirectError) lint.Finding {
	rule := lint.RuleByCode("redirect")
	return lint.Finding{Code: rule.Code, Severity: rule.Severity, File: place, Message: e.Error(), Gain: rule.Gain, Hint: rule.Fix}
}

// read fills the item's data, and what there is to know of how it is served.
func (r Runner) read(ctx context.Context, item *Item) error {
	switch {
	case item.Place == Stdin:
		item.Options.File = ""
		// One byte more than a policy may have, so that the linter sees it.
		var err error
		item.Data, err = io.ReadAll(io.LimitReader(r.Stdin, policy.MaxSize+1))
		return err
	case fetch.IsURL(item.Place):
		got, err := fetch.Get(ctx, item.Place)
		if err != nil {
			return err
		}
		item.Data = got.Data
		o := &item.Options
		if got.URL == "" {
			o.ServedFrom = got.Port
		} else {
			o.URL, o.Fetched, o.ContentType, o.Redirect = got.URL, true, got.ContentType, got.Redirect
		}
		return nil
	}
	var err error
	item.Data, err = bounded.ReadFile(item.Place, policy.MaxSize)
	return err
}

// policyNames are names that a policy file has, whatever is in it.
var policyNames = []string{"crossdomain.xml", "clientaccesspolicy.xml"}

// looksLikePolicy tells policies among the XML files of a folder.
func looksLikePolicy(path string, data []byte) bool {
	for _, name := range policyNames {
		if strings.EqualFold(filepath.Base(path), name) {
			return true
		}
	}
	for _, mark := range []string{"cross-domain-policy", "access-policy", "allow-access-from"} {
		if bytes.Contains(data, []byte(mark)) {
			return true
		}
	}
	return false
}
