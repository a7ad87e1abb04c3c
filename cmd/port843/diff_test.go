package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/server"
)

func diffVerb(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = cli.Main(newRoot, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e}, append([]string{"diff"}, args...))
	return code, o.String(), e.String()
}

// serving starts a real server for the document and returns its address.
func serving(t *testing.T, document string) string {
	t.Helper()
	a, err := server.NewAnswer([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	s := server.New(server.Options{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Start(ln, server.Policies{Default: a}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

func TestDiffAgainstAServer(t *testing.T) {
	address := serving(t, policyOf("*.a.example"))
	dir := t.TempDir()
	path := filepath.Join(dir, "port843.toml")
	config := "[serve]\nlisten = [\"" + address + "\"]\n[[owner]]\nname = \"a\"\naddresses = [\"127.0.0.1\", \"127.0.0.2\"]\nports = \"*\"\ndomains = [\"*\"]\n" +
		"[[service]]\nname = \"chat\"\nowner = \"a\"\naddress = \"127.0.0.1\"\nports = \"9000\"\nallow = [\"*.b.example\"]\n"
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	code, out, errs := diffVerb(path, "xmlsocket://"+address)
	if code != cli.ExitNo || !strings.Contains(out, "+ *.a.example may reach") || !strings.Contains(out, "- *.b.example may reach 9000\n      a, service chat, ") {
		t.Errorf("exit %d\n%s%s", code, out, errs)
	}
	if code, out, errs = diffVerb("xmlsocket://"+address, "xmlsocket://"+address); code != cli.ExitOK || out != "" {
		t.Errorf("a server and itself: exit %d\n%s%s", code, out, errs)
	}
}
