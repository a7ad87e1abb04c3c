package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/port843/port843/internal/cli"
	"github.com/port843/port843/internal/need"
	"github.com/port843/port843/policy"
)

// vector is a decision that a source states or entails.
type vector struct {
	Name       string
	Transport  string
	Policy     *string
	ServedFrom *int `json:"served_from_port"`
	Requestor  string
	TargetPort *int    `json:"target_port"`
	TargetURL  string  `json:"target_url"`
	PolicyURL  string  `json:"policy_url"`
	Master     *string `json:"master_policy"`
	Client     string
	Expect     string
}

// vectorCount is how many decisions the file has: none may be left out.
const vectorCount = 55

// vectorClients are the clients that the vectors name, as check has them.
var vectorClients = map[string]string{
	"":                             "flash",
	"Flash Player >= 9.0.124.0":    "flash9.0.124",
	"Flash Player <= 9.0.115.0":    "flash9.0.115",
	"AIR application sandbox":      "air-application",
	"AIR non-application sandbox":  "air",
	"Flash Player >= 9.0.124 / 10": "flash",
	"Flash Player 10+":             "flash",
	"Flash Player <= 9":            "flash9.0.124",
	"Silverlight":                  "silverlight",
}

// TestCheckVectors runs the binary on every decision, with the flags that a
// person would give.
func TestCheckVectors(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "policy", "testdata", "vectors", "decisions.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != vectorCount {
		t.Fatalf("%d vectors, want %d", len(vectors), vectorCount)
	}
	ran := 0
	for _, v := range vectors {
		args, err := v.args(t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		out, code := port843(t, "", args...)
		ran++
		if want := map[string]int{"allow": cli.ExitOK, "deny": cli.ExitNo}[v.Expect]; code != want {
			t.Errorf("%s: port843 %s: exit %d, want %d (%s)\n%s", v.Name, strings.Join(args, " "), code, want, v.Expect, out)
		}
	}
	if ran != vectorCount {
		t.Errorf("%d of %d vectors ran", ran, vectorCount)
	}
	t.Logf("ran %d vectors", ran)
}

// port843 runs the binary in a folder and returns what it prints, and its exit
// code.
func port843(t *testing.T, dir string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command("port843", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return string(out), exit.ExitCode()
	}
	if err != nil {
		t.Error(err)
	}
	return string(out), 0
}

// args turns a vector into a command line.
func (v vector) args(dir string) ([]string, error) {
	client, ok := vectorClients[v.Client]
	if !ok {
		return nil, fmt.Errorf("no client is known as %q", v.Client)
	}
	args := []string{"check", "--from", v.Requestor, "--client", client}
	file := func(flag, name, text string) error {
		path := filepath.Join(dir, name)
		args = append(args, flag, path)
		return os.WriteFile(path, []byte(text), 0o600)
	}
	if v.Policy == nil {
		args = append(args, "--policy", "none")
	} else if err := file("--policy", "policy.xml", *v.Policy); err != nil {
		return nil, err
	}
	if v.Master != nil {
		if err := file("--master", "master.xml", *v.Master); err != nil {
			return nil, err
		}
	}
	if v.PolicyURL != "" {
		args = append(args, "--policy-url", v.PolicyURL)
	}
	if v.ServedFrom != nil {
		args = append(args, "--served-from", strconv.Itoa(*v.ServedFrom))
	}
	return append(args, v.target()), nil
}

func (v vector) target() string {
	switch {
	case v.TargetURL != "":
		return v.TargetURL
	case v.TargetPort != nil:
		host := "same-host.test"
		if !strings.Contains(v.Requestor, host) {
			host = "target.test"
		}
		return net.JoinHostPort(host, strconv.Itoa(*v.TargetPort))
	case v.PolicyURL != "":
		return strings.TrimSuffix(v.PolicyURL, filepath.Base(v.PolicyURL)) + "data.txt"
	}
	return v.Transport + "://target.test/data.txt"
}

// TestCheckPolicyFromServer takes the policy off a policy server and judges it
// as if it were the one on port 843.
func TestCheckPolicyFromServer(t *testing.T) {
	port := need.Serve(t, "127.0.0.1:0", func(c net.Conn) {
		if _, err := io.ReadFull(c, make([]byte, len(policy.Request))); err == nil {
			io.WriteString(c, `<cross-domain-policy><allow-access-from domain="*" to-ports="80"/></cross-domain-policy>`+"\x00")
		}
	})
	place := fmt.Sprintf("xmlsocket://127.0.0.1:%d", port)
	for target, want := range map[string]int{"game.test:80": cli.ExitOK, "game.test:81": cli.ExitNo} {
		if out, code := port843(t, "", "check", "--from", "http://a.test/a.swf", "--policy", place, target); code != want {
			t.Errorf("%s: exit %d, want %d\n%s", target, code, want, out)
		}
	}
}
