package conform_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/port843/port843/conform"
	"github.com/port843/port843/conform/badserver"
)

// TestMain lets the test binary be a server of its own, for the cases that
// start one: "TESTBINARY serve-as MISTAKE ADDRESS". The mistake "own" is none, it
// is this module's server.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve-as" {
		os.Exit(serveAs(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

func serveAs(name, address string) int {
	if name == "own" {
		return serveOwn(address)
	}
	s, err := badserver.Start(mistake(name), address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	select {
	case <-ended:
		s.Close()
	case <-s.Done():
		fmt.Fprintln(os.Stderr, "accept failed")
	}
	return 1
}

// mistake returns the named one; "good" is none.
func mistake(name string) badserver.Mistake {
	all := append(badserver.Mistakes(), badserver.Good())
	i := slices.IndexFunc(all, func(m badserver.Mistake) bool { return m.Name == name })
	if i < 0 {
		panic("no mistake " + name)
	}
	return all[i]
}

func start(t *testing.T, m badserver.Mistake, address string) *badserver.Server {
	t.Helper()
	s, err := badserver.Start(m, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// options are short where the servers of badserver are quick: their deadline
// is 2 s, and 4 s where they should have ended at once.
func options() conform.Options {
	return conform.Options{Timeout: 2500 * time.Millisecond, Deadline: 6 * time.Second, Idle: 100, Garbage: 32 << 20}
}

func run(t *testing.T, target string, opts conform.Options) *conform.Report {
	t.Helper()
	report, err := conform.Run(context.Background(), target, opts)
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Results) != len(conform.Cases()) {
		t.Fatalf("%d results of %d cases", len(report.Results), len(conform.Cases()))
	}
	return report
}

// ids returns the cases that ended with o, as a text to compare.
func ids(r *conform.Report, o conform.Outcome) string {
	var out []string
	for _, res := range r.Results {
		if res.Outcome == o {
			out = append(out, res.Case.ID)
		}
	}
	return strings.Join(out, " ")
}

// seen lists what every case saw, for a failed test.
func seen(r *conform.Report) string {
	var b strings.Builder
	for _, res := range r.Results {
		fmt.Fprintf(&b, "%-22s %-8s %s\n", res.Case.ID, res.Outcome, res.Seen)
	}
	return b.String()
}

func TestGoodServerPasses(t *testing.T) {
	t.Parallel()
	for _, listen := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(listen, func(t *testing.T) {
			t.Parallel()
			s := start(t, badserver.Good(), listen)
			opts := options()
			opts.Idle = 1000
			report := run(t, s.Addr(), opts)
			if report.Failed() || ids(report, conform.NotRun) != "descriptors" {
				t.Errorf("%s\n%s", report.Summary(), seen(report))
			}
			if got := string(report.Answer); got != badserver.Policy+"\x00" {
				t.Errorf("reference answer %q", got)
			}
			if report.Address != s.Addr() {
				t.Errorf("tested %s, want %s", report.Address, s.Addr())
			}
		})
	}
}

// asked are the cases that want the reference answer and its clean end.
const asked = askedOpen + " half-close-after"

// askedOpen are those of them in which the client's side stays open.
const askedOpen = "split nul-late nul-apart no-nul space white-space crlf trailing pipelined"

// unaided are the cases that need no reference answer.
var unaided = strings.Fields("exact-request http-get http-crossdomain tls-hello half-close-before waits-for-request silence-ends byte-ends drip-ends")

// afterReset are the cases that come after the first reset.
const afterReset = "waits-for-request silence-ends byte-ends drip-ends reset-in-request reset-after-request reset-in-answer idle-crowd"

// mustFail says which cases each mistake fails: these and no others.
var mustFail = map[string]string{
	"good":             "",
	"answers-unread":   "exact-request " + asked + " http-get http-crossdomain tls-hello half-close-before garbage waits-for-request",
	"speaks-first":     "http-get http-crossdomain tls-hello half-close-before garbage waits-for-request",
	"no-nul":           "answer-nul",
	"all-at-once":      "split nul-late nul-apart no-nul space white-space crlf trailing pipelined",
	"needs-nul":        "no-nul crlf",
	"two-writes":       "answer-in-one-piece",
	"hangs-on-a-byte":  "byte-ends drip-ends",
	"serial":           "silence-blocks-nobody byte-blocks-nobody idle-crowd",
	"serial-for-ever":  "silence-blocks-nobody byte-blocks-nobody silence-ends byte-ends drip-ends idle-crowd",
	"no-deadline":      "silence-ends byte-ends drip-ends",
	"naive":            "split nul-late nul-apart space white-space silence-ends",
	"closes-undrained": "split nul-late nul-apart trailing",
	"renews-deadline":  "drip-ends",
	"dies-on-reset":    "reset-on-connect",
	"http-headers":     "answer-xml",
	"keeps-open":       "exact-request " + askedOpen,
	"endless":          "exact-request",
	"echo":             "exact-request answer-xml " + askedOpen + " http-get http-crossdomain tls-hello garbage silence-ends byte-ends drip-ends",
	"hoards":           "http-get http-crossdomain tls-hello garbage",
	"refuses-more":     "crlf trailing pipelined",
	"answers-anything": "http-get http-crossdomain tls-hello garbage",
	"misses-the-end":   "half-close-before",
}

// notRun says which cases cannot be run, beside the one about descriptors.
func notRun(name string) string {
	switch name {
	case "endless":
		var out []string
		for _, c := range conform.Cases() {
			if !slices.Contains(unaided, c.ID) {
				out = append(out, c.ID)
			}
		}
		return strings.Join(out, " ")
	case "dies-on-reset":
		return afterReset + " descriptors"
	}
	return "descriptors"
}

// onlyByDescriptors are the mistakes that show only without descriptors:
// TestDescriptors has them.
var onlyByDescriptors = []string{"spins", "stops-accepting", "exits"}

func TestEachMistakeFailsItsCases(t *testing.T) {
	t.Parallel()
	reports := map[string]*conform.Report{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	mistakes := badserver.Mistakes()
	for _, m := range mistakes {
		if slices.Contains(onlyByDescriptors, m.Name) {
			continue
		}
		s := start(t, m, "127.0.0.1:0")
		// They mostly wait, so they go on side by side.
		wg.Go(func() {
			report, err := conform.Run(context.Background(), s.Addr(), options())
			if err != nil {
				t.Errorf("%s: %v", m.Name, err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			reports[m.Name] = report
			t.Logf("%s: %s in %s", m.Name, report.Summary(), report.Elapsed)
		})
	}
	wg.Wait()
	if want := len(mistakes) - len(onlyByDescriptors); len(reports) != want || want < 20 {
		t.Fatalf("%d reports of %d", len(reports), want)
	}
	for name, report := range reports {
		want, ok := mustFail[name]
		if !ok {
			t.Errorf("%s is not in the table", name)
		}
		got, left := ids(report, conform.Fail), ids(report, conform.NotRun)
		if got != sorted(want) || left != sorted(notRun(name)) {
			t.Errorf("%s fails\n  %s\nwant\n  %s\nnot run\n  %s\nwant\n  %s\n%s", name, got, sorted(want), left, sorted(notRun(name)), seen(report))
		}
	}
}

// sorted puts ids in the order of the cases.
func sorted(list string) string {
	var out []string
	for _, c := range conform.Cases() {
		if slices.Contains(strings.Fields(list), c.ID) {
			out = append(out, c.ID)
		}
	}
	return strings.Join(out, " ")
}

// freeAddress returns an address that nothing listens on just now.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestDescriptors(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"own":             "",
		"good":            "",
		"spins":           "it spins",
		"stops-accepting": "a good client is not served",
		"exits":           "accept failed",
		"no-deadline":     "a good client is not served",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := freeAddress(t)
			opts := options()
			opts.Only = []string{"descriptors"}
			opts.Timeout, opts.Deadline = 1500*time.Millisecond, 3*time.Second // the good server's is 2 s
			opts.Exec = fmt.Sprintf("'%s' serve-as %s %s", os.Args[0], name, address)
			report := run(t, address, opts)
			last := report.Results[len(report.Results)-1]
			if want == "" && last.Outcome != conform.Pass || want != "" && (last.Outcome != conform.Fail || !strings.Contains(last.Seen, want)) {
				t.Errorf("%s: %s, want %q", last.Outcome, last.Seen, want)
			}
			if conn, err := net.Dial("tcp", address); err == nil {
				conn.Close()
				t.Error("the server that the suite has started is still there")
			}
		})
	}
}

func TestExecThatCannotServe(t *testing.T) {
	t.Parallel()
	busy := start(t, badserver.Good(), "127.0.0.1:0")
	for _, c := range []struct{ exec, target, want string }{
		{"echo no such policy; exit 3", freeAddress(t), "no such policy"},
		{"sleep 60", busy.Addr(), "something else serves"},
	} {
		_, err := conform.Run(context.Background(), c.target, conform.Options{Exec: c.exec})
		var connect *conform.ConnectError
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.As(err, &connect) {
			t.Errorf("%s: %v, want a ConnectError with %q", c.exec, err, c.want)
		}
	}
}

func TestWhatCannotBeRun(t *testing.T) {
	for _, target := range []string{freeAddress(t), "nothing", ":843", "127.0.0.1:0", "127.0.0.1:99999"} {
		report, err := conform.Run(context.Background(), target, conform.Options{})
		var connect *conform.ConnectError
		if report != nil || !errors.As(err, &connect) {
			t.Errorf("%s: %v, want a ConnectError", target, err)
		}
	}
	for _, opts := range []conform.Options{
		{Only: []string{"no-such-case"}}, {Skip: []string{"no-such-case"}},
		{Timeout: -1}, {Deadline: 48 * time.Hour}, {Idle: -5}, {Garbage: 1}, {Parallel: 1000}, {Files: 1},
	} {
		if _, err := conform.Run(context.Background(), "127.0.0.1:1", opts); err == nil || strings.Contains(err.Error(), "connect") {
			t.Errorf("%+v: %v, want an OptionError", opts, err)
		}
	}
}

func TestChoice(t *testing.T) {
	s := start(t, badserver.Good(), "127.0.0.1:0")
	opts := options()
	opts.Only = []string{"no-nul", "space", "crlf"}
	opts.Skip = []string{"space"}
	var steps []int
	opts.Progress = func(done, total int, _ conform.Result) {
		if total != len(conform.Cases()) {
			t.Errorf("total %d", total)
		}
		steps = append(steps, done)
	}
	// A name is resolved, and its first address that answers is tested.
	_, port, _ := net.SplitHostPort(s.Addr())
	report := run(t, "localhost:"+port, opts)
	if got := ids(report, conform.Pass); got != "no-nul crlf" {
		t.Errorf("passed %q", got)
	}
	if n := report.Count(conform.Skipped); n != len(conform.Cases())-2 {
		t.Errorf("%d skipped", n)
	}
	if len(steps) != len(conform.Cases()) || !slices.IsSorted(steps) {
		t.Errorf("progress %v", steps)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	s := start(t, mistake("no-deadline"), "127.0.0.1:0")
	ctx, cancel := context.WithCancel(context.Background())
	opts := options()
	opts.Deadline = time.Hour
	opts.Progress = func(_, _ int, last conform.Result) {
		if last.Case.ID == "waits-for-request" {
			cancel()
		}
	}
	report, err := conform.Run(ctx, s.Addr(), opts)
	if err != context.Canceled || report == nil {
		t.Fatalf("%v, %v", report, err)
	}
	if got := ids(report, conform.NotRun); !strings.Contains(got, "silence-ends") || report.Failed() {
		t.Errorf("not run: %s\n%s", got, seen(report))
	}
}

// TestResetAfterFIN shows that a RST which follows a FIN is seen, though the
// answer was read whole: the server closes without draining, and the client's
// late byte provokes it.
func TestResetAfterFIN(t *testing.T) {
	t.Parallel()
	address := listen(t, func(conn net.Conn) {
		bufio.NewReaderSize(conn, 16).ReadString('>')
		conn.Write([]byte(badserver.Policy + "\x00"))
	})
	if res := only(t, address, "nul-late", options()); res.Outcome != conform.Fail || !strings.Contains(res.Seen, "RST after the answer") {
		t.Errorf("%s: %s", res.Outcome, res.Seen)
	}
}
