package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/internal/xdp"
)

// dropIn is the first block of settings for a unit in docs/fastpath.md.
func dropIn(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/fastpath.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```ini\n(\\[Service\\]\n.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/fastpath.md has no settings for the unit")
	}
	return string(m[1])
}

// TestFastPathUnderSystemd puts what docs/fastpath.md says into the unit: the
// service has a fast path then, behind all its walls, and keeps it in a
// take-over. Its answers are tested elsewhere.
func TestFastPathUnderSystemd(t *testing.T) {
	t.Parallel()
	need.Tool(t, "dpkg")
	need.Tool(t, "systemd-nspawn")
	m := inMachine(t)
	if m == nil {
		return
	}
	// The machine shares this namespace.
	if err := os.WriteFile("/proc/sys/net/ipv4/tcp_syncookies", []byte("2"), 0o644); err != nil {
		t.Fatal(err)
	}
	m.run(t, need.Tool(t, "ip"), "link", "add", "p843u", "type", "veth", "peer", "name", "p843v")
	b := m.bare(t).boot(t, "CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_NET_RAW")
	b.bringPackages(t)
	b.run(t, "apt-get", "install", "-y", fileName(older, "deb"))
	b.write(t, "run/systemd/system/port843.service.d/fastpath.conf", dropIn(t), 0o644)
	config := b.read(t, "etc/port843/port843.toml")
	b.write(t, "etc/port843/port843.toml", strings.Replace(config, "[serve]\n", "[serve]\nfastpath = \"p843u\"\n", 1), 0o644)
	b.run(t, "systemctl", "daemon-reload")
	b.run(t, "systemctl", "--no-block", "restart", "port843.service")
	journal := func() string { return b.run(t, "journalctl", "--no-pager", "-u", "port843") }
	eventually(t, "it has its fast path", func() bool {
		if strings.Contains(journal(), xdp.ErrKernel.Error()) {
			need.Kernel(t, xdp.ErrKernel.Error())
		}
		return strings.Contains(journal(), `msg="fast path" interface=p843u mode=native taken_over=false`)
	})
	served(t, "it answers", func(got string) bool { return strings.Contains(got, "cross-domain-policy") })
	status := b.read(t, "proc/"+b.property(t, "MainPID")+"/status")
	for _, want := range []string{"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		if !strings.Contains(status, want) {
			t.Errorf("the process has no %q:\n%s", want, status)
		}
	}
	b.run(t, "systemctl", "kill", "--kill-whom=main", "--signal=SIGUSR2", "port843.service")
	eventually(t, "the successor has it", func() bool {
		return strings.Contains(journal(), `msg="fast path" interface=p843u mode=native taken_over=true`)
	})
	if t.Failed() {
		t.Log(journal())
	}
}
