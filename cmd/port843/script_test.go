package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the program itself, where it is called
// port843: for the scripts, and for the tests that start a service.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"port843": main})
}

// TestScripts runs what a user can type: testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", RequireExplicitExec: true})
}
