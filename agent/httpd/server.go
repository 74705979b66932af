package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Defaults of Options. Zero in the option takes the default.
const (
	// DefaultMaxBody bounds any request body, bytes; handlers set lower bounds of
	// their own. Hard: the rest is not read.
	DefaultMaxBody = 4 << 30
	// DefaultStall is how long a connection may make no progress in either
	// direction before it is cut.
	DefaultStall = 2 * time.Minute
	// DefaultConnections bounds open connections of each origin; more wait in
	// the system's backlog.
	DefaultConnections = 256
	// DefaultLinkLife is how long a document's address works.
	DefaultLinkLife = 5 * time.Minute

	headerTimeout   = 10 * time.Second
	idleTimeout     = 2 * time.Minute
	maxHeaderBytes  = 32 << 10
	shutdownTimeout = 10 * time.Second
)

// ErrNeedsTLS says that an address beyond loopback was asked for without TLS.
var ErrNeedsTLS = errors.New("an address other machines can reach needs TLS")

// Options of Listen.
type Options struct {
	// Address of the pages and the API, "127.0.0.1:8701".
	Address string
	// Documents is the address of the document origin. "" takes the port after
	// that of Address on the same host, or any free port when that one is taken.
	Documents string
	// Names are further host names under which browsers may reach the pages.
	// IP addresses and localhost are always accepted. The first is the one to
	// show when Address is that of every interface.
	Names []string
	// TLS is required when Address or Documents is not loopback.
	TLS *tls.Config
	// Files opens attachments; nil: there are none, and no document origin.
	Files Files
	// Alive reports whether the session that an address was made for still
	// lives; nil accepts every session.
	Alive func(ctx context.Context, session string) bool

	MaxBody     int64
	Stall       time.Duration
	Connections int
	LinkLife    time.Duration
	Logger      *slog.Logger
	Now         func() time.Time
}

func (o *Options) defaults() {
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.Stall == 0 {
		o.Stall = DefaultStall
	}
	if o.Connections == 0 {
		o.Connections = DefaultConnections
	}
	if o.LinkLife == 0 {
		o.LinkLife = DefaultLinkLife
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Server holds both listeners. Make one with Listen.
type Server struct {
	options   Options
	ui, files net.Listener
	documents *Documents
}

// Listen binds both origins, so that their addresses are known before pages
// are made. Nothing is answered until Serve.
func Listen(o Options) (*Server, error) {
	o.defaults()
	if o.TLS == nil && NeedsTLS(o.Address, o.Documents) {
		return nil, fmt.Errorf("listen on %s: %w", strings.TrimSpace(o.Address+" "+o.Documents), ErrNeedsTLS)
	}
	ui, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for pages: %w", err)
	}
	if o.Files == nil {
		return &Server{options: o, ui: ui}, nil
	}
	files, err := listenBeside(ui, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen for documents: %w", err), ui.Close())
	}
	s := &Server{options: o, ui: ui, files: files}
	s.documents, err = newDocuments(o, port(ui), port(files))
	if err != nil {
		return nil, errors.Join(err, ui.Close(), files.Close())
	}
	return s, nil
}

// listenBeside binds the document origin next to the pages' port.
func listenBeside(ui net.Listener, o Options) (net.Listener, error) {
	if o.Documents != "" {
		return net.Listen("tcp", o.Documents)
	}
	host, _, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, fmt.Errorf("read address %q: %w", o.Address, err)
	}
	if next := port(ui) + 1; !strings.HasSuffix(o.Address, ":0") && next <= 65535 {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(next))); err == nil {
			return l, nil
		}
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

// URL is the address of the pages for a person to open.
func (s *Server) URL() string {
	address := s.ui.Addr().(*net.TCPAddr)
	if address.IP.IsUnspecified() && len(s.options.Names) > 0 {
		return s.scheme() + "://" + net.JoinHostPort(s.options.Names[0], strconv.Itoa(address.Port))
	}
	return s.scheme() + "://" + address.String()
}

// Secure reports whether browsers come over TLS.
func (s *Server) Secure() bool { return s.options.TLS != nil }

// NeedsTLS reports whether machines other than this one can reach one of the
// addresses, "host:port" or "" for none.
func NeedsTLS(addresses ...string) bool {
	for _, a := range addresses {
		if a != "" && !loopback(a) {
			return true
		}
	}
	return false
}

// Documents signs addresses of the document origin, nil when there is none.
func (s *Server) Documents() *Documents { return s.documents }

func (s *Server) scheme() string {
	if s.options.TLS != nil {
		return "https"
	}
	return "http"
}

// Serve answers with pages until ctx ends, then lets running requests finish
// for a moment and closes everything. It returns nil after a clean end. Call it
// once.
func (s *Server) Serve(ctx context.Context, pages http.Handler) error {
	ui := s.server(ctx, s.guardPages(pages))
	servers := []*http.Server{ui}
	ended := make(chan error, 2)
	go func() { ended <- s.serve(ui, s.ui) }()
	if s.files != nil {
		files := s.server(ctx, s.guardDocuments(s.documents))
		servers = append(servers, files)
		go func() { ended <- s.serve(files, s.files) }()
	}

	var first error
	waiting := len(servers)
	select {
	case <-ctx.Done():
	case first = <-ended:
		waiting--
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	for _, srv := range servers {
		if err := srv.Shutdown(grace); err != nil {
			first = errors.Join(first, srv.Close())
		}
	}
	for range waiting {
		first = errors.Join(first, <-ended)
	}
	return first
}

// Close frees the ports of a server that was never served. It is idempotent.
func (s *Server) Close() error {
	var errs []error
	for _, l := range []net.Listener{s.ui, s.files} {
		if l == nil {
			continue
		}
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (s *Server) server(ctx context.Context, h http.Handler) *http.Server {
	// The programs are built without HTTP/2, which would be offered all the same.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           h,
		Protocols:         protocols,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		TLSConfig:         s.options.TLS.Clone(), // each server changes its own
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
		ErrorLog:          slog.NewLogLogger(s.options.Logger.Handler(), slog.LevelDebug),
	}
}

func (s *Server) serve(srv *http.Server, l net.Listener) error {
	l = limit(l, s.options.Connections)
	var err error
	if s.options.TLS != nil {
		err = srv.ServeTLS(s.explainPlain(l), "", "")
	} else {
		err = srv.Serve(l)
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serve %s: %w", l.Addr(), err)
}

// loopback reports whether only this machine can reach address.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
