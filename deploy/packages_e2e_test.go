//go:build e2e

package deploy_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"curfew.dev/curfew/internal/gatewaytest"
)

// packages makes one kind of package and returns its path.
func packages(t *testing.T, dir, kind string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", "./deploy/packages", kind, "-o", dir}, args...)...)
	cmd.Dir = ".."
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("making %s: %v\n%s", kind, err, complaints.String())
	}
	return strings.TrimSpace(string(out))
}

// The same commit gives the same bytes, wherever the packages go.
func TestPackagesAreMadeTwiceAlike(t *testing.T) {
	for _, kind := range []string{"deb", "image", "sbom"} {
		if one, other := digest(t, packages(t, t.TempDir(), kind)), digest(t, packages(t, t.TempDir(), kind)); one != other {
			t.Errorf("%s: %s and %s", kind, one, other)
		}
	}
}

// digest is that of a file, or of all files of a directory with their names.
func digest(t *testing.T, path string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(file)
		fmt.Fprintf(sum, "%s %d\n%s", strings.TrimPrefix(file, path), len(b), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8])
}

// The package is installed on a machine that is this one, in an overlay that goes
// away.
func TestTheDebianPackageIsInstalledUpgradedRemovedAndPurged(t *testing.T) {
	if os.Geteuid() != 0 {
		gatewaytest.Missing(t, "run as root: it changes a root file system of its own")
	}
	dir := t.TempDir()
	first, second := packages(t, dir, "deb", "-version", "1.0.0"), packages(t, dir, "deb", "-version", "1.1.0")
	m := newMachine(t, first, second)

	m.must("dpkg", "-i", "--force-depends", "/debs/"+filepath.Base(first))
	m.must("su", "-s", "/bin/sh", "caddy", "-c", "caddy version && test -w /var/lib/caddy && test -r /etc/curfew")
	m.has("/lib/systemd/system/curfew.service", "/usr/share/curfew/observability/alerts.yml", "/usr/share/doc/curfew/Caddyfile.example")
	if conf := m.must("dpkg-query", "-W", "-f", "${Conffiles}", "curfew"); !strings.Contains(conf, "/etc/caddy/Caddyfile") {
		t.Errorf("the configuration is no conffile: %q", conf)
	}
	// What an operator has changed, and the ledger, outlive everything but their own
	// removal.
	m.must("sh", "-c", "printf ':9180 {\n\trespond ok\n}\n' >/etc/caddy/Caddyfile; mkdir -p /var/lib/caddy/caddy/curfew; echo x >/var/lib/caddy/caddy/curfew/ledger")
	m.must("caddy", "validate", "--config", "/etc/caddy/Caddyfile")
	m.must("dpkg", "-i", "--force-depends", "/debs/"+filepath.Base(second))
	if v := m.must("dpkg-query", "-W", "-f", "${Version}", "curfew"); v != "1.1.0" {
		t.Errorf("after the upgrade it is %s", v)
	}
	m.must("grep", "-q", "respond ok", "/etc/caddy/Caddyfile")
	m.must("dpkg", "-r", "curfew")
	m.lacks("/usr/bin/caddy")
	m.has("/etc/caddy/Caddyfile", "/var/lib/caddy/caddy/curfew/ledger")
	m.must("dpkg", "-P", "curfew")
	m.lacks("/etc/caddy/Caddyfile", "/etc/curfew")
	m.has("/var/lib/caddy/caddy/curfew/ledger")
}

// machine is a root file system over that of this machine.
type machine struct {
	t    *testing.T
	root string
}

func newMachine(t *testing.T, debs ...string) *machine {
	t.Helper()
	dir := t.TempDir()
	outside := func(args ...string) {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args, err, out)
		}
	}
	outside("mount", "-t", "tmpfs", "tmpfs", dir)
	t.Cleanup(func() { outside("umount", dir) })
	m := &machine{t, filepath.Join(dir, "root")}
	for _, name := range []string{"root", "upper", "work"} {
		outside("mkdir", filepath.Join(dir, name))
	}
	outside("mount", "-t", "overlay", "overlay", "-o",
		fmt.Sprintf("lowerdir=/,upperdir=%s,workdir=%s", filepath.Join(dir, "upper"), filepath.Join(dir, "work")), m.root)
	t.Cleanup(func() { outside("umount", m.root) })
	outside("mkdir", "-p", m.root+"/debs")
	for _, deb := range debs {
		outside("cp", deb, m.root+"/debs/")
	}
	outside("sh", "-c", "rm -rf "+m.root+"/etc/caddy "+m.root+"/etc/curfew "+m.root+"/var/lib/caddy "+m.root+"/run/systemd; "+
		"test -c "+m.root+"/dev/null || { mkdir -p "+m.root+"/dev; mknod -m 666 "+m.root+"/dev/null c 1 3; }")
	return m
}

func (m *machine) must(args ...string) string {
	m.t.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	if path, err := exec.LookPath(args[0]); err == nil {
		cmd.Path = path
	} else {
		cmd.Path, cmd.Err = "/usr/bin/"+args[0], nil // it is inside only
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.root}
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %v\n%s", args, err, out)
	}
	return string(out)
}

func (m *machine) has(paths ...string) {
	m.t.Helper()
	for _, p := range paths {
		if _, err := os.Lstat(m.root + p); err != nil {
			m.t.Errorf("there is no %s", p)
		}
	}
}

func (m *machine) lacks(paths ...string) {
	m.t.Helper()
	for _, p := range paths {
		if _, err := os.Lstat(m.root + p); err == nil {
			m.t.Errorf("%s is still there", p)
		}
	}
}

// The image is unpacked and run by a user without rights, who can write to the
// volume alone.
func TestTheImageRuns(t *testing.T) {
	if os.Geteuid() != 0 {
		gatewaytest.Missing(t, "run as root: it changes its root directory")
	}
	image := packages(t, t.TempDir(), "image")
	blob := func(d string) string {
		return filepath.Join(image, "blobs", strings.Replace(d, ":", "/", 1))
	}
	type descriptor struct{ MediaType, Digest string }
	parse := func(path string, into any) {
		t.Helper()
		if err := json.Unmarshal([]byte(read(t, path)), into); err != nil {
			t.Fatal(err)
		}
	}
	var index struct{ Manifests []descriptor }
	parse(filepath.Join(image, "index.json"), &index)
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	parse(blob(index.Manifests[0].Digest), &manifest)
	var config struct {
		OS     string
		Config struct {
			User            string
			Env, Entrypoint []string
		}
	}
	parse(blob(manifest.Config.Digest), &config)
	if config.OS != "linux" || config.Config.User != "65532:65532" || len(manifest.Layers) != 1 {
		t.Fatalf("%+v, %d layers", config, len(manifest.Layers))
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	unpack(t, blob(manifest.Layers[0].Digest), root)
	write(t, filepath.Join(root, "etc/caddy/Caddyfile"), ":0 {\n\trespond ok\n}\n")
	if err := os.Chmod(filepath.Join(root, "etc/caddy/Caddyfile"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"version"}, {"curfew", "--help"}, {"validate", "--config", "/etc/caddy/Caddyfile"}} {
		cmd := exec.Command(config.Config.Entrypoint[0], args...)
		cmd.Dir, cmd.Env = "/", config.Config.Env
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("caddy %s: %v\n%s", args, err, out)
		}
	}
}

func unpack(t *testing.T, layer, root string) {
	t.Helper()
	f, err := os.Open(layer)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(root, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(to, 0o755)
		} else {
			var content []byte
			if content, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(to, content, h.FileInfo().Mode())
			}
		}
		if err = errors.Join(err, os.Chown(to, h.Uid, h.Gid)); err != nil {
			t.Fatal(err)
		}
	}
}

// The SBOM names what is in the binary: the gateway's own direct needs, and no
// library of the tool that made it.
func TestTheSBOMNamesWhatIsInTheBinary(t *testing.T) {
	var bom struct {
		BOMFormat, SpecVersion string
		Components             []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(read(t, packages(t, t.TempDir(), "sbom"))), &bom); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range bom.Components {
		names = append(names, c.Name)
		if c.Version == "" {
			t.Errorf("%s has no version", c.Name)
		}
	}
	if bom.BOMFormat != "CycloneDX" || !slices.Contains(names, "github.com/caddyserver/caddy/v2") || !slices.Contains(names, "stdlib") {
		t.Errorf("%s %s: %s", bom.BOMFormat, bom.SpecVersion, names)
	}
	if slices.Contains(names, "github.com/goreleaser/nfpm/v2") {
		t.Error("it names the tool that makes packages")
	}
}
