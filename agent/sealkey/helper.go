package sealkey

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tram/agent/sealkey/tokenwire"
)

// HelperName is the file name of the helper program.
const HelperName = "tram-token"

// HelperPath is where the helper lies: beside this program.
func HelperPath() string {
	own, err := os.Executable()
	if err != nil {
		return HelperName
	}
	if resolved, err := filepath.EvalSymlinks(own); err == nil {
		own = resolved
	}
	return filepath.Join(filepath.Dir(own), HelperName+filepath.Ext(own))
}

// helper is one run of the helper program.
type helper struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	next uint64
	end  sync.Once
}

func startHelper(path, module string) (*helper, error) {
	if !filepath.IsAbs(path) || !filepath.IsAbs(module) {
		return nil, fmt.Errorf("%w: no full path", ErrHelper)
	}
	cmd := exec.Command(path, "--module", module)
	cmd.Env = helperEnvironment(os.Environ())
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHelper, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHelper, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHelper, err)
	}
	return &helper{cmd: cmd, in: in, out: bufio.NewReader(out)}, nil
}

// helperEnvironment leaves out what is for the service alone: a maker's
// library has no business with credentials and readiness.
func helperEnvironment(all []string) []string {
	var kept []string
	for _, e := range all {
		name, _, _ := strings.Cut(e, "=")
		switch {
		case name == CredentialFolder, name == "NOTIFY_SOCKET", strings.HasPrefix(name, "LISTEN_"), strings.HasPrefix(name, "TRAM_"):
		default:
			kept = append(kept, e)
		}
	}
	return kept
}

// ask makes one request. On every error the helper is of no more use.
func (h *helper) ask(ctx context.Context, closed <-chan struct{}, q tokenwire.Request, timeout time.Duration) (tokenwire.Reply, error) {
	h.next++
	q.ID = h.next
	if err := ctx.Err(); err != nil { // a quick answer must not win over it
		h.stop()
		return tokenwire.Reply{}, err
	}
	type answer struct {
		reply tokenwire.Reply
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		err := tokenwire.WriteRequest(h.in, q)
		var a answer
		if err == nil {
			a.reply, err = tokenwire.ReadReply(h.out)
		}
		a.err = err
		done <- a
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	var err error
	select {
	case a := <-done:
		switch {
		case a.err != nil:
			return a.reply, fmt.Errorf("%w: %w", ErrHelper, a.err)
		case a.reply.ID != q.ID:
			return a.reply, fmt.Errorf("%w: answer out of turn", ErrHelper)
		}
		return a.reply, nil
	case <-timer.C:
		err = ErrTimeout
	case <-closed:
		err = ErrClosed
	case <-ctx.Done():
		err = ctx.Err()
	}
	h.stop()
	<-done // nothing reads the PIN any more
	return tokenwire.Reply{}, err
}

// stop ends the helper at once; a login is gone with its process.
func (h *helper) stop() {
	h.end.Do(func() {
		_ = h.in.Close()
		_ = h.cmd.Process.Kill() // it may have ended already
		_ = h.cmd.Wait()
	})
}
