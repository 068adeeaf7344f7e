package deploy_test

import "testing"

type labels struct {
	MatchLabels map[string]string `yaml:"matchLabels"`
}

// The policy and the monitor name the labels and ports of the pods, and no member
// that the API does not have. A port that is wrong would shut everybody out.
func TestTheNetworkPolicyAndThePodMonitorNameWhatPodsHave(t *testing.T) {
	type port struct{ Port, Protocol string }
	type peer struct {
		NamespaceSelector labels `yaml:"namespaceSelector"`
	}
	var policy struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
		Spec       struct {
			PodSelector labels   `yaml:"podSelector"`
			PolicyTypes []string `yaml:"policyTypes"`
			Ingress     []struct {
				From  []peer
				Ports []port
			}
			Egress []struct{ Ports []port }
		}
	}
	decode(t, "kubernetes/networkpolicy.yaml", &policy)
	var monitor struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name, Namespace string }
		Spec       struct {
			Selector  labels
			Endpoints []struct {
				Port, Path, Interval string
				Relabelings          []struct {
					SourceLabels []string `yaml:"sourceLabels"`
					TargetLabel  string   `yaml:"targetLabel"`
					Replacement  string
				}
			} `yaml:"podMetricsEndpoints"`
		}
	}
	decode(t, "kubernetes/prometheus/podmonitor.yaml", &monitor)
	set := find(t, "statefulset.yaml", "StatefulSet")
	named := make(map[string]bool)
	for _, p := range set.Spec.Template.Spec.Containers[0].Ports {
		named[p.Name] = false
	}
	for _, rule := range policy.Spec.Ingress {
		for _, p := range rule.Ports {
			if _, known := named[p.Port]; !known {
				t.Errorf("the policy lets through %s, which no pod has", p.Port)
			}
			named[p.Port] = true
			if open := len(rule.From) == 0; open == (p.Port == "admin" || p.Port == "health") {
				t.Errorf("%s is open to everybody: %v", p.Port, open)
			}
		}
	}
	for name, let := range named {
		if !let {
			t.Errorf("the policy shuts the port %s", name)
		}
	}
	const label = "app.kubernetes.io/name"
	if policy.Spec.PodSelector.MatchLabels[label] != "curfew" || monitor.Spec.Selector.MatchLabels[label] != "curfew" {
		t.Errorf("%v, %v", policy.Spec.PodSelector, monitor.Spec.Selector)
	}
	if e := monitor.Spec.Endpoints; len(e) != 1 || e[0].Port != "health" || e[0].Path != "/metrics" || e[0].Relabelings[0].Replacement != "curfew" {
		t.Errorf("%+v", e)
	}
}
