package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// nobody is the user of the image. It has no name on any host.
const nobody = 65532

// roots are the certificates of this machine, which the image takes over.
const roots = "/etc/ssl/certs/ca-certificates.crt"

// image makes a container image from nothing, as an OCI layout. It needs neither a
// registry nor another image.
func image(j *job) (string, error) {
	path := filepath.Join(j.out, "curfew-image")
	return path, temporary(func(dir string) error {
		binary, err := j.gateway(dir)
		if err != nil {
			return err
		}
		content, err := j.files(binary)
		if err != nil {
			return err
		}
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
			tarball.WithMediaType(types.OCILayer))
		if err != nil {
			return err
		}
		made, err := j.configured(layer)
		if err != nil {
			return err
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		to, err := layout.Write(path, empty.Index)
		if err != nil {
			return err
		}
		return to.AppendImage(made, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "curfew:" + j.version}),
			layout.WithPlatform(v1.Platform{OS: "linux", Architecture: j.arch}))
	})
}

func (j *job) configured(layer v1.Layer) (v1.Image, error) {
	made := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	made, err := mutate.Append(made, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: j.made}, CreatedBy: "deploy/packages"}})
	if err != nil {
		return nil, err
	}
	config, err := made.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", j.arch, v1.Time{Time: j.made}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%d", nobody, nobody),
		Entrypoint: []string{"/usr/bin/caddy"},
		Cmd:        []string{"run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"},
		// The root is read-only; /data is a volume.
		Env:     []string{"PATH=/usr/bin", "XDG_DATA_HOME=/data", "XDG_CONFIG_HOME=/data/config", "GOGC=400"},
		Volumes: map[string]struct{}{"/data": {}},
		Labels:  map[string]string{"org.opencontainers.image.title": "curfew", "org.opencontainers.image.version": j.version},
	}
	return mutate.ConfigFile(made, config)
}

// files is the one layer.
func (j *job) files(binary string) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	directory := func(name string, owner int) error {
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, Uid: owner, Gid: owner, ModTime: j.made, Format: tar.FormatPAX})
	}
	file := func(name string, mode int64, content []byte) error {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: j.made, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err := w.Write(content)
		return err
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	certificates, err := os.ReadFile(roots)
	if err != nil {
		return nil, fmt.Errorf("the image needs root certificates: install ca-certificates: %w", err)
	}
	err = errors.Join(
		directory("data/", nobody), directory("etc/", 0), directory("etc/caddy/", 0), directory("etc/ssl/", 0), directory("etc/ssl/certs/", 0),
		directory("usr/", 0), directory("usr/bin/", 0),
		file("etc/passwd", 0o644, fmt.Appendf(nil, "nonroot:x:%d:%d:nonroot:/data:/sbin/nologin\n", nobody, nobody)),
		file("etc/group", 0o644, fmt.Appendf(nil, "nonroot:x:%d:\n", nobody)),
		file("etc/ssl/certs/ca-certificates.crt", 0o644, certificates),
		file("usr/bin/caddy", 0o755, program),
		w.Close(),
	)
	return b.Bytes(), err
}
