package httpd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"tram/agent/i18n"
)

// maxPlain bounds what is read of a request without TLS, bytes.
const maxPlain = 8 << 10

// tlsHandshake is the first byte of every TLS connection.
const tlsHandshake = 0x16

// explainPlain answers browsers that come without TLS to a port that needs it:
// they are sent on to the same address over TLS, and told why. Nothing else of
// theirs is looked at, and no cookie is read or set.
func (s *Server) explainPlain(l net.Listener) net.Listener { return &plainListener{l, s} }

type plainListener struct {
	net.Listener
	server *Server
}

// Accept never blocks on what the peer sends: that is read with the handshake.
func (l *plainListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &plainConn{Conn: c, server: l.server}, nil
}

// plainConn looks at the first bytes of a connection.
type plainConn struct {
	net.Conn
	server *Server
	looked bool
}

// Read gives what the peer sent, unless that is no TLS: then it answers and
// reports the end. Reads of one connection do not overlap.
func (c *plainConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.looked || n == 0 {
		return n, err
	}
	c.looked = true
	if p[0] == tlsHandshake {
		return n, err
	}
	first := bytes.Clone(p[:n])
	request := io.LimitReader(io.MultiReader(bytes.NewReader(first), c.Conn), maxPlain)
	if r, err := http.ReadRequest(bufio.NewReaderSize(request, maxPlain)); err == nil {
		c.server.sendOn(c.Conn, r)
	}
	return 0, io.EOF
}

// sendOn answers a request without TLS.
func (s *Server) sendOn(c net.Conn, r *http.Request) {
	text := i18n.T(i18n.Vietnamese, "httpd.needs-tls") + "\n" + i18n.T(i18n.English, "httpd.needs-tls") + "\n"
	status, location := http.StatusUpgradeRequired, ""
	switch {
	case !s.ours(r.Host):
		status = http.StatusMisdirectedRequest
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		status = http.StatusTemporaryRedirect
		target := url.URL{Scheme: "https", Host: r.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
		location = "Location: " + target.String() + "\r\n"
	}
	_ = c.SetWriteDeadline(time.Now().Add(headerTimeout))
	fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
		status, http.StatusText(status), location, len(text))
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(c, text)
	}
}
