// Command packages makes what operators install, each by one command from the
// root of this repository:
//
//	go run ./deploy/packages deb|image|sbom -o DIR
//
// Only Go is needed. The same commit gives the same bytes. The work is done by the
// module in build/, which has the libraries for it: they never become dependencies
// of the gateway.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("looking for the repository: %w", err)
	}
	root := filepath.Dir(strings.TrimSpace(string(out)))
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	cmd := exec.Command("go", append([]string{"run", "-C", filepath.Join(root, "deploy", "packages", "build"), ".", "-root", root, "-from", here}, args...)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
