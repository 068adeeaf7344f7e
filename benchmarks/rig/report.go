package rig

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
)

// Report is the output of a run.
type Report struct {
	// Name is the name of its files.
	Name string
	// Text is Markdown, and Plot is an SVG picture. Empty: there is none.
	Text, Plot string
	// Data is the content of the JSON file.
	Data map[string]any
}

// Publish prints the text. If dir is not empty, it also writes all files into
// dir.
func (r Report) Publish(dir string) error {
	fmt.Print(r.Text)
	if dir == "" {
		return nil
	}
	data, err := json.MarshalIndent(r.Data, "", "\t")
	if err != nil {
		return fmt.Errorf("encoding the results: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the directory for the results: %w", err)
	}
	files := map[string]string{".md": r.Text, ".json": string(data) + "\n"}
	if r.Plot != "" {
		files[".svg"] = r.Plot
	}
	for suffix, content := range files {
		if err := os.WriteFile(filepath.Join(dir, r.Name+suffix), []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
	}
	return nil
}

// Profile writes a CPU profile of this process into a directory until the
// caller ends it. An empty directory writes no profile.
func Profile(dir, name string) (end func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(dir, name+".pprof"))
	if err != nil {
		return nil, fmt.Errorf("creating a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("starting a profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close()
	}, nil
}
