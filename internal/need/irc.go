package need

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// IRCServer starts Debian's ngircd on loopback, under the name
// irc.example.com, and returns its address. It ends with the test.
func IRCServer(t testing.TB) string {
	t.Helper()
	program := Tool(t, "ngircd")
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(t.TempDir(), "ngircd.conf")
	err = os.WriteFile(conf, []byte("[Global]\nName = irc.example.com\nInfo = test\nListen = 127.0.0.1\nPorts = "+port+"\nMotdPhrase = hello\n[Options]\nDNS = no\nIdent = no\nPAM = no\nChrootDir =\n"), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-n", "-f", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return addr
		}
		if time.Now().After(end) {
			t.Fatalf("ngircd does not listen: %v", err)
		}
	}
}
