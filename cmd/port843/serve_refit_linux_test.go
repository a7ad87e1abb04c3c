package main

import (
	"strings"
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
