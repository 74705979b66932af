// Package peers moves documents from one end of a line to the other with Trạm
// and with what people would use instead, each set up as somebody would who
// knows it well: fixed addresses, encryption on, its own retries.
//
// It promises the same contract for all: documents are handed over, and count
// as arrived when they are whole at the receiver. Programs run on the hosts of
// the line, keep their files in the site's folder, and are gone after Close.
package peers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/cmd/internal/line"
)

// ErrMissing says that a program of the peer is not installed. The message
// names the program and where it is to be had.
var ErrMissing = errors.New("not installed")

// Site is where a peer works.
type Site struct {
	Line     line.Line
	From, To line.Host // sender and receiver: the two ends of Line in either order
	Dir      string    // scratch folder of the peer, exists
	Bin      string    // folder with tram and tram-hub
	Log      io.Writer // says what is being done
}

// Document is a file to be moved. Names are unique within a run.
type Document struct {
	Name   string
	Data   []byte
	Urgent bool // may overtake, where the peer has such a thing
}

// Peer moves documents. Methods are called by one goroutine at a time, except
// that Arrived may be called while Send runs.
type Peer interface {
	// Start readies both ends; the line is good. ErrMissing when a program
	// lacks.
	Start(ctx context.Context, at Site) error
	// Send hands documents over together. It returns when the peer has taken
	// them, which may be long before they arrive.
	Send(ctx context.Context, documents ...Document) error
	// Arrived returns the names of the documents that are whole at the receiver.
	Arrived(ctx context.Context) ([]string, error)
	// Read returns the content of a document that has arrived.
	Read(ctx context.Context, name string) ([]byte, error)
	// Close ends all programs. It may be called again, and after a failed Start.
	Close() error
}

// makers are the peers by name.
var makers = []struct {
	name string
	make func() Peer
}{
	{"tram", func() Peer { return &Tram{} }},
	{"mosquitto", func() Peer { return &mosquitto{} }},
	{"rsync", func() Peer { return &rsync{} }},
	{"nncp", func() Peer { return &nncp{} }},
	{"syncthing", func() Peer { return &syncthing{} }},
	{"tus", func() Peer { return &tus{} }},
	{"smtp", func() Peer { return &smtp{} }},
}

// Names lists all peers, Trạm first.
func Names() []string {
	var names []string
	for _, m := range makers {
		names = append(names, m.name)
	}
	return names
}

// New returns a peer that has not been started.
func New(name string) (Peer, error) {
	for _, m := range makers {
		if m.name == name {
			return m.make(), nil
		}
	}
	return nil, fmt.Errorf("peer %q is unknown: there are %s", name, strings.Join(Names(), ", "))
}

// program finds a program of a Debian package, also outside a user's path.
func program(name, from string) (string, error) {
	for _, path := range []string{name, "/usr/sbin/" + name, "/usr/local/bin/" + name, filepath.Join(toolDir(), name)} {
		if found, err := exec.LookPath(path); err == nil {
			return found, nil
		}
	}
	return "", fmt.Errorf("%s: %w: %s", name, ErrMissing, from)
}

// children are the processes and goroutines of a peer.
type children struct {
	mu     sync.Mutex
	cancel []context.CancelFunc
	wg     sync.WaitGroup
	failed []error
}

// spawn runs a server until close. Its output goes to log.
func (c *children) spawn(host line.Host, log io.Writer, name string, args ...string) error {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := line.Command(ctx, host, name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("start %s: %w", name, err)
	}
	c.own(cancel)
	c.wg.Go(func() {
		err := cmd.Wait()
		if ctx.Err() == nil {
			c.fail(fmt.Errorf("%s ended by itself: %w", name, errors.Join(err)))
		}
	})
	return nil
}

// background runs f until close.
func (c *children) background(f func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	c.own(cancel)
	c.wg.Go(func() {
		if err := f(ctx); err != nil && ctx.Err() == nil {
			c.fail(err)
		}
	})
}

func (c *children) own(cancel context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cancel = append(c.cancel, cancel)
}

func (c *children) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = append(c.failed, err)
}

// trouble returns what went wrong behind the caller's back.
func (c *children) trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.failed...)
}

// close ends everything, the youngest first, and returns when it is gone.
func (c *children) close() {
	c.mu.Lock()
	cancels := slices.Clone(c.cancel)
	c.cancel = nil
	c.mu.Unlock()
	for _, cancel := range slices.Backward(cancels) {
		cancel()
	}
	c.wg.Wait()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// listening waits until something on host accepts connections at addr.
func (c *children) listening(ctx context.Context, host line.Host, addr string) error {
	for {
		conn, err := host.Dial(ctx, "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		if trouble := c.trouble(); trouble != nil {
			return trouble
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for the server at %s: %w", addr, err)
		}
	}
}

// toolDir is where .ci/lab-tools puts programs that come as Go modules.
func toolDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "tram-lab")
}
