package deploy_test

import (
	"errors"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// object is what the tests look at of a Kubernetes object.
type object struct {
	Kind     string
	Metadata struct{ Name string }
	Spec     struct {
		ServiceName string `yaml:"serviceName"`
		Replicas    int
		Selector    yaml.Node
		Template    struct{ Spec pod }
		Ports       []struct {
			TargetPort string `yaml:"targetPort"`
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
	}
	// Of a Kustomization.
	Resources          []string
	ConfigMapGenerator []struct {
		Name  string
		Files []string
	} `yaml:"configMapGenerator"`
}

type pod struct {
	Containers []struct {
		Args  []string
		Env   []struct{ Name string }
		Ports []struct {
			Name          string
			ContainerPort int `yaml:"containerPort"`
		}
		ReadinessProbe probe   `yaml:"readinessProbe"`
		LivenessProbe  probe   `yaml:"livenessProbe"`
		VolumeMounts   []mount `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string } `yaml:"configMap"`
		Secret    struct {
			SecretName string `yaml:"secretName"`
		}
	}
}

type mount struct {
	Name      string
	MountPath string `yaml:"mountPath"`
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// objects are those of a file.
func objects(t *testing.T, name string) (all []object) {
	t.Helper()
	from := yaml.NewDecoder(strings.NewReader(read(t, filepath.Join("kubernetes", name))))
	for {
		var o object
		err := from.Decode(&o)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, o)
	}
}

func find(t *testing.T, name, kind string) object {
	t.Helper()
	for _, o := range objects(t, name) {
		if o.Kind == kind {
			return o
		}
	}
	t.Fatalf("%s has no %s", name, kind)
	return object{}
}

// What the Kustomization names is there, and what is there is named.
func TestKustomization(t *testing.T) {
	k := find(t, "kustomization.yaml", "Kustomization")
	paths, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, path := range paths {
		if name := filepath.Base(path); name != "kustomization.yaml" {
			files = append(files, name)
			objects(t, name)
		}
	}
	slices.Sort(k.Resources)
	if !slices.Equal(k.Resources, files) {
		t.Errorf("resources are %q, files are %q", k.Resources, files)
	}
	if g := k.ConfigMapGenerator; len(g) != 1 || !slices.Equal(g[0].Files, []string{"Caddyfile"}) {
		t.Errorf("ConfigMaps are %+v", g)
	}
	set := find(t, "statefulset.yaml", "StatefulSet")
	secrets := regexp.MustCompile(`create secret \w+ (\S+)`).FindAllStringSubmatch(read(t, "kubernetes/kustomization.yaml"), -1)
	var made, mounted []string
	for _, m := range secrets {
		made = append(made, m[1])
	}
	for _, v := range set.Spec.Template.Spec.Volumes {
		if name := v.Secret.SecretName; name != "" {
			mounted = append(mounted, name)
		}
		if name := v.ConfigMap.Name; name != "" && name != k.ConfigMapGenerator[0].Name {
			t.Errorf("the ConfigMap %s is made by nobody", name)
		}
	}
	slices.Sort(made)
	slices.Sort(mounted)
	if !slices.Equal(made, mounted) {
		t.Errorf("Secrets %q are made, and %q are mounted", made, mounted)
	}
}

// Ports, selectors, mounts and names of one object are those of another.
func TestObjectsAgree(t *testing.T) {
	set := find(t, "statefulset.yaml", "StatefulSet")
	caddy := set.Spec.Template.Spec.Containers[0]
	ports := make(map[string]int)
	for _, p := range caddy.Ports {
		ports[p.Name] = p.ContainerPort
	}
	selectors := make(map[string]bool)
	services := make(map[string]bool)
	for _, s := range objects(t, "services.yaml") {
		services[s.Metadata.Name] = true
		selectors[label(t, s.Spec.Selector)] = true
		for _, p := range s.Spec.Ports {
			if ports[p.TargetPort] == 0 {
				t.Errorf("the Service %s leads to port %s, which no container has", s.Metadata.Name, p.TargetPort)
			}
		}
	}
	if !services[set.Spec.ServiceName] {
		t.Errorf("the Service %s of the StatefulSet does not exist", set.Spec.ServiceName)
	}
	selectors[label(t, set.Spec.Selector)] = true
	selectors[label(t, find(t, "disruption.yaml", "PodDisruptionBudget").Spec.Selector)] = true
	if len(selectors) != 1 {
		t.Errorf("selectors differ: %q", slices.Collect(maps.Keys(selectors)))
	}
	for want, p := range map[string]probe{"/readyz": caddy.ReadinessProbe, "/livez": caddy.LivenessProbe} {
		if p.HTTPGet.Path != want || p.HTTPGet.Port != "health" || ports["health"] != 9180 {
			t.Errorf("a probe asks for %s at %s", p.HTTPGet.Path, p.HTTPGet.Port)
		}
	}
	volumes := map[string]bool{set.Spec.VolumeClaimTemplates[0].Metadata.Name: true}
	for _, v := range set.Spec.Template.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range caddy.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("the volume %s is mounted and does not exist", m.Name)
		}
		delete(volumes, m.Name)
	}
	for name := range volumes {
		t.Errorf("the volume %s is not mounted", name)
	}
}

// label is the one label of a selector, bare or under matchLabels.
func label(t *testing.T, n yaml.Node) string {
	t.Helper()
	if n.Kind == yaml.MappingNode && n.Content[0].Value == "matchLabels" {
		n = *n.Content[1]
	}
	if n.Kind == yaml.AliasNode {
		n = *n.Alias
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		t.Fatalf("a selector is not one label: line %d", n.Line)
	}
	return n.Content[0].Value + "=" + n.Content[1].Value
}
