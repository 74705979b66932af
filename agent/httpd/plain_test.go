package httpd

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// TestWithoutTLSThereIsOnlyTheWayToIt talks plain HTTP to both ports.
func TestWithoutTLSThereIsOnlyTheWayToIt(t *testing.T) {
	asked := 0
	s := serve(t, Options{Address: "0.0.0.0:0", Names: []string{"tram.local"}, TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}},
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	for _, l := range []net.Listener{s.ui, s.files} {
		address := net.JoinHostPort("127.0.0.1", l.Addr().String()[strings.LastIndex(l.Addr().String(), ":")+1:])
		for _, c := range []struct {
			request, location string
			status            int
		}{
			{"GET /van-ban-den?loc=khac HTTP/1.1\r\nHost: tram.local:8701\r\nCookie: tram-phien=x\r\n\r\n", "https://tram.local:8701/van-ban-den?loc=khac", 307},
			{"HEAD / HTTP/1.1\r\nHost: 192.168.1.5:8701\r\n\r\n", "https://192.168.1.5:8701/", 307},
			{"GET //evil.example/ HTTP/1.1\r\nHost: tram.local\r\n\r\n", "https://tram.local//evil.example/", 307},
			{"POST /gui HTTP/1.1\r\nHost: tram.local\r\nContent-Length: 3\r\n\r\na=b", "", 426},
			{"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "", 421},
		} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, c.request); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatalf("%q: %v", c.request, err)
			}
			conn.Close()
			if res.StatusCode != c.status || res.Header.Get("Location") != c.location || len(res.Header.Values("Set-Cookie")) > 0 {
				t.Errorf("%q gave %d to %q", c.request, res.StatusCode, res.Header.Get("Location"))
			}
		}
		for _, noise := range []string{"\x00\x01\x02", "SSH-2.0-x\r\n", strings.Repeat("x", 2*maxPlain)} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.WriteString(conn, noise)
			_ = conn.(*net.TCPConn).CloseWrite()
			if data, _ := io.ReadAll(conn); len(data) > 0 && !strings.HasPrefix(string(data), "\x15") { // a TLS alert
				t.Errorf("noise is answered with %q", data)
			}
			conn.Close()
		}
	}
	if asked > 0 {
		t.Errorf("%d requests without TLS reached the pages", asked)
	}
}

func TestTheAddressToShowIsOneThatPeopleCanOpen(t *testing.T) {
	pair := &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}}
	s := serve(t, Options{Address: "0.0.0.0:0", Names: []string{"192.168.1.5", "tram.local"}, TLS: pair}, http.NotFoundHandler())
	if !strings.HasPrefix(s.URL(), "https://192.168.1.5:") || !s.Secure() {
		t.Errorf("the pages are at %s", s.URL())
	}
}
