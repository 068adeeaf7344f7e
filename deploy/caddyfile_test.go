package deploy_test

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "curfew.dev/curfew"
	"curfew.dev/curfew/internal/gatewaytest"
	"curfew.dev/curfew/ledger/nats/natstest"
)

// mounted are the files that the Caddyfile of the pods names.
var mounted = regexp.MustCompile(`/etc/curfew/[a-z./-]+[a-z]`)

// The Caddyfile of the pods is valid in a pod: with its variables and its files,
// each of them on a mounted volume.
func TestCaddyfileOfPods(t *testing.T) {
	text := read(t, "kubernetes/Caddyfile")
	if formatted := caddyfile.Format([]byte(text)); !bytes.Equal(formatted, []byte(text)) {
		t.Errorf("`caddy fmt` would make it\n%s", formatted)
	}
	set := find(t, "statefulset.yaml", "StatefulSet")
	container := set.Spec.Template.Spec.Containers[0]
	for _, e := range container.Env {
		t.Setenv(e.Name, t.TempDir())
	}
	t.Setenv("POD_NAME", "curfew-0")

	dir := t.TempDir()
	ours := natstest.NewAuthority(t)
	cert, key := ours.Leaf("app.example.com")
	_, seed := natstest.User(t)
	content := map[string]string{".crt": cert, ".key": key, ".pem": ours.File, ".nk": seed}
	for _, name := range mounted.FindAllString(text, -1) {
		if !onVolume(container.VolumeMounts, name) {
			t.Errorf("%s is on no volume", name)
		}
		is := "0123456789-" + path.Base(name) + "\n" // a token
		if from := content[path.Ext(name)]; from != "" {
			is = read(t, from)
		}
		write(t, filepath.Join(dir, name), is)
	}
	adapted, warnings, err := gatewaytest.Adapt(strings.ReplaceAll(text, "/etc/curfew/", dir+"/etc/curfew/"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		t.Error(w)
	}
	if err := gatewaytest.Validate(adapted); err != nil {
		t.Error(err)
	}

	if want := fmt.Sprintf("\t\texpect_nodes %d\n", set.Spec.Replicas); !strings.Contains(text, want) {
		t.Errorf("there are %d replicas, and the Caddyfile has another number of nodes", set.Spec.Replicas)
	}
	for _, p := range container.Ports {
		if !strings.Contains(text, fmt.Sprintf("port %d\n", p.ContainerPort)) && !strings.Contains(text, fmt.Sprintf(":%d {\n", p.ContainerPort)) {
			t.Errorf("nothing listens on the port %s, %d", p.Name, p.ContainerPort)
		}
	}
}

func onVolume(mounts []mount, name string) bool {
	for _, m := range mounts {
		if path.Dir(name) == m.MountPath {
			return true
		}
	}
	return false
}
