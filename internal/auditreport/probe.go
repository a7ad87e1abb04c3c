package auditreport

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/port843/port843/audit"
	"github.com/port843/port843/audit/survey"
	"github.com/port843/port843/policy"
)

// probeParallel bounds the targets that a ProbeHandler asks at the same time.
const probeParallel = 32

// ProbeHandler answers GET /probe?target=HOST[:PORT] in the manner of
// blackbox_exporter: it asks the target and writes what it is as metrics in
// Prometheus' text format. probe_success is 1 where there is a policy server
// from which Flash Player gets its policy.
//
// Whoever may reach it may have this machine connect to ports from which a
// policy can come, 843, 943 and those above 1023, of any host: it belongs on an
// address that only Prometheus reaches. lint may be nil.
func ProbeHandler(lint survey.Linter) http.Handler {
	slots := make(chan struct{}, probeParallel)
	var prober audit.Prober
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		target, err := probeTarget(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		default:
			http.Error(w, "too many probes at the same time", http.StatusServiceUnavailable)
			return
		}
		o := prober.Probe(r.Context(), target)
		rec := survey.NewRecord(&o, lint, time.Now())
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		fmt.Fprint(w, probeMetrics(&rec))
	})
}

func probeTarget(r *http.Request) (audit.Target, error) {
	text := strings.TrimPrefix(r.URL.Query().Get("target"), "xmlsocket://")
	host, portText, err := net.SplitHostPort(text)
	if err != nil {
		host, portText = strings.Trim(text, "[]"), strconv.Itoa(policy.MasterPort)
	}
	port, err := survey.ParsePort(portText)
	if err != nil || host == "" {
		return audit.Target{}, fmt.Errorf("target is HOST or HOST:PORT")
	}
	if port < 1024 && port != policy.MasterPort && port != 943 {
		return audit.Target{}, fmt.Errorf("no policy comes from port %d", port)
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return audit.Target{Addr: netip.AddrPortFrom(addr.Unmap(), port)}, nil
	}
	addrs, err := net.DefaultResolver.LookupNetIP(r.Context(), "ip", host)
	if err != nil || len(addrs) == 0 {
		return audit.Target{}, fmt.Errorf("the name of the target is not known")
	}
	return audit.Target{Addr: netip.AddrPortFrom(addrs[0].Unmap(), port), Name: strings.ToLower(host)}, nil
}

// probeMetrics writes a record as metrics. Class and faults are from closed
// sets, so that no label holds a stranger's text.
func probeMetrics(r *survey.Record) string {
	var b strings.Builder
	gauge := func(name, help string, value float64, labels ...string) {
		if help != "" {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name)
		}
		label := ""
		if len(labels) == 2 {
			label = fmt.Sprintf("{%s=%q}", labels[0], labels[1])
		}
		fmt.Fprintf(&b, "%s%s %s\n", name, label, strconv.FormatFloat(value, 'g', -1, 64))
	}
	works := r.Class.IsPolicy()
	for _, f := range r.Faults {
		works = works && !f.Fatal()
	}
	gauge("probe_success", "Whether a Flash client gets a policy from the target", truth(works))
	gauge("probe_duration_seconds", "How long it took to say what the target is", float64(r.Timing.Total)/1e9)
	gauge("port843_probe_answer_seconds", "How long the target took for its answer", float64(r.Timing.Complete)/1e9)
	gauge("port843_probe_class", "What the target is", 1, "class", string(r.Class))
	for i, f := range r.Faults {
		help := ""
		if i == 0 {
			help = "What is wrong with the target's answer"
		}
		gauge("port843_probe_fault", help, 1, "fault", string(f))
	}
	gauge("port843_probe_open_to_anyone", "Whether its policy lets pages from anywhere connect", truth(r.Anyone()))
	counts := map[survey.Severity]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
	}
	for i, s := range []survey.Severity{survey.Error, survey.Warning, survey.Note} {
		help := ""
		if i == 0 {
			help = "Findings about its policy"
		}
		gauge("port843_probe_findings", help, float64(counts[s]), "severity", string(s))
	}
	return b.String()
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
