package porttest

import (
	"fmt"
	"net"
	"runtime"
	"testing"
)

func TestKeptPortsCanBeListenedOn(t *testing.T) {
	ports := Keep(t, 3)
	first := KeepRow(t, 4)
	for i := range 4 {
		ports = append(ports, fmt.Sprint(first+i))
	}
	seen := make(map[string]bool)
	for _, port := range ports {
		if seen[port] {
			t.Errorf("port %s is given twice", port)
		}
		seen[port] = true
		for range 2 { // a server that is started again
			l, err := net.Listen("tcp", "127.0.0.1:"+port)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestKeptPortsAreNobodyElses(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("ports are kept on Linux only")
	}
	first := KeepRow(t, 2)
	if _, release, err := hold(first); err == nil {
		release()
		t.Error("a port is kept twice")
	}
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+1))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for range 200 {
		if port, release, err := hold(0); err != nil || port == first || port == first+1 {
			t.Fatalf("got port %d, %v", port, err)
		} else {
			defer release()
		}
	}
	if _, release, err := hold(first + 1); err == nil {
		release()
		t.Error("a port that somebody listens on is kept")
	}
}
