package demo_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "--check")
	began := time.Now()
	if status := exitStatus(t, p.Run()); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, &p.stdout, &p.stderr)
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %s", took)
	}
	lines := regexp.MustCompile(`(?m)^ok +[0-9.]+ ms  \S`).FindAllString(p.stdout.String(), -1)
	if len(lines) != 17 || !strings.Contains(p.stdout.String(), "All 17 steps held") {
		t.Errorf("%d lines say ok:\n%s", len(lines), &p.stdout)
	}
	if p.stderr.String() != "" {
		t.Errorf("it is not quiet:\n%s", &p.stderr)
	}
	leavesNothing(t, p.home)
	leavesNothing(t, p.temp)
}

// Whatever Caddy logs, tokens are not in it.
func TestNoTokenIsPrinted(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "kept")
	p := newProcess(t, "--check", "--verbose", "--dir", dir)
	if status := exitStatus(t, p.Run()); status != 0 {
		t.Fatalf("exit status %d\n%s%s", status, &p.stdout, &p.stderr)
	}
	if !strings.Contains(p.stderr.String(), "serving initial configuration") && !strings.Contains(p.stderr.String(), "server running") {
		t.Fatalf("--verbose shows no log, so nothing is tested:\n%s", &p.stderr)
	}
	secrets := []string{"eyJ"} // how every JWT begins
	for _, name := range []string{"alice-phone", "alice-laptop", "alice-console", "bob-laptop", "operator"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, strings.TrimSpace(strings.TrimPrefix(string(b), "Authorization: Bearer ")))
	}
	printed := p.stdout.String() + p.stderr.String()
	for _, secret := range secrets {
		if secret == "" || strings.Contains(printed, secret) {
			t.Error("a token was printed")
		}
	}
	leavesNothing(t, p.home)
	leavesNothing(t, p.temp)
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	p := newProcess(t, "--check", "--port", port)
	if status := exitStatus(t, p.Run()); status != 1 || !strings.Contains(p.stderr.String(), "finding a port") {
		t.Errorf("exit status %d\n%s%s", status, &p.stdout, &p.stderr)
	}
	leavesNothing(t, p.temp)
}

// Every command of the guide does what the guide says, in a directory whose
// name needs quoting; and an interrupt ends the demo well.
func TestGuide(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sh", "curl"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("install %s", program)
			}
			t.Skipf("install %s", program)
		}
	}
	p := newProcess(t, "--dir", filepath.Join(t.TempDir(), "alice's demo"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout.await(t, `(?m)^      curl http://.*/metrics\n`) // the last line, to its end
	var got []string
	for _, match := range regexp.MustCompile(`(?m)^      (curl .*)$`).FindAllStringSubmatch(p.stdout.String(), -1) {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", match[1]+` -s -o /dev/null -w '%{http_code}'`).Output()
		if err != nil {
			t.Errorf("%s: %v", match[1], err)
		}
		got = append(got, string(out))
	}
	want := []string{
		"200", "200", "200", // 1. everybody
		"200", "201", // 2. preview, 3. sign-out
		"401", "401", // 4. both out
		"200", "401", // 5. refresh
		"200", "200", // 6. the others
		"200", "200", // 7. sign in again
		"200", "401", "200", // 8. restart
		"200", // 10. metrics
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v\n%s%s", got, want, &p.stdout, &p.stderr)
	}
	status := regexp.MustCompile(`(?m)^      (.* curfew status .*)$`).FindStringSubmatch(p.stdout.String())
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", status[1]).CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", status[1], err, out)
	}
	for _, c := range p.stdout.String() {
		if c != '\n' && (c < ' ' || c > '~') {
			t.Fatalf("the guide is not plain ASCII: %q", c)
		}
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitStatus(t, p.Wait()); code != 0 || p.stderr.String() != "" {
		t.Errorf("exit status %d\n%s", code, &p.stderr)
	}
	leavesNothing(t, p.home)
}

// A check that is broken off has not held.
func TestCheckIsInterrupted(t *testing.T) {
	t.Parallel()
	p := newProcess(t, "--check")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout.await(t, "the same receipt") // the step after it takes a second
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if status := exitStatus(t, p.Wait()); status != 1 || !strings.Contains(p.stdout.String(), "FAILED") {
		t.Errorf("exit status %d\n%s%s", status, &p.stdout, &p.stderr)
	}
	leavesNothing(t, p.temp)
}

// A directory that is kept can be used again: its ledger goes on. And the
// gateway process that is left of a demo whose parent was killed ends: here the
// parent's end of its input is closed from the start.
func TestDirectoryIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{{"--check"}, {"--check"}, {"--gateway-of", dir}} {
		p := newProcess(t, append(args, "--dir", dir)...)
		if status := exitStatus(t, p.Run()); status != 0 || p.stderr.String() != "" {
			t.Fatalf("%v: exit status %d\n%s%s", args, status, &p.stdout, &p.stderr)
		}
		leavesNothing(t, p.home)
		leavesNothing(t, p.temp)
	}
}

func TestTheDemoStandsInFrontOfAServiceOfOnesOwn(t *testing.T) {
	t.Parallel()
	heard := make(chan http.Header, 100)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		heard <- r.Header
		w.WriteHeader(http.StatusTeapot)
	}))
	defer service.Close()
	dir := t.TempDir()
	p := newProcess(t, "--dir", dir, "--upstream", service.URL+"/", "--scope", "files:read,files:write", "--acr", "mfa", "--tenant", "fabrikam")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdout.await(t, `(?m)^      curl http://.*/metrics\n`)
	for len(heard) > 0 {
		<-heard // of the sign-ins
	}
	guide := p.stdout.String()
	app := regexp.MustCompile(`gateway +(http://\S+)  in front of the service at ` + regexp.QuoteMeta(service.URL)).FindStringSubmatch(guide)
	api := regexp.MustCompile(`admin API +(http://\S+)`).FindStringSubmatch(guide)
	if app == nil || api == nil || !strings.Contains(guide, "The service is yours") {
		t.Fatalf("the guide is of another service:\n%s", guide)
	}
	get := func(method, url, who, body string) int {
		t.Helper()
		header, err := os.ReadFile(filepath.Join(dir, who))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", strings.TrimSpace(strings.TrimPrefix(string(header), "Authorization:")))
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if status := get(http.MethodGet, app[1], "alice-phone", ""); status != http.StatusTeapot {
		t.Errorf("alice gets %d", status)
	}
	got := <-heard
	for name, want := range map[string]string{
		"Curfew-Subject": "alice", "Curfew-Scope": "openid files:read files:write", "Curfew-Acr": "mfa", "Curfew-Tenant": "fabrikam",
	} {
		if got.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Get(name), want)
		}
	}
	issuer := regexp.MustCompile(`provider +(http://\S+)`).FindStringSubmatch(guide)[1]
	if status := get(http.MethodPost, api[1]+"/v1/revocations", "operator", `{"target":{"iss":"`+issuer+`","sub":"alice"}}`); status != http.StatusCreated {
		t.Errorf("signing out: %d", status)
	}
	if status := get(http.MethodGet, app[1], "alice-phone", ""); status != http.StatusUnauthorized || len(heard) > 0 {
		t.Errorf("signed out, alice gets %d, and the service was asked %d times", status, len(heard))
	}
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := exitStatus(t, p.Wait()); code != 0 {
		t.Errorf("exit status %d\n%s", code, &p.stderr)
	}
}

func TestTheDemoRefusesWhatItCannotPutBehindTheGateway(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"without a path":             {"--upstream", "http://127.0.0.1:9000/files"},
		"want http://host:port":      {"--upstream", "127.0.0.1:9000"},
		"leave --upstream out":       {"--check", "--upstream", "http://127.0.0.1:9000"},
		"reaches urn:curfew:pwd":     {"--acr", "phr"},
		"a scope is visible ASCII":   {"--scope", "a b"},
		"or https://host:port, with": {"--upstream", "ftp://127.0.0.1:9000"},
	} {
		p := newProcess(t, args...)
		if status := exitStatus(t, p.Run()); status != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%v: exit status %d, want %q in\n%s", args, status, want, &p.stderr)
		}
		leavesNothing(t, p.temp)
	}
}
