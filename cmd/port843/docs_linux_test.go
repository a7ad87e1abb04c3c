package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/internal/config"
	"github.com/port843/port843/internal/docs"
	"github.com/port843/port843/internal/need"
)

// docHosts are the names that documents use.
const docHosts = `127.0.0.1 localhost
127.0.0.2 games.example.com
127.0.0.3 game.example.net
127.0.0.7 www.example.com
127.0.0.10 physics.example.edu
`

// docAddresses are this machine's, in documents.
var docAddresses = []string{"192.0.2.10/32", "192.0.2.11/32", "2001:db8::10/128"}

// docLimit bounds a command; none needs it.
const docLimit = 3 * time.Minute

// TestDocsCommands follows each document as a person would who types its
// commands one after the other: in a folder and a network of their own, with
// the real program, the real tools, and the files that the document shows, as
// root on a fresh machine. What a command prints must be what the document
// shows. With PORT843_UPDATE=1 a document that shows something else is mended.
func TestDocsCommands(t *testing.T) {
	ran := 0
	for name, page := range pages(t) {
		run, not := 0, 0
		for _, b := range page.Blocks {
			if b.Lang != "console" && b.Lang != "sh" {
				continue
			}
			switch b.Mark {
			case docs.Screen:
				if !slices.ContainsFunc(checkScreens, func(s screen) bool { return name == "docs/check.md" && s.name == b.Reason }) {
					t.Errorf("%s:%d: no test makes the screen %q", name, b.Line, b.Reason)
				}
			case docs.NotRun:
				not++
				if len(b.Reason) < 15 {
					t.Errorf("%s:%d: %q is no reason that a stranger understands", name, b.Line, b.Reason)
				}
				syntax(t, name, b)
			default:
				run += len(b.Steps())
			}
		}
		if run == 0 {
			continue
		}
		ran += run
		t.Run(strings.ReplaceAll(name, "/", "-"), func(t *testing.T) {
			t.Parallel()
			need.Tool(t, "bash")
			if !need.Namespace(t, docHosts) {
				t.Logf("%d commands run, %d blocks not", run, not)
				return
			}
			follow(t, page)
		})
	}
	if ran < 60 {
		t.Errorf("only %d commands are run", ran)
	}
}

// syntax wants a block that is not run to be shell at least.
func syntax(t *testing.T, name string, b docs.Block) {
	for _, s := range b.Steps() {
		cmd := exec.Command(need.Tool(t, "bash"), "-n")
		cmd.Stdin = strings.NewReader(s.Command)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s:%d: %v\n%s", name, s.Line, err, out)
		}
	}
}

// follow runs the page's blocks, in their order, in one session.
func follow(t *testing.T, page *docs.Page) {
	f := follower{t: t, page: page, dir: publicDir(t)}
	f.machine()
	f.tools()
	keep := t.TempDir()
	s, err := docs.Start(f.dir, keep, f.env())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f.session = s
	for _, b := range page.Blocks {
		switch {
		case b.File != "":
			f.write(b)
		case b.Lang != "console" && b.Lang != "sh" || b.Mark == docs.NotRun || b.Mark == docs.Screen:
		default:
			for line := range strings.Lines(b.Before) {
				f.before(b, strings.TrimSpace(line))
			}
			for _, step := range b.Steps() {
				f.step(b, step)
			}
		}
	}
	f.mend()
}

// follower is who follows a page.
type follower struct {
	t       *testing.T
	page    *docs.Page
	dir     string
	session *docs.Session
	shown   []mended
}

// mended is what the page should show in place of some of its lines.
type mended struct {
	from, to int
	text     string
}

// machine makes the fresh machine: addresses, a writable /etc with the
// package's user and config, and the module's examples in the folder. All of
// it is this process's own, and ends with it.
func (f *follower) machine() {
	t := f.t
	for _, a := range docAddresses {
		if out, err := exec.Command(need.Tool(t, "ip"), "address", "add", a, "dev", "lo", "nodad").CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", a, err, out)
		}
	}
	scratch := t.TempDir()
	if err := syscall.Mount("tmpfs", scratch, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(scratch, syscall.MNT_DETACH) })
	hosts, err := os.ReadFile("/etc/hosts") // a mount of its own, which the one on /etc hides
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"upper", "work", "upper/port843"} {
		if err := os.Mkdir(filepath.Join(scratch, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mount("overlay", "/etc", "overlay", 0, fmt.Sprintf("lowerdir=/etc,upperdir=%[1]s/upper,workdir=%[1]s/work", scratch)); err != nil {
		need.Kernel(t, "overlay mounts: "+err.Error())
	}
	t.Cleanup(func() { syscall.Unmount("/etc", syscall.MNT_DETACH) })
	for path, text := range map[string]string{
		"/etc/hosts":                string(hosts),
		"/etc/port843/port843.toml": string(config.Minimal()),
		"/etc/port843/policy.xml":   policyOf("www.example.com"),
		"/etc/passwd":               "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\nport843:x:843:843::/:/bin/false\n",
		"/etc/group":                "root:x:0:\nnogroup:x:65534:\nport843:x:843:\n",
	} {
		os.Remove(path) // a link in some systems
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll("/etc/ssl", 0o755); err != nil {
		t.Fatal(err)
	}
	ca, _ := newAuthority(t, "/etc/ssl", "ca")
	ca.sign("games", &x509.Certificate{DNSNames: []string{"games.example.com"}})
	for _, d := range []string{"examples", "contrib"} {
		if err := os.CopyFS(filepath.Join(f.dir, d), os.DirFS(filepath.Join("..", "..", d))); err != nil {
			t.Fatal(err)
		}
	}
}

// tools asks for the programs that the page's commands are.
func (f *follower) tools() {
	for _, b := range f.page.Blocks {
		if b.Lang != "console" && b.Lang != "sh" || b.Mark == docs.NotRun || b.Mark == docs.Screen {
			continue
		}
		for _, s := range append(b.Steps(), docs.Step{Line: b.Line, Command: b.Before}) {
			simple, err := docs.Words(s.Command)
			if err != nil {
				f.t.Fatalf("%s:%d: %v", f.page.Path, s.Line, err)
			}
			for _, words := range simple {
				if name := words[0]; name != "port843" && exec.Command("bash", "-c", `type -- "$0"`, name).Run() != nil {
					need.Tool(f.t, name)
				}
			}
		}
	}
}

func (f *follower) env() []string {
	path := filepath.Dir(binary(f.t)) + ":" + os.Getenv("PATH") + ":/usr/local/sbin:/usr/sbin:/sbin"
	env := []string{"PATH=" + path, "HOME=" + f.dir, "LC_ALL=C.UTF-8", "TZ=UTC", "GORACE=" + os.Getenv("GORACE")}
	// A fresh machine would fetch the modules; here is no network, but a cache.
	for _, name := range []string{"GOCACHE", "GOMODCACHE"} {
		if value, err := exec.Command("go", "env", name).Output(); err == nil {
			env = append(env, name+"="+strings.TrimSpace(string(value)))
		}
	}
	return env
}

// write writes the block into the file that it names.
func (f *follower) write(b docs.Block) {
	path := b.File
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.dir, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		f.t.Fatal(err)
	}
	replace(f.t, path, b.Text)
}

// before makes the situation that a block is about.
func (f *follower) before(b docs.Block, command string) {
	s := docs.Step{Line: b.Line, Command: command}
	if isService(command) {
		f.service(docs.Step{Line: b.Line, Command: command, Want: "…\n"}, true)
	} else if out, code := f.typed(s, command); code != 0 {
		f.t.Fatalf("%s:%d: before it: %s\nexit %d\n%s", f.page.Path, b.Line, command, code, out)
	}
}

// isService tells a command that serves until it is told to end.
func isService(command string) bool {
	simple, err := docs.Words(command)
	if err != nil || len(simple) == 0 {
		return false
	}
	last := simple[len(simple)-1]
	at := slices.Index(last, "serve")
	return at > 0 && (at == 1 || last[0] == "go") && !slices.Contains(last, "--test") && !slices.Contains(last, "--inetd")
}

// served is what a service says when it serves.
var served = regexp.MustCompile(`msg="?[a-z: ]*serving`)

var intoFile = regexp.MustCompile(`(?:2|&)>\s*(\S+)`)

// step runs one command and compares.
func (f *follower) step(b docs.Block, s docs.Step) {
	if b.Mark == docs.InTree {
		root, err := filepath.Abs(filepath.Join("..", ".."))
		if err != nil {
			f.t.Fatal(err)
		}
		f.typed(s, `here=$PWD; cd "`+root+`"`)
		defer f.typed(s, `cd "$here"`)
	}
	switch {
	case isService(s.Command):
		f.service(s, strings.HasSuffix(strings.TrimSpace(s.Command), "&"))
	case b.Mark == docs.InTime:
		f.inTime(s)
	default:
		out, code := f.typed(s, s.Command)
		f.compare(b, s, out)
		if code != 0 && b.Lang == "sh" || code > 125 {
			f.t.Errorf("%s:%d: $ %s\nexit %d\n%s", f.page.Path, s.Line, s.Command, code, out)
		}
	}
}

func (f *follower) typed(s docs.Step, command string) (string, int) {
	out, code, err := f.session.Run(command, docLimit)
	if err != nil {
		f.t.Fatalf("%s:%d: $ %s\n%s\n%v", f.page.Path, s.Line, command, out, err)
	}
	return out, code
}

// service starts a service and waits until it serves and has printed what is
// shown. One that is started in the foreground is ended then, as by Control-C.
func (f *follower) service(s docs.Step, background bool) {
	command := strings.TrimSpace(s.Command)
	if !background {
		command = "{ " + command + "\n} &" // it may end in a comment
	}
	log := intoFile.FindStringSubmatch(command)
	if log != nil {
		os.Remove(filepath.Join(f.dir, log[1])) // a service before this one may have written it
	}
	jobs := f.session.Jobs()
	f.typed(s, command)
	said := func() string {
		out := f.session.Printed()
		if log != nil {
			data, _ := os.ReadFile(filepath.Join(f.dir, log[1]))
			out += string(data)
		}
		return out
	}
	for end := time.Now().Add(docLimit); !served.MatchString(said()); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) || f.session.Jobs() <= jobs {
			f.t.Fatalf("%s:%d: $ %s\nit does not serve:\n%s", f.page.Path, s.Line, s.Command, said())
		}
	}
	// What is shown may come a moment later.
	for end := time.Now().Add(docLater); s.Want != "" && !docs.Match(s.Want, f.session.Printed()) && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	if s.Want != "" {
		f.compare(docs.Block{Lang: "console"}, s, f.session.Printed())
	}
	if !background {
		f.typed(s, "kill -INT -- -$!; wait $!")
	}
}

// docLater is how much later than its first "serving" a service may print what
// is shown.
const docLater = 20 * time.Second

// inTime repeats a command until it prints what is shown.
func (f *follower) inTime(s docs.Step) {
	limit := docLimit
	if update {
		limit = 20 * time.Second
	}
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		out, _ := f.typed(s, s.Command)
		if docs.Match(s.Want, out) {
			return
		}
		if time.Now().After(end) {
			f.compare(docs.Block{Lang: "console"}, s, out)
			return
		}
	}
}

var update = os.Getenv("PORT843_UPDATE") == "1"

// compare compares an output with what the page shows.
func (f *follower) compare(b docs.Block, s docs.Step, out string) {
	if b.Lang == "sh" || docs.Match(s.Want, out) {
		return
	}
	if update {
		f.shown = append(f.shown, mended{s.From, s.To, docs.Shown(out)})
		return
	}
	f.t.Errorf("%s:%d: $ %s\nprints\n%s\nand the document shows (PORT843_UPDATE=1 mends it)\n%s", f.page.Path, s.Line, s.Command, docs.Shown(out), s.Want)
}

// mend writes the page with what was printed in place of what it showed.
func (f *follower) mend() {
	if len(f.shown) == 0 {
		return
	}
	lines := slices.Clone(f.page.Lines)
	for _, m := range slices.Backward(f.shown) {
		var text []string
		if m.text != "" {
			text = strings.Split(strings.TrimSuffix(m.text, "\n"), "\n")
		}
		lines = slices.Replace(lines, m.from, m.to, text...)
	}
	if err := os.WriteFile(f.page.Path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
		f.t.Fatal(errors.Join(errors.New("the page is not mended"), err))
	}
}
