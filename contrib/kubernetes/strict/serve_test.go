package strict

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// patience bounds every wait; none needs it to pass.
const patience = time.Minute

// mountConfigMap lays a ConfigMap out as the kubelet does: the files are links
// into ..data, which is a link to a folder, and a change swaps that one link.
func mountConfigMap(t *testing.T, dir string, data map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	version, err := os.MkdirTemp(dir, "..version_")
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range data {
		if err := os.WriteFile(filepath.Join(version, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, name)
		if _, err := os.Lstat(link); err != nil {
			if err := os.Symlink(filepath.Join("..data", name), link); err != nil {
				t.Fatal(err)
			}
		}
	}
	next := filepath.Join(dir, "..data_tmp")
	if err := os.Symlink(filepath.Base(version), next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
}

// TestServesAndReloadsConfigMaps runs what the Deployment runs, with its
// ConfigMaps mounted elsewhere, and changes a department's ConfigMap.
func TestServesAndReloadsConfigMaps(t *testing.T) {
	all := decode(t)
	pod := get[*appsv1.Deployment](t, all, "Deployment/port843").Spec.Template.Spec
	binary := filepath.Join(t.TempDir(), "port843")
	if out, err := exec.Command("go", "build", "-C", "../../..", "-o", binary, "./cmd/port843").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	root := t.TempDir()
	moved := func(s string) string {
		for _, m := range pod.Containers[0].VolumeMounts {
			s = strings.ReplaceAll(s, m.MountPath, root+m.MountPath)
		}
		return s
	}
	maps := map[string]map[string]string{} // by where they are mounted
	for _, m := range pod.Containers[0].VolumeMounts {
		for _, v := range pod.Volumes {
			if v.Name != m.Name {
				continue
			}
			if v.Secret != nil { // the kubelet mounts it as it does a ConfigMap
				mountConfigMap(t, root+m.MountPath, map[string]string{"token": "not-a-secret-but-long-enough"})
				continue
			}
			data := map[string]string{}
			for name, text := range get[*corev1.ConfigMap](t, all, "ConfigMap/"+v.ConfigMap.Name).Data {
				data[name] = moved(text)
			}
			maps[m.MountPath] = data
			mountConfigMap(t, root+m.MountPath, data)
		}
	}
	var args []string
	for _, a := range pod.Containers[0].Args {
		args = append(args, moved(a))
	}
	// Loopback, and any port, as the test must not reach further; no privilege
	// is dropped, as it has none in the pod.
	args = append(args, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--keep-root")
	cmd := exec.Command(binary, args...)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	address, admin := addresses(t, log)
	awaitAnswer(t, address, `domain="www.example.com"`)
	resp, err := http.Get("http://" + admin + pod.Containers[0].ReadinessProbe.HTTPGet.Path)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the probe gets %v, %v", resp, err)
	}
	resp.Body.Close()

	games := maps["/policies/games"]
	games["chat.xml"] = strings.ReplaceAll(games["chat.xml"], "www.example.com", "chat.example.com")
	mountConfigMap(t, root+"/policies/games", games)
	awaitAnswer(t, address, `domain="chat.example.com"`)
}

// addresses reads from the log where it serves, and where its admin pages are.
func addresses(t *testing.T, log io.Reader) (policy, admin string) {
	t.Helper()
	lines := bufio.NewScanner(log)
	for policy == "" || admin == "" {
		if !lines.Scan() {
			t.Fatal("it ended before it served")
		}
		var line struct{ Msg, Address string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		switch {
		case line.Msg == "serving":
			policy = line.Address
		case strings.HasPrefix(line.Msg, "admin pages"):
			admin = line.Address
		}
	}
	go io.Copy(io.Discard, log)
	return policy, admin
}

// awaitAnswer asks until the answer holds a text.
func awaitAnswer(t *testing.T, address, want string) {
	t.Helper()
	var got string
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got, err = ask(address); err == nil && strings.Contains(got, want) {
			return
		}
	}
	t.Fatalf("it never answers %s: %q, %v", want, got, err)
}

func ask(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprint(c, "<policy-file-request/>\x00")
	got, err := io.ReadAll(c)
	return string(got), err
}
