package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/port843/port843/internal/need"
)

// builtImage names the archive, for the process in the namespace.
const builtImage = "PORT843_TEST_IMAGE"

// TestImageRuns unpacks the image as a container engine does, and runs it as
// its user, on a root file system that is mounted read-only, without /proc,
// /dev and /tmp.
func TestImageRuns(t *testing.T) {
	t.Parallel()
	need.Root(t)
	archive := os.Getenv(builtImage)
	if archive == "" {
		archive = makeImage(t)
		os.Setenv(builtImage, archive) // for the process in the namespace
	}
	if !need.Namespace(t, "") {
		return
	}
	blobs := blobsOf(t, archive)
	config, root := unpackImage(t, blobs)
	checkUnwritable(t, root)
	readOnly(t, root)
	ids := strings.Split(config.Config.User, ":")
	uid, err := strconv.ParseUint(ids[0], 10, 32)
	if err != nil || uid == 0 || len(ids) != 2 || ids[1] != ids[0] {
		t.Fatalf("it runs as %s", config.Config.User)
	}
	run := func(args ...string) *exec.Cmd {
		command := append(append([]string{}, config.Config.Entrypoint...), args...)
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir, cmd.Env = config.Config.WorkingDir, []string{"PATH=/usr/bin"}
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}, Pdeathsig: syscall.SIGKILL}
		return cmd
	}
	// What it finds itself: nothing can be written.
	if out, err := run("init", "--output", "/etc/port843/new.toml").CombinedOutput(); err == nil || !strings.Contains(string(out), "error: ") {
		t.Errorf("it could write: %v\n%s", err, out)
	}
	service := run(config.Config.Cmd...)
	var log bytes.Buffer
	service.Stderr = &log
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	answer := ""
	eventually(t, "it answers", func() bool {
		var err error
		answer, err = exchange("127.0.0.1:10843")
		return err == nil
	})
	if strings.Contains(answer, "allow-access-from") {
		t.Errorf("it permits something: %q", answer)
	}
	if err := service.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := service.Wait(); err != nil {
		t.Errorf("it left with %v\n%s", err, log.String())
	}
}

// makeImage makes it twice, and returns the path of one.
func makeImage(t *testing.T) string {
	t.Helper()
	var path string
	var first []byte
	for range 2 {
		paths, err := makeRelease(nil, "-root", "../..", "-out", t.TempDir(), "-version", older, "-platforms", "linux/"+runtime.GOARCH, "image")
		if err != nil || len(paths) != 1 {
			t.Fatal(paths, err)
		}
		data, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		if path != "" && !bytes.Equal(first, data) {
			t.Error("two images differ")
		}
		path, first = paths[0], data
	}
	return path
}

// blobsOf reads the archive, and checks each blob against its name.
func blobsOf(t *testing.T, archive string) map[string][]byte {
	t.Helper()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if out[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		if sum, ok := strings.CutPrefix(h.Name, "blobs/sha256/"); ok && digest(out[h.Name]) != "sha256:"+sum {
			t.Errorf("%s holds something else", h.Name)
		}
	}
	if string(out["oci-layout"]) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", out["oci-layout"])
	}
	return out
}

// follow reads what a descriptor describes, into v where that is not nil.
func follow(t *testing.T, blobs map[string][]byte, d descriptor, v any) []byte {
	t.Helper()
	data := blobs["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	if len(data) != d.Size || digest(data) != d.Digest {
		t.Fatalf("%+v leads to %d bytes", d, len(data))
	}
	if v != nil {
		if err := json.Unmarshal(data, v); err != nil {
			t.Fatal(err)
		}
	}
	return data
}

// unpackImage returns the config and the root file system of this machine's
// image.
func unpackImage(t *testing.T, blobs map[string][]byte) (config imageConfig, root string) {
	t.Helper()
	var top, index imageIndex
	if err := json.Unmarshal(blobs["index.json"], &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("%+v, %v", top, err)
	}
	follow(t, blobs, top.Manifests[0], &index)
	var manifest imageManifest
	for _, d := range index.Manifests {
		if d.Platform.OS == "linux" && d.Platform.Architecture == runtime.GOARCH {
			follow(t, blobs, d, &manifest)
		}
	}
	follow(t, blobs, manifest.Config, &config)
	if len(manifest.Layers) != 1 || len(config.RootFS.DiffIDs) != 1 || config.Config.Labels["org.opencontainers.image.version"] != older {
		t.Fatalf("%+v, %+v", manifest, config)
	}
	zr, err := gzip.NewReader(bytes.NewReader(follow(t, blobs, manifest.Layers[0], nil)))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(zr)
	if err != nil || digest(layer) != config.RootFS.DiffIDs[0] {
		t.Fatalf("the layer is not the one that the config names: %v", err)
	}
	return config, unpackLayer(t, layer)
}

func unpackLayer(t *testing.T, layer []byte) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(bytes.NewReader(layer)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return root
		}
		if err != nil || !filepath.IsLocal(h.Name) || h.Uid != 0 || h.Gid != 0 {
			t.Fatalf("%+v, %v", h, err)
		}
		path := filepath.Join(root, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, fs.FileMode(h.Mode))
		} else {
			var data []byte
			data, err = io.ReadAll(r)
			err = errors.Join(err, os.WriteFile(path, data, fs.FileMode(h.Mode)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkUnwritable wants everything to be root's, and to be written by nobody
// else.
func checkUnwritable(t *testing.T, root string) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		count++
		if info.Mode().Perm()&0o022 != 0 || info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s is %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || count < 8 {
		t.Fatalf("%d files, %v", count, err)
	}
}

// readOnly mounts a folder over itself, so that even root could not write.
func readOnly(t *testing.T, root string) {
	t.Helper()
	// The folders above it are the test's alone; its user must get through.
	for dir := filepath.Dir(root); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, ""),
		syscall.Mount(root, root, "", syscall.MS_BIND, ""),
		syscall.Mount("", root, "", syscall.MS_BIND|syscall.MS_REMOUNT|syscall.MS_RDONLY|syscall.MS_NOSUID|syscall.MS_NODEV, ""),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(root, syscall.MNT_DETACH) })
	if err := os.WriteFile(filepath.Join(root, "x"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Fatalf("the root file system can be written: %v", err)
	}
}
