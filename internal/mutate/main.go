// Command mutate measures what the tests of a package can see. It changes one
// place of the code at a time, runs the tests, and lists the changes that no
// test noticed:
//
//	go run ./internal/mutate [-n 50] [-seed 1] [-also ./caddymodule] [-file guard.go] ./policy
//
// The tree stays untouched: each change is an overlay of `go test`. A change
// that does not compile is not counted. The tests of the package run first, and
// those of -also only where they noticed nothing. CI does not run it.
//
// Read mutant.go for the changes, then main.go for the runs.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// suite is the tests that judge a mutant.
type suite struct {
	packages []string // the tests of each run where those before noticed nothing
	timeout  time.Duration
	dir      string // of the overlays
}

type verdict string

const (
	killed   verdict = "killed"
	survived verdict = "survived"
	invalid  verdict = "invalid" // it does not compile
)

func main() {
	log.SetFlags(0)
	n := flag.Int("n", 0, "how many changes to try, drawn at random; 0: all")
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano()), "of the draw")
	also := flag.String("also", "", "packages, separated by commas, whose tests may notice as well")
	file := flag.String("file", "", "change this file only")
	timeout := flag.Duration("timeout", 2*time.Minute, "for the tests of one package")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: mutate [flags] ./package")
	}
	if err := run(flag.Arg(0), *file, *also, *n, *seed, *timeout); err != nil {
		log.Fatal(err)
	}
}

func run(pkg, file, also string, n int, seed uint64, timeout time.Duration) error {
	mutants, err := mutantsOf(pkg, file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", pkg, err)
	}
	random := rand.New(rand.NewPCG(seed, seed))
	random.Shuffle(len(mutants), func(i, j int) { mutants[i], mutants[j] = mutants[j], mutants[i] })
	if n == 0 || n > len(mutants) {
		n = len(mutants)
	}
	dir, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	s := suite{packages: []string{pkg}, timeout: timeout, dir: dir}
	if also != "" {
		s.packages = append(s.packages, strings.Split(also, ",")...)
	}
	counts := make(map[verdict]int)
	for _, m := range mutants[:n] {
		v, err := s.judge(m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.place, err)
		}
		counts[v]++
		if v == survived {
			fmt.Printf("survived  %s: %s\n", m.place, m.what)
		}
	}
	fmt.Printf("%s: %d of %d changes tried (seed %d): %d killed, %d survived, %d did not compile\n",
		pkg, n, len(mutants), seed, counts[killed], counts[survived], counts[invalid])
	return nil
}

// judge runs the tests with a mutant in place of the original.
func (s suite) judge(m mutant) (verdict, error) {
	changed, overlay := filepath.Join(s.dir, "changed.go"), filepath.Join(s.dir, "overlay.json")
	if err := os.WriteFile(changed, m.source, 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {m.file: changed}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	for _, p := range s.packages {
		ctx, cancel := context.WithTimeout(context.Background(), s.timeout+time.Minute)
		out, err := exec.CommandContext(ctx, "go", "test", "-overlay", overlay, "-count=1", "-short", "-failfast",
			"-timeout", s.timeout.String(), p).CombinedOutput()
		cancel()
		var exit *exec.ExitError
		switch {
		case err == nil:
			continue
		case !errors.As(err, &exit):
			return "", err
		case strings.Contains(string(out), "[build failed]"):
			return invalid, nil
		}
		return killed, nil
	}
	return survived, nil
}
