package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// tellEvery is how often long work is told where there is no terminal.
const tellEvery = 10 * time.Second

// progress shows how far long work has come, on the standard error: a bar on a
// terminal, else a line now and then.
type progress struct {
	out   io.Writer
	bar   *progressbar.ProgressBar // nil: there is no terminal
	total int                      // -1: not known
	steps int
	now   func() time.Time
	told  time.Time
}

func progressOn(out io.Writer, total int) *progress {
	p := &progress{out: out, total: total, now: time.Now, told: time.Now()}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
	}
	return p
}

// step notes that one more is done.
func (p *progress) step() {
	p.steps++
	if p.bar != nil {
		_ = p.bar.Add(1)
		return
	}
	if p.now().Sub(p.told) < tellEvery {
		return
	}
	p.told = p.now()
	if p.total < 0 {
		fmt.Fprintf(p.out, "%d done\n", p.steps)
		return
	}
	fmt.Fprintf(p.out, "%d of %d done\n", p.steps, p.total)
}

// end takes the bar away.
func (p *progress) end() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

// lines counts the lines of a file that are not blank, and goes back to its
// beginning. A pipe can't go back: it has -1.
func lines(f *os.File) (int, error) {
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return -1, err
	}
	n := 0
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadSlice('\n')
		if len(bytes.TrimSpace(line)) > 0 && err != bufio.ErrBufferFull {
			n++
		}
		if err == io.EOF {
			break
		}
		if err != nil && err != bufio.ErrBufferFull {
			return 0, err
		}
	}
	_, err := f.Seek(0, io.SeekStart)
	return n, err
}
