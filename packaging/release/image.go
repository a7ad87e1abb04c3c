package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// imageUser is who runs in the image: an ordinary user with no name elsewhere,
// the number that distroless images use.
const imageUser = 65532

// What an image serves: no privilege is needed for its port, and the policies
// are built for clients who reach it by 843.
const imageHead = `# port843.toml of the image: mount a folder with your own over /etc/port843.
# As it stands it permits nothing.

[serve]
listen      = [":10843"] # publish it as 843
public_port = 843
`

// The media types of the OCI image specification.
const (
	mediaIndex    = "application/vnd.oci.image.index.v1+json"
	mediaManifest = "application/vnd.oci.image.manifest.v1+json"
	mediaConfig   = "application/vnd.oci.image.config.v1+json"
	mediaLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    *imagePlatform    `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

type imagePlatform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

type imageIndex struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []descriptor      `json:"manifests"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type imageManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type imageConfig struct {
	imagePlatform
	Created string         `json:"created"`
	Config  imageExecution `json:"config"`
	RootFS  imageRootFS    `json:"rootfs"`
	History []imageHistory `json:"history"`
}

type imageExecution struct {
	User       string
	Exposed    map[string]struct{} `json:"ExposedPorts"`
	Entrypoint []string
	Cmd        []string
	WorkingDir string
	Labels     map[string]string
	StopSignal string
}

type imageRootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type imageHistory struct {
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
}

// image writes an OCI archive with an image for each platform, and returns its
// name. The image holds the static binary, its config and the licence; there
// is no shell in it, and nothing that its user could write to.
func (r *release) image(ctx context.Context, platforms []platform) ([]string, error) {
	blobs := map[string][]byte{}
	put := func(mediaType string, data []byte) descriptor {
		d := digest(data)
		blobs["blobs/"+strings.Replace(d, ":", "/", 1)] = data
		return descriptor{MediaType: mediaType, Digest: d, Size: len(data)}
	}
	var images []descriptor
	for _, p := range platforms {
		d, err := r.imageOf(ctx, p, put)
		if err != nil {
			return nil, err
		}
		images = append(images, d)
	}
	all := put(mediaIndex, encoded(imageIndex{2, mediaIndex, images, r.labels()}))
	all.Annotations = map[string]string{"org.opencontainers.image.ref.name": r.version}
	blobs["index.json"] = encoded(imageIndex{2, mediaIndex, []descriptor{all}, nil})
	blobs["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, dir := range []string{"blobs", "blobs/sha256"} {
		if err := w.WriteHeader(r.folder(dir)); err != nil {
			return nil, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(blobs)) {
		if err := r.entry(w, file{name, 0o644, blobs[name]}); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	name := fmt.Sprintf("port843_%s_image.oci.tar", strings.TrimPrefix(r.version, "v"))
	return []string{name}, os.WriteFile(filepath.Join(r.out, name), b.Bytes(), 0o644)
}

// imageOf puts the blobs of one platform's image, and describes its manifest.
func (r *release) imageOf(ctx context.Context, p platform, put func(string, []byte) descriptor) (descriptor, error) {
	layer, err := r.layer(ctx, p)
	if err != nil {
		return descriptor{}, err
	}
	// Layers are named by what they are packed and unpacked.
	packed, err := compressed(layer)
	if err != nil {
		return descriptor{}, err
	}
	created := r.epoch.Format(time.RFC3339)
	config := put(mediaConfig, encoded(imageConfig{
		imagePlatform: imagePlatform{p.arch, p.os},
		Created:       created,
		Config: imageExecution{
			User:       fmt.Sprintf("%d:%d", imageUser, imageUser),
			Exposed:    map[string]struct{}{"10843/tcp": {}},
			Entrypoint: []string{"/usr/bin/port843"},
			Cmd:        []string{"serve", "--config", "/etc/port843/port843.toml"},
			WorkingDir: "/",
			Labels:     r.labels(),
			StopSignal: "SIGTERM",
		},
		RootFS:  imageRootFS{"layers", []string{digest(layer)}},
		History: []imageHistory{{created, "make image"}},
	}))
	d := put(mediaManifest, encoded(imageManifest{2, mediaManifest, config, []descriptor{put(mediaLayer, packed)}, r.labels()}))
	d.Platform = &imagePlatform{p.arch, p.os}
	return d, nil
}

// layer returns the image's file system as an archive. Every file is root's
// and nobody else may write to it.
func (r *release) layer(ctx context.Context, p platform) ([]byte, error) {
	program, err := r.build(ctx, p)
	if err != nil {
		return nil, err
	}
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	licence, err := r.source("LICENSE")
	if err != nil {
		return nil, err
	}
	files := []file{
		{"etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nport843:x:%d:\n", imageUser)},
		{"etc/passwd", 0o644, fmt.Appendf(nil, "root:x:0:0:root:/:/sbin/nologin\nport843:x:%d:%d:port843:/:/sbin/nologin\n", imageUser, imageUser)},
		{"etc/port843/port843.toml", 0o644, []byte(imageHead)},
		{"usr/bin/port843", 0o755, binary},
		{"usr/share/doc/port843/LICENSE", 0o644, licence},
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	made := map[string]bool{".": true}
	var mkdir func(dir string) error
	mkdir = func(dir string) error {
		if made[dir] {
			return nil
		}
		made[dir] = true
		return errors.Join(mkdir(path.Dir(dir)), w.WriteHeader(r.folder(dir)))
	}
	for _, f := range files {
		if err := errors.Join(mkdir(path.Dir(f.name)), r.entry(w, f)); err != nil {
			return nil, err
		}
	}
	err = w.Close()
	return b.Bytes(), err
}

func (r *release) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":         "port843",
		"org.opencontainers.image.description":   "socket policy server, builder and auditor for Flash",
		"org.opencontainers.image.version":       r.version,
		"org.opencontainers.image.created":       r.epoch.Format(time.RFC3339),
		"org.opencontainers.image.source":        "https://github.com/port843/port843",
		"org.opencontainers.image.documentation": "https://github.com/port843/port843/blob/main/docs/installing.md",
		"org.opencontainers.image.licenses":      "Apache-2.0",
	}
}

// folder is the entry of a folder in a tar archive.
func (r *release) folder(name string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: r.epoch, Format: tar.FormatPAX}
}

// entry writes a file into a tar archive. Nobody owns it, and it is of the
// epoch.
func (r *release) entry(w *tar.Writer, f file) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: int64(f.mode), Size: int64(len(f.data)), ModTime: r.epoch, Format: tar.FormatPAX}
	if err := w.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.Write(f.data)
	return err
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// encoded is JSON of what can always be encoded.
func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
