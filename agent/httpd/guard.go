package httpd

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/i18n"
)

// guardPages wraps the pages and the API.
func (s *Server) guardPages(next http.Handler) http.Handler {
	csrf := http.NewCrossOriginProtection()
	csrf.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusForbidden, "httpd.foreign-site")
	}))
	h := csrf.Handler(next)
	h = pageHeaders(h)
	return s.guard(h)
}

// guardDocuments wraps the document origin, whose handler sets its own policy.
func (s *Server) guardDocuments(next http.Handler) http.Handler { return s.guard(next) }

// guard is what both origins share.
func (s *Server) guard(next http.Handler) http.Handler {
	h := http.MaxBytesHandler(next, s.options.MaxBody)
	h = s.hosts(h)
	h = s.recovered(h)
	return stalled(h, s.options.Stall)
}

// ours reports whether a Host header names this machine. An IP address cannot
// be rebound to another site, so every IP is accepted.
func (s *Server) ours(host string) bool {
	host = strings.ToLower(hostname(host))
	if net.ParseIP(host) != nil || host == "localhost" {
		return true
	}
	if own, _, err := net.SplitHostPort(s.options.Address); err == nil && own != "" && strings.EqualFold(own, host) {
		return true
	}
	return slices.ContainsFunc(s.options.Names, func(n string) bool { return strings.EqualFold(n, host) })
}

// hosts refuses names that are not ours.
func (s *Server) hosts(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.ours(r.Host) {
			refuse(w, http.StatusMisdirectedRequest, "httpd.wrong-host")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname cuts the port and the brackets off a Host header.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

// pageHeaders sets what every answer of the pages' origin carries. The
// policy is the strictest one; pages replace it with theirs. There is no HSTS:
// it would bind every port of the host, other programs' included, and make a
// certificate that the box made for itself an error that a clerk cannot pass.
// What it protects from is kept out otherwise: beyond loopback nothing is
// answered without TLS but the way to TLS, and cookies go over TLS alone.
func pageHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		next.ServeHTTP(w, r)
	})
}

// recovered turns a panic into a logged 500.
func (s *Server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			s.options.Logger.Error("panic in a request", "method", r.Method, "path", r.URL.Path,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			refuse(w, http.StatusInternalServerError, "problem.internal")
		}()
		next.ServeHTTP(w, r)
	})
}

// refuse answers with the message in both languages as plain text: at this
// depth the reader's language is not known.
func refuse(w http.ResponseWriter, status int, key string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	fmt.Fprintf(w, "%s\n%s\n", i18n.T(i18n.Vietnamese, key), i18n.T(i18n.English, key))
}

// stalled cuts connections that make no progress for d. A plain server
// timeout would cut long but healthy uploads over a slow network.
func stalled(next http.Handler, d time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &progress{control: http.NewResponseController(w), stall: d}
		p.moved()
		r.Body = &stallBody{ReadCloser: r.Body, progress: p}
		next.ServeHTTP(&stallWriter{ResponseWriter: w, progress: p}, r)
	})
}

type progress struct {
	control *http.ResponseController
	stall   time.Duration
}

// moved pushes both deadlines ahead. A writer without deadlines (a test
// recorder) is left alone.
func (p *progress) moved() {
	until := time.Now().Add(p.stall)
	if p.control.SetReadDeadline(until) == nil {
		_ = p.control.SetWriteDeadline(until)
	}
}

type stallBody struct {
	io.ReadCloser
	*progress
}

func (b *stallBody) Read(p []byte) (int, error) {
	b.moved()
	return b.ReadCloser.Read(p)
}

type stallWriter struct {
	http.ResponseWriter
	*progress
}

func (w *stallWriter) Write(p []byte) (int, error) {
	w.moved()
	return w.ResponseWriter.Write(p)
}

func (w *stallWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// limit bounds the open connections of a listener.
func limit(l net.Listener, n int) net.Listener {
	return &limitListener{Listener: l, slots: make(chan struct{}, n), done: make(chan struct{})}
}

type limitListener struct {
	net.Listener
	slots chan struct{}
	done  chan struct{}
	once  sync.Once
}

func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitConn{Conn: c, free: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitConn struct {
	net.Conn
	free func()
}

func (c *limitConn) Close() error {
	err := c.Conn.Close()
	c.free()
	return err
}
