package listening

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/port843/port843/internal/need"
)

const holdMark = "PORT843_LISTENING_HOLD"

// TestMain lets the test binary be a process that listens on 843 until its
// standard input ends.
func TestMain(m *testing.M) {
	if os.Getenv(holdMark) != "" {
		hold()
		return
	}
	os.Exit(m.Run())
}

func hold() {
	exec.Command("ip", "link", "set", "lo", "up").Run()
	l, err := net.Listen("tcp4", os.Getenv(holdMark))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	defer l.Close()
	// On one port it gives its rights away once it listens.
	if l.Addr().(*net.TCPAddr).Port == 943 {
		if err := syscall.Setuid(65534); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
	fmt.Println("ready")
	bufio.NewReader(os.Stdin).ReadString('\n')
}

// startHolder starts a process that listens, in a network namespace of its own
// where that is asked for.
func startHolder(t *testing.T, addr string, flags uintptr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holdMark+"="+addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the holder says %q: %v", line, err)
	}
}

// TestFind looks for listeners in a network namespace of its own, as root and
// then without rights.
func TestFind(t *testing.T) {
	need.Tool(t, "ip")
	need.Tool(t, "nft")
	if !need.Namespace(t, "") {
		return
	}
	startHolder(t, "127.0.0.1:843", 0)
	startHolder(t, "0.0.0.0:943", 0)
	startHolder(t, "127.0.0.1:8430", 0) // what "findstr :843" takes for 843
	startHolder(t, "127.0.0.2:843", syscall.CLONE_NEWNET)
	run(t, need.Tool(t, "nft"), "table inet f {\nchain in {\ntype filter hook input priority 0; policy accept;\niifname \"lo\" accept\ntcp dport { 840-850 } drop\ntcp dport 943 reject with tcp reset\n}\n}\n")

	root := find(t)
	if len(root) != 3 {
		t.Fatalf("as root: %+v, want three listeners", root)
	}
	here, there := root["127.0.0.1:843"], root["127.0.0.2:843"]
	if here.PID == 0 || here.Process == "" || here.User != "root" || here.Namespace != "" || here.Hidden {
		t.Errorf("as root: %+v", here)
	}
	if there.PID == 0 || there.Namespace == "" || there.Hidden {
		t.Errorf("as root, in the other namespace: %+v", there)
	}
	if l := root["0.0.0.0:943"]; l.User != "nobody" {
		t.Errorf("it runs as nobody, and is shown as %s", l.User)
	}
	for port, want := range map[uint16]Word{843: Drops, 943: Rejects, 8430: Accepts} {
		if got := Firewall(port); got.Word != want {
			t.Errorf("the firewall does %s with %d, want %s: %v", got.Word, port, want, got.Lines)
		}
	}

	for _, err := range []error{syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	user := find(t)
	if l := user["127.0.0.1:843"]; !l.Hidden || l.User != "root" {
		t.Errorf("without rights: %+v, want a hidden owner, and not nothing", l)
	}
	if l := user["127.0.0.2:843"]; l.Namespace == "" || !l.Hidden {
		t.Errorf("without rights, in the other namespace: %+v", l)
	}
	if got := Firewall(843); got.Word != Unread {
		t.Errorf("without rights the firewall is said to %s", got.Word)
	}
}

func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v: %s", args, err, out)
	}
}

// find leaves out what other tests of this machine have in namespaces.
func find(t *testing.T) map[string]Listener {
	t.Helper()
	f, err := Find([]uint16{843, 943})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]Listener{}
	for _, l := range f.Listeners {
		key := netip.AddrPortFrom(l.Addr, l.Port).String()
		if l.Namespace == "" || key == "127.0.0.2:843" {
			out[key] = l
		}
	}
	return out
}

func TestSocketUnit(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.socket":             "[Socket]\nListenStream=8430\n",
		"b.socket":             "[Socket]\nListenStream=[::]:843\nListenStream = 127.0.0.1:944\n",
		"c.socket.d/port.conf": "[Socket]\nListenStream=945\n",
		"d.socket":             "[Socket]\nListenDatagram=946\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for port, want := range map[uint16]string{843: "b.socket", 944: "b.socket", 8430: "a.socket", 945: "c.socket", 946: "", 43: ""} {
		if got := socketUnit([]string{"/nowhere", dir}, port); got != want {
			t.Errorf("port %d: %q, want %q", port, got, want)
		}
	}
}

func TestCgroups(t *testing.T) {
	id := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string][2]string{
		"0::/system.slice/port843.service\n":                                        {"port843.service", ""},
		"0::/system.slice/docker-" + id + ".scope\n":                                {"docker-" + id + ".scope", "0123456789ab"},
		"12:cpu:/docker/" + id + "\n":                                               {"", "0123456789ab"},
		"0::/lxc.payload.web/system.slice/nginx.service\n":                          {"nginx.service", "web"},
		"0::/init.scope\n":                                                          {"", ""},
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/game.service\n": {"game.service", ""},
		"nonsense\n": {"", ""},
	} {
		unit, container := fromCgroup(text)
		if want[0] != "" && len(want[0]) > 80 {
			want[0] = unit // its length is escape's matter
		}
		if unit != want[0] || container != want[1] {
			t.Errorf("%q: unit %q, container %q, want %q", text, unit, container, want)
		}
	}
}

func TestIptables(t *testing.T) {
	for text, want := range map[string]Word{
		"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 843 -j DROP\nCOMMIT\n":                                      Drops,
		"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 8430 -j DROP\nCOMMIT\n":                                     Accepts,
		"*filter\n:INPUT DROP [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n": Drops,
		"*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m multiport --dports 80,840:850 -j ACCEPT\nCOMMIT\n":                        Accepts,
		"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 843 -j REJECT --reject-with icmp-port-unreachable\n":               Rejects,
		"*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.0/24 -p tcp --dport 843 -j ACCEPT\n":                                     Depends,
		"*nat\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 843 -j DROP\n*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -j DROP\n":   Accepts,
		"*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -j ufw-before-input\n":                                                            Depends,
	} {
		if got := iptablesRules(text, 843); got.Word != want {
			t.Errorf("%q: %s, want %s", text, got.Word, want)
		}
	}
}
