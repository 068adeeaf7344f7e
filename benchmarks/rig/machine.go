package rig

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine describes the machine that a run was measured on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
	Load   string `json:"load"` // averages of 1, 5 and 15 minutes, before the run
}

// ThisMachine describes this machine. It leaves out facts that the system does
// not report.
func ThisMachine() Machine {
	return Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: cores(), Memory: field("/proc/meminfo", "MemTotal"),
		Kernel: firstWords("/proc/sys/kernel/osrelease", 1), Go: runtime.Version(), Load: LoadAverage(),
	}
}

// LoadAverage returns the load averages of the machine. A reader needs them if
// other programs used the machine during a run.
func LoadAverage() string { return firstWords("/proc/loadavg", 3) }

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, Linux %s, %s; load average before the run %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Load)
}

func field(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstWords(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	words := strings.Fields(string(b))
	return strings.Join(words[:min(n, len(words))], " ")
}
