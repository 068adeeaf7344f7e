package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
)

// deb makes the Debian package.
func deb(j *job) (string, error) {
	path := filepath.Join(j.out, fmt.Sprintf("curfew_%s_%s.deb", j.version, j.arch))
	return path, temporary(func(dir string) error {
		binary, err := j.gateway(dir)
		if err != nil {
			return err
		}
		info := j.debInfo(binary)
		if err := nfpm.PrepareForPackager(info, "deb"); err != nil {
			return err
		}
		packager, err := nfpm.Get("deb")
		if err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := packager.Package(info, f); err != nil {
			f.Close()
			return err
		}
		return f.Close()
	})
}

func (j *job) debInfo(binary string) *nfpm.Info {
	script := func(name string) string { return filepath.Join(j.root, "deploy/packages/debian", name) }
	info := &nfpm.Info{
		Name: "curfew", Arch: j.arch, Platform: "linux", Version: j.version, Section: "net", Priority: "optional", MTime: j.made,
		Maintainer: "Curfew maintainers <maintainers@curfew.dev>", Homepage: "https://curfew.dev",
		Description: "Caddy with Curfew: revocations of OIDC tokens, enforced on every request\n" +
			"Validates tokens, holds every revocation in memory, and enforces sign-outs,\n" +
			"device unlinks and step-ups on requests and open connections.",
	}
	info.Depends = []string{"adduser", "ca-certificates"}
	info.Conflicts, info.Provides = []string{"caddy"}, []string{"httpd"}
	info.Scripts = nfpm.Scripts{PostInstall: script("postinst"), PreRemove: script("prerm"), PostRemove: script("postrm")}
	for _, c := range []struct {
		source, destination, kind string
		mode                      fs.FileMode
	}{
		{binary, "/usr/bin/caddy", files.TypeFile, 0o755},
		{"deploy/systemd/curfew.service", "/lib/systemd/system/curfew.service", files.TypeFile, 0o644},
		{"deploy/packages/debian/Caddyfile", "/etc/caddy/Caddyfile", files.TypeConfigNoReplace, 0o644},
		{"LICENSE", "/usr/share/doc/curfew/copyright", files.TypeFile, 0o644},
		{"Caddyfile.example", "/usr/share/doc/curfew/Caddyfile.example", files.TypeFile, 0o644},
		{"deploy/observability/alerts.yml", "/usr/share/curfew/observability/alerts.yml", files.TypeFile, 0o644},
		{"deploy/observability/objectives.yml", "/usr/share/curfew/observability/objectives.yml", files.TypeFile, 0o644},
		{"deploy/observability/dashboard.json", "/usr/share/curfew/observability/dashboard.json", files.TypeFile, 0o644},
	} {
		source := c.source
		if !filepath.IsAbs(source) {
			source = filepath.Join(j.root, source)
		}
		info.Contents = append(info.Contents, &files.Content{
			Source: source, Destination: c.destination, Type: c.kind, FileInfo: &files.ContentFileInfo{Mode: c.mode, MTime: j.made},
		})
	}
	return info
}
