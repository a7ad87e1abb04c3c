package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/port843/port843/internal/cli"
)

// universityAt copies the example to where the service may read it.
func universityAt(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(publicDir(t), "university")
	if err := os.CopyFS(dir, os.DirFS("../../examples/university")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// crowd asks an address again and again until stop is closed, and returns the
// different answers that it had, in their order, and the first failure.
func crowd(address string, stop <-chan struct{}) (answers []string, err error) {
	for {
		select {
		case <-stop:
			return answers, nil
		default:
		}
		time.Sleep(time.Millisecond) // or the ports of one address run out
		got, err := askOnce(address, "<policy-file-request/>\x00")
		if err != nil {
			return answers, err
		}
		if n := len(answers); n == 0 || answers[n-1] != got {
			answers = append(answers, got)
		}
	}
}

// TestUniversity serves the example, mistakes and all, while one department
// breaks its file and mends it: no request is lost, the department's last good
// policy stays meanwhile, and another address never sees another answer.
func TestUniversity(t *testing.T) {
	dir := universityAt(t)
	config := filepath.Join(dir, "port843.toml")
	// Physics is at 127.0.0.15; at 127.0.0.11 are others, medicine's mistake among them.
	s := startService(t, "--config", config, "--listen", "127.0.0.15:0", "--listen", "127.0.0.11:0", "--max-per-address", "1000")
	physics, others := s.address(t, 0), s.address(t, 1)
	if code, out, errs := diffVerb(config, "xmlsocket://"+physics); code != cli.ExitOK {
		t.Errorf("what is served differs from the config: exit %d\n%s%s", code, out, errs)
	}

	stop := make(chan struct{})
	var asked sync.WaitGroup
	var atPhysics, atOthers []string
	var physicsErr, othersErr error
	asked.Go(func() { atPhysics, physicsErr = crowd(physics, stop) })
	asked.Go(func() { atOthers, othersErr = crowd(others, stop) })

	file := filepath.Join(dir, "policies.d", "physics", "cloud-chamber.xml")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := len(s.find("a part of the policies is refused"))
	replace(t, file, strings.Replace(string(good), `"*.accelerator.example.org"`, `"*"`, 1))
	s.loggedTimes(t, "a part of the policies is refused", refused+1)
	if code, out, _ := diffVerb("xmlsocket://"+physics, config); code != cli.ExitNo || !strings.Contains(out, "- *.accelerator.example.org may reach 9341\n") {
		t.Errorf("while the file is broken, its last good version is served: exit %d\n%s", code, out)
	}
	replace(t, file, strings.ReplaceAll(string(good), `"9341"`, `"9341,9342"`))
	eventually(t, "the mended file is served", func() bool {
		code, _, _ := diffVerb(config, "xmlsocket://"+physics)
		return code == cli.ExitOK
	})
	close(stop)
	asked.Wait()
	if physicsErr != nil || othersErr != nil {
		t.Errorf("a request was lost: %v, %v", physicsErr, othersErr)
	}
	if len(atOthers) != 1 || len(atPhysics) == 0 || len(atPhysics) > 2 {
		t.Errorf("physics' address had %d answers, want the good one and the mended one; another address had %d, want one", len(atPhysics), len(atOthers))
	}
}
