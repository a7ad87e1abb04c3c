package lintrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/port843/port843/lint"
	"github.com/port843/port843/policy"
)

const clean = `<cross-domain-policy><site-control permitted-cross-domain-policies="none"/></cross-domain-policy>`

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestRunFolder(t *testing.T) {
	dir := tree(t, map[string]string{"b/crossdomain.xml": "", "a.xml": clean, "c.XML": clean, "pom.xml": "<project/>", "d.txt": clean, "large.xml": "<cross-domain-policy>" + strings.Repeat(" ", policy.MaxSize)})
	var got []string
	err := Runner{Stdin: strings.NewReader(clean)}.Run(t.Context(), []string{dir, filepath.Join(dir, "none.xml"), "-"}, func(i Item) error {
		place := strings.TrimPrefix(filepath.ToSlash(i.Place), filepath.ToSlash(dir)+"/")
		codes := []string{}
		for _, f := range i.Findings {
			codes = append(codes, f.Code)
		}
		got = append(got, fmt.Sprintf("%s %v %v %v", place, codes, i.Foreign, errors.Is(i.Err, os.ErrNotExist)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"a.xml [] false false", "b/crossdomain.xml [not-well-formed] false false", "c.XML [] false false",
		"large.xml [too-large] false false", "pom.xml [] true false", "none.xml [] false true", "- [] false false",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestRunManyInOrder holds the order, whoever is done first.
func TestRunManyInOrder(t *testing.T) {
	files := map[string]string{}
	for i := range 500 {
		files[fmt.Sprintf("%03d.xml", i)] = clean
	}
	n := 0
	err := Runner{}.Run(t.Context(), []string{tree(t, files)}, func(i Item) error {
		if want := fmt.Sprintf("%03d.xml", n); filepath.Base(i.Place) != want {
			return fmt.Errorf("%s came, want %s", i.Place, want)
		}
		n++
		return nil
	})
	if err != nil || n != 500 {
		t.Errorf("%d files, %v", n, err)
	}
}

func TestRunEndsEarly(t *testing.T) {
	files := map[string]string{}
	for i := range 200 {
		files[fmt.Sprintf("%03d.xml", i)] = clean
	}
	dir := tree(t, files)
	stop := errors.New("stop")
	if err := (Runner{}).Run(t.Context(), []string{dir}, func(Item) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := (Runner{}).Run(ctx, []string{dir}, func(Item) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestRunURL(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/crossdomain.xml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, `<cross-domain-policy><allow-access-from domain="www.example.com"/></cross-domain-policy>`)
	})
	mux.Handle("/away.xml", http.RedirectHandler("http://127.0.0.2:1/", http.StatusFound))
	s := httptest.NewServer(mux)
	defer s.Close()
	var got []string
	err := Runner{Options: lint.Options{Kind: lint.KindAuto}}.Run(t.Context(), []string{s.URL, s.URL + "/away.xml", "xmlsocket://127.0.0.1:0"}, func(i Item) error {
		for _, f := range i.Findings {
			got = append(got, f.Code)
		}
		if i.Err != nil {
			got = append(got, "error")
		}
		return nil
	})
	if err != nil || strings.Join(got, " ") != "content-type redirect error" {
		t.Errorf("%v, %v", got, err)
	}
}
