// Command build makes packages of the gateway: see the command in the folder above,
// which runs it.
//
// Read main.go first, then gateway.go (the binary), then deb.go, image.go and
// sbom.go.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// job is what one call makes.
type job struct {
	root    string // of the repository
	out     string // the directory for what is made
	version string
	arch    string    // as Go names it
	made    time.Time // of every file
}

var kinds = map[string]func(*job) (path string, err error){"deb": deb, "image": image, "sbom": sbom}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "packages:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("write `go run ./deploy/packages deb|image|sbom -o DIR [-version V] [-arch A]`")

func run(args []string) error {
	var j job
	outer := flag.NewFlagSet("build", flag.ContinueOnError)
	outer.StringVar(&j.root, "root", "../../..", "the repository")
	from := outer.String("from", ".", "where -o is relative to")
	if err := outer.Parse(args); err != nil {
		return err
	}
	if outer.NArg() == 0 || kinds[outer.Arg(0)] == nil {
		return errUsage
	}
	inner := flag.NewFlagSet(outer.Arg(0), flag.ContinueOnError)
	inner.StringVar(&j.out, "o", "", "the directory for what is made")
	inner.StringVar(&j.version, "version", "0.0.0", "the version of the package")
	inner.StringVar(&j.arch, "arch", "amd64", "amd64 or arm64")
	if err := inner.Parse(outer.Args()[1:]); err != nil {
		return err
	}
	if j.out == "" || inner.NArg() > 0 {
		return errUsage
	}
	if !filepath.IsAbs(j.out) {
		j.out = filepath.Join(*from, j.out)
	}
	if err := os.MkdirAll(j.out, 0o755); err != nil {
		return err
	}
	var err error
	if j.made, err = j.commitTime(); err != nil {
		return err
	}
	path, err := kinds[outer.Arg(0)](&j)
	if err != nil {
		return fmt.Errorf("making %s: %w", outer.Arg(0), err)
	}
	fmt.Println(path)
	return nil
}
