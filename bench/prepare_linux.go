package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/port843/port843/bench/internal/report"
)

// document is the policy that every contender answers, of a usual size: the
// answer fits one segment.
//
//go:embed policy.xml
var document []byte

// The policy's one rule, as it stands in the document and as policyfile takes
// it: domain and ports, with a colon between them.
const (
	rule   = `domain="*.example.com" to-ports="843,1935,5222,8000,8001,8002,8080,9339"`
	origin = "*.example.com:843,1935,5222,8000,8001,8002,8080,9339"
)

// policyfileVersion is the last one published.
const policyfileVersion = "0.0.6"

// setup is what was installed and built, once, before the measuring begins in
// another process; it is handed over as JSON.
type setup struct {
	Root, Out  string
	Programs   map[string]string // by name; "" or absent where it is not to be had
	Module     string            // the path of policyfile
	Policy     string            // the path of the document
	Answer     []byte            // the document and its NUL
	Loss       string            // how packets are lost, "" where they cannot be
	Contenders []report.Contender
	LeftOut    []string
}

// packages are Debian's, by the program or file that shows they are there.
var packages = []string{
	"nginx=nginx",
	nginxModules + "ngx_stream_module.so=libnginx-mod-stream",
	nginxModules + "ngx_stream_js_module.so=libnginx-mod-stream-js",
	"haproxy=haproxy",
	"gcc=gcc",
	"node=nodejs",
	"npm=npm",
	"strace=strace",
	"nft=nftables",
	"tc=iproute2",
}

// prepare installs what is missing, builds the programs, and finds out which
// contenders can take part. What cannot is left out, with the reason.
func prepare(root string, chosen []contender, say io.Writer) (*setup, error) {
	s, err := build(root, filepath.Join(root, "bench", "out"), say)
	if err != nil {
		return nil, err
	}
	install := exec.Command(filepath.Join(root, "scripts", "install-test-tools"), packages...)
	install.Stdout, install.Stderr = say, say
	if err := install.Run(); err != nil {
		return nil, fmt.Errorf("install: %w", err)
	}
	for _, name := range []string{"nginx", "haproxy", "node", "strace", "nft", "tc", "perf"} {
		s.Programs[name] = look(name)
	}
	if s.Programs["gcc"] = look("gcc"); s.Programs["gcc"] != "" {
		s.Programs["cserver"] = filepath.Join(s.Out, "bin", "cserver")
		if err := buildC(s); err != nil {
			return nil, err
		}
	}
	if s.Programs["node"] != "" {
		if err := installPolicyfile(s); err != nil {
			s.LeftOut = append(s.LeftOut, fmt.Sprintf("policyfile: %v", err))
			s.Programs["node"] = ""
		}
	}
	for i := range chosen {
		if why := s.admit(&chosen[i]); why != "" {
			s.LeftOut = append(s.LeftOut, chosen[i].Title+": "+why)
		}
	}
	if len(s.Contenders) == 0 {
		return nil, errors.New("no contender is left")
	}
	return s, nil
}

// build makes the folders and compiles the programs in Go.
func build(root, out string, say io.Writer) (*setup, error) {
	s := &setup{Root: root, Out: out, Programs: map[string]string{}, Answer: append(document[:len(document):len(document)], 0)}
	bin := filepath.Join(out, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return nil, err
	}
	s.Policy = filepath.Join(out, "policy.xml")
	if err := os.WriteFile(s.Policy, document, 0o644); err != nil {
		return nil, err
	}
	for name, pkg := range map[string]string{"load": "./bench/load", "naive": "./bench/naive", "port843": "./cmd/port843"} {
		s.Programs[name] = filepath.Join(bin, name)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", s.Programs[name], pkg)
		cmd.Dir = root
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		cmd.Stdout, cmd.Stderr = say, say
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("go build %s: %w", pkg, err)
		}
	}
	return s, nil
}

// buildC compiles the reference server.
func buildC(s *setup) error {
	return command(s.Programs["gcc"], "-O2", "-Wall", "-Wextra", "-pthread", "-o", s.Programs["cserver"], filepath.Join(s.Root, "bench", "cserver", "cserver.c"))
}

func installPolicyfile(s *setup) error {
	dir := filepath.Join(s.Out, "npm")
	s.Module = filepath.Join(dir, "node_modules", "policyfile")
	if _, err := os.Stat(s.Module); err == nil {
		return nil
	}
	return command(look("npm"), "install", "--no-audit", "--no-fund", "--prefix", dir, "policyfile@"+policyfileVersion)
}

// banner is what programs print around their version.
var banner = strings.NewReplacer("nginx version: nginx/", "", "HAProxy version ", "", "port843 version ", "")

// admit adds a contender that can run to the setup, or says why it cannot.
func (s *setup) admit(c *contender) (why string) {
	program := s.Programs[c.Program]
	if program == "" {
		return c.Program + " is not installed"
	}
	for _, f := range c.Needs {
		if _, err := os.Stat(f); err != nil {
			return "there is no " + f
		}
	}
	if c.Program == report.Subject {
		help, err := output(program, "serve", "--help")
		if err != nil || !strings.Contains(help, c.Flag) {
			return "this build of port843 has no serve " + c.Flag
		}
	}
	r := report.Contender{ID: c.ID, Title: c.Title, About: c.About, Version: "this tree"}
	if len(c.Version) > 0 {
		args := append([]string{}, c.Version[1:]...)
		text, err := output(program, args...)
		if err != nil {
			return fmt.Sprintf("it does not run: %v", err)
		}
		line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
		line, _, _ = strings.Cut(banner.Replace(line), " - ")
		r.Version = line
	}
	if c.Own {
		if info, err := os.Stat(program); err == nil {
			r.Bytes = info.Size()
		}
	}
	s.Contenders = append(s.Contenders, r)
	return ""
}

// output runs a program that ends by itself, and returns all that it printed.
func output(program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err
}

// look finds a program in PATH and the sbin folders, "" where there is none.
func look(name string) string {
	for _, dir := range []string{"", "/usr/local/sbin/", "/usr/sbin/", "/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	return ""
}
