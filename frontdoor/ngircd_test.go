package frontdoor_test

import (
	"bufio"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/port843/port843/frontdoor"
	"github.com/port843/port843/internal/need"
)

const logIn = "NICK %s\r\nUSER u 0 * :a name\r\n"

// TestIRCServer logs in to a real server, raw and through a WebSocket, and lets
// the two talk to each other.
func TestIRCServer(t *testing.T) {
	_, addr := open(t, frontdoor.Options{Backends: []string{need.IRCServer(t)}})
	raw := dial(t, addr)
	say(t, raw, strings.ReplaceAll(logIn, "%s", "flash"))
	lines := bufio.NewScanner(raw)
	await := func(part string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), part) {
				return
			}
		}
		t.Fatalf("the server never said %q: %v", part, lines.Err())
	}
	await(" 001 flash ")

	ws, _, err := dialWS(t, addr, page)
	if err != nil {
		t.Fatal(err)
	}
	conn := bufio.NewScanner(websocket.NetConn(bounded(t), ws, websocket.MessageBinary))
	sendBinary(t, ws, strings.ReplaceAll(logIn, "%s", "ruffle"))
	for conn.Scan() && !strings.Contains(conn.Text(), " 001 ruffle ") {
	}
	sendBinary(t, ws, "PRIVMSG flash :hello from the page\r\n")
	await("PRIVMSG flash :hello from the page")
	say(t, raw, "PRIVMSG ruffle :hello back\r\n")
	for conn.Scan() {
		if strings.Contains(conn.Text(), "PRIVMSG ruffle :hello back") {
			return
		}
	}
	t.Fatalf("the page never heard it: %v", conn.Err())
}
