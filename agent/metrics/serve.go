package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Path is where the metrics are.
	Path = "/metrics"
	// Fresh is how long at least gathered figures are given out again: who asks more
	// often costs nothing but bytes. Figures that took long to gather are given out
	// for rest times as long.
	Fresh = 2 * time.Second
	rest  = 10
	// gatherWithin is how long gathering may take; readers wait 10 s as a rule.
	gatherWithin = 8 * time.Second
	// maxConnections bounds connections, hard; further ones are closed at once.
	maxConnections = 32
	// maxHeader bounds the header of a request, in bytes.
	maxHeader = 16 << 10
	// ioWithin is how long a request may take to come, and an answer to go.
	ioWithin = 30 * time.Second
)

// Collector is a part of the program that adds its figures to a set. Name is its
// label in the count of failures.
type Collector struct {
	Name    string
	Collect func(context.Context, *Set) error
}

// Options configure a Server.
type Options struct {
	Address    string         // host:port
	Allow      []netip.Prefix // who may ask beside this machine; needed when Address is not on loopback
	Program    string         // its name and version
	Version    string
	Descs      []*Desc // of the collectors
	Collectors []Collector
	Logger     *slog.Logger // nil discards
}

// Server answers on [Path]. Make one with Listen.
type Server struct {
	o        Options
	descs    []*Desc
	failures *Counts
	listener net.Listener
	open     atomic.Int64

	mu    sync.Mutex
	set   *Set
	until time.Time // when set is too old
}

// Listen opens the listener.
func Listen(o Options) (*Server, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, descs: slices.Concat(Own, o.Descs), failures: NewCounts(failures)}
	for _, c := range o.Collectors {
		s.failures.Add(0, c.Name)
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for monitoring: %w", err)
	}
	s.listener = guarded{l, s}
	return s, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	srv := &http.Server{
		Handler: s, ReadHeaderTimeout: ioWithin, ReadTimeout: ioWithin, WriteTimeout: ioWithin, IdleTimeout: 5 * time.Minute,
		MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return ctx.Err()
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path != Path:
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	case !s.expects(r.Host):
		http.Error(w, "unknown host", http.StatusMisdirectedRequest)
		return
	}
	f := negotiate(r.Header.Get("Accept"))
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	s.mu.Lock()
	body := f.write(s.gather(r.Context()))
	s.mu.Unlock()
	w.Write(body)
}

// expects says whether a request may come under a host. On loopback a foreign name is
// a page in a browser on this machine that means to read what it may not.
func (s *Server) expects(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if len(s.o.Allow) > 0 || host == "localhost" {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// gather gives figures that are [Fresh]. s.mu is held.
func (s *Server) gather(ctx context.Context) *Set {
	if s.set != nil && time.Now().Before(s.until) {
		return s.set
	}
	// What is gathered is for others who ask too: one who leaves does not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), gatherWithin)
	defer cancel()
	began, set := time.Now(), NewSet(s.descs)
	set.Add(build, 1, s.o.Program, s.o.Version)
	s.runtime(set)
	for _, c := range s.o.Collectors {
		if err := c.Collect(ctx, set); err != nil {
			s.failures.Add(1, c.Name)
			s.o.Logger.Warn("figures not gathered", "collector", c.Name, "error", err)
		}
	}
	s.failures.Into(set)
	cost := time.Since(began)
	set.Add(took, cost.Seconds())
	set.Add(dropped, float64(set.Dropped()))
	s.set, s.until = set, time.Now().Add(max(Fresh, rest*cost))
	return set
}

// guarded lets in who may ask, while there is room.
type guarded struct {
	net.Listener
	s *Server
}

func (g guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if !g.s.allowed(c.RemoteAddr()) || g.s.open.Add(1) > maxConnections {
			if g.s.allowed(c.RemoteAddr()) {
				g.s.open.Add(-1)
			}
			c.Close()
			continue
		}
		return &counted{Conn: c, s: g.s}, nil
	}
}

func (s *Server) allowed(a net.Addr) bool {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return false
	}
	ip := at.Addr().Unmap().WithZone("")
	return ip.IsLoopback() || slices.ContainsFunc(s.o.Allow, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	s    *Server
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.s.open.Add(-1) })
	return c.Conn.Close()
}
