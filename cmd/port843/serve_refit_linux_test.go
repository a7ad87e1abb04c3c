package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/port843/port843/internal/need"
)

// TestServeRefitsNoLowPort: who has given up its privileges says what helps.
func TestServeRefitsNoLowPort(t *testing.T) {
	if !need.Namespace(t, "") {
		return
	}
	port := freePort(t)
	one := namedGame(t, "one")
	c := startTable(t, serviceOf("a", port, backendAt(one)))
	c.head = strings.Replace(c.head, "[serve]\n", "[serve]\npublic_port = 843\n", 1)
	c.becomes(1, serviceOf("a", port, backendAt(one))+serviceOf("low", "99", backendAt(one)))
	said := c.s.logged(t, "a part of the policies is refused")["why"].(string)
	if !strings.Contains(said, "cannot listen on 127.0.0.1:99: permission denied (this process has given up its privileges since it was started: restart it)") {
		t.Errorf("%s", said)
	}
	says(t, "127.0.0.1:"+port, "one")
}

// TestServeRefitsFirstBackend: without any backend new sockets were closed when
// the service started, so the first one takes a restart, and it says so.
func TestServeRefitsFirstBackend(t *testing.T) {
	c := startTable(t, "")
	if landlock := c.s.logged(t, "privileges dropped")["landlock"].(string); !strings.Contains(landlock, "in force") || strings.HasPrefix(landlock, "not") {
		need.Kernel(t, "Landlock")
	}
	c.becomes(1, serviceOf("first", freePort(t), backendAt(namedGame(t, "one"))))
	said := c.s.logged(t, "a part of the policies is refused")["why"].(string)
	if !strings.Contains(said, "restart it); the service is not there") {
		t.Errorf("%s", said)
	}
	ask(t, c.s.address(t, 0))
}

// TestServeTakeOverRefits: the successor reads the config anew, takes the
// sockets of the services that stay, and closes those that are gone.
func TestServeTakeOverRefits(t *testing.T) {
	stay, leave, come := freePort(t), freePort(t), freePort(t)
	one, two := namedGame(t, "one"), namedGame(t, "two")
	c := startTable(t, serviceOf("stay", stay, backendAt(one))+serviceOf("leave", leave, backendAt(one)))
	c.s.loggedTimes(t, "front: serving", 2)
	sessions := []net.Conn{says(t, "127.0.0.1:"+stay, "one"), says(t, "127.0.0.1:"+leave, "one")}
	replace(t, c.path, c.head+serviceOf("stay", stay, backendAt(two))+serviceOf("come", come, backendAt(two)))
	c.s.cmd.Process.Signal(syscall.SIGUSR2)
	pid := int(c.s.logged(t, "leaving: a successor serves")["pid"].(float64))
	for _, s := range sessions {
		goesOn(t, s, "one")
	}
	for _, port := range []string{stay, come} {
		says(t, "127.0.0.1:"+port, "two")
	}
	eventually(t, "nobody listens for the service that left", func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+leave)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	for _, s := range sessions {
		goesOn(t, s, "one")
		s.Close()
	}
	<-c.s.done
	says(t, "127.0.0.1:"+stay, "two")
	if p, err := os.FindProcess(pid); err == nil {
		p.Signal(syscall.SIGTERM)
	}
}

// TestServeRefitsTheAddress: a service moves to every address and back, on the
// same port, which only one of the two can have.
func TestServeRefitsTheAddress(t *testing.T) {
	if !need.Namespace(t, "") {
		return
	}
	port := freePort(t)
	here := serviceOf("a", port, backendAt(namedGame(t, "one")))
	everywhere := strings.Replace(here, "address = \"127.0.0.1\"\n", "", 1)
	c := startTable(t, here)
	session := says(t, "127.0.0.1:"+port, "one")
	for i, services := range []string{everywhere, here} {
		c.becomes(i+1, services)
		goesOn(t, session, "one")
		says(t, "127.0.0.1:"+port, "one")
		other, err := net.Dial("tcp", "127.0.0.2:"+port)
		if (err == nil) != (i == 0) {
			t.Errorf("step %d: %v", i, err)
		}
		if err == nil {
			other.Close()
		}
	}
	if refused := c.s.find("a part of the policies is refused"); len(refused) != 0 {
		t.Errorf("%v", refused)
	}
}
