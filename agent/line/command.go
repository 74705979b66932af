package line

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"time"
)

const (
	// maxOutput bounds what is kept of a program's output, bytes; what it says
	// beyond is lost, the program goes on.
	maxOutput = 4 << 10
	// pipesAfter is how long the output of a program that has ended may be held
	// open by others that it started.
	pipesAfter = time.Second
)

// execute runs a program with its arguments as they are, no shell, for at most
// limit, then ends it with all that it started. Its output goes to the log.
func execute(ctx context.Context, argv []string, limit time.Duration, log *slog.Logger) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("ended after %v", limit))
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out tail
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &out, pipesAfter
	ownGroup(cmd)
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // a program that stays, such as pppd, keeps its output
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	log = log.With("program", argv[0], "output", out.String())
	if err != nil {
		log.Warn("program of the line failed", "error", err)
		return err
	}
	log.Info("program of the line ended")
	return nil
}

// tail keeps the last bytes written to it.
type tail struct{ b bytes.Buffer }

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	t.b.Write(p[max(0, n-maxOutput):])
	t.b.Next(max(0, t.b.Len()-maxOutput))
	return n, nil
}

func (t *tail) String() string { return strings.ToValidUTF8(strings.TrimSpace(t.b.String()), "?") }
