package api

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// maxSocketPath is the longest path that every supported system accepts for a
// local socket, in bytes.
const maxSocketPath = 103

// Listen opens the local socket name in the data folder dir, for its owner
// only. A socket left over by a process that was killed is replaced; the
// caller holds the lock of the data folder, so no other process answers on it.
func Listen(dir, name string) (net.Listener, error) {
	path := filepath.Join(dir, name)
	if len(path) > maxSocketPath {
		return nil, problem.New(problem.Usage, "service.path-too-long", "data", i18n.Args{"dir": dir, "most": maxSocketPath - len(name) - 1})
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open local socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("protect local socket: %w", err)
	}
	return l, nil
}

// graceTime is how long running calls may take to finish after the end was
// asked for. Longer ones are broken off: their callers see an error.
const graceTime = 3 * time.Second

// Serve answers on a local socket until ctx ends, then lets running calls
// finish for a moment. When it returns no more calls begin.
func Serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), graceTime)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve local socket: %w", err)
	}
	<-closed
	return ctx.Err()
}

// Caller makes calls over a local socket. Its errors are the problems that the
// other side reported, or "service.not-running".
type Caller struct {
	http *http.Client
	dir  string
}

// NewCaller returns a Caller for the socket name in the data folder dir. It
// connects when it is first used.
func NewCaller(dir, name string) *Caller {
	path := filepath.Join(dir, name)
	return &Caller{dir: dir, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
		DisableCompression: true,
	}}}
}

// Close releases idle connections.
func (c *Caller) Close() { c.http.CloseIdleConnections() }
