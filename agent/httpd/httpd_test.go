package httpd

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/office"
	"tram/storage"
)

// shelf is one document whose attachments are in memory.
type shelf map[string]string

var theID = uuid.MustParse("01900000-0000-7000-8000-000000000001")

var shelfNames = []string{"Báo cáo.pdf", "biểu mẫu.pdf", "trang.html", "ghi chú.txt", "ảnh.PNG", "giả.pdf", "tệp \"x\"\r\n.pdf"}

func (s shelf) Open(_ context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error) {
	if id != theID || index < 0 || index >= len(shelfNames) {
		return office.Attachment{}, nil, errors.New("no such file")
	}
	name := shelfNames[index]
	data, ok := s[name]
	if !ok {
		data = plainPDF
	}
	sum := sha256.Sum256([]byte(data))
	return office.Attachment{Index: index, Name: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])},
		struct {
			io.ReadSeeker
			io.Closer
		}{bytes.NewReader([]byte(data)), io.NopCloser(nil)}, nil
}

const plainPDF = "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"

var files = shelf{
	"biểu mẫu.pdf": "%PDF-1.4\n1 0 obj\n<< /OpenAction << /S /JavaScript /JS (x) >> >>\nendobj\n",
	"trang.html":   "<script>alert(1)</script>", "ghi chú.txt": "chữ", "ảnh.PNG": "\x89PNG", "giả.pdf": "<html>",
}

// serve runs a server on free ports until the test ends.
func serve(t *testing.T, o Options, pages http.Handler) *Server {
	t.Helper()
	if o.Address == "" {
		o.Address = "127.0.0.1:0"
	}
	o.Files = files
	s, err := Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, pages) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return s
}

func fetch(t *testing.T, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return fetch(t, req)
}

func TestBeyondLoopbackNeedsTLS(t *testing.T) {
	for _, o := range []Options{{Address: "0.0.0.0:0"}, {Address: ":0"}, {Address: "192.168.1.2:0"}, {Address: "127.0.0.1:0", Documents: "0.0.0.0:0"}, {Address: "tram.example:0"}} {
		o.Files = files
		s, err := Listen(o)
		if !errors.Is(err, ErrNeedsTLS) {
			t.Errorf("%+v: %v", o, err)
		}
		if s != nil {
			_ = s.Close()
		}
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0"} {
		s, err := Listen(Options{Address: address, Files: files})
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Errorf("close %s twice: %v", address, err)
		}
	}
}

func TestDocumentOriginTakesTheNextPortOrAnyOther(t *testing.T) {
	first, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := first.Addr().String()
	beside := port(first) + 1
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	a, err := Listen(Options{Address: address, Files: files})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got := port(a.files); got != beside {
		t.Logf("port %d was taken, got %d", beside, got)
	}
	if port(a.files) == port(a.ui) {
		t.Error("both origins share a port")
	}
}

func TestTLSServesBothOrigins(t *testing.T) {
	cert := selfSigned(t)
	s := serve(t, Options{Address: "0.0.0.0:0", TLS: &tls.Config{Certificates: []tls.Certificate{cert}}},
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "trang") }))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	r := httptest.NewRequest(http.MethodGet, "https://127.0.0.1/", nil)
	for want, url := range map[string]string{
		"trang": "https://127.0.0.1:" + strings.TrimPrefix(s.ui.Addr().String(), "[::]:"), plainPDF: s.Documents().URL(r, "phiên", theID, 0, false),
	} {
		res, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err := errors.Join(err, res.Body.Close()); err != nil || string(body) != want {
			t.Errorf("%s: %q, %v", url, body, err)
		}
	}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestPagesAreGuarded(t *testing.T) {
	var log bytes.Buffer
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, "too much", http.StatusRequestEntityTooLarge)
		}
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("ouch secret-of-the-stack") })
	s := serve(t, Options{MaxBody: 1000, Names: []string{"Tram.Local"}, Logger: slog.New(slog.NewTextHandler(&log, nil))}, mux)
	host := strings.TrimPrefix(s.URL(), "http://")
	cases := []struct {
		name, method, path, host string
		header                   [2]string
		body                     string
		want                     int
	}{
		{"plain", "GET", "/", host, [2]string{}, "", 200},
		{"by name", "GET", "/", "tram.local:8701", [2]string{}, "", 200},
		{"localhost", "GET", "/", "localhost", [2]string{}, "", 200},
		{"another IP of the box", "GET", "/", "[fe80::1]:8701", [2]string{}, "", 200},
		{"rebound name", "GET", "/", "evil.example:8701", [2]string{}, "", 421},
		{"no host", "GET", "/", "x", [2]string{}, "", 421},
		{"own form", "POST", "/", host, [2]string{"Origin", "http://" + host}, "a=b", 200},
		{"program without a browser", "POST", "/", host, [2]string{}, "a=b", 200},
		{"foreign form", "POST", "/", host, [2]string{"Origin", "https://evil.example"}, "a=b", 403},
		{"foreign fetch", "DELETE", "/", host, [2]string{"Sec-Fetch-Site", "same-site"}, "", 403},
		{"too much", "POST", "/", host, [2]string{}, strings.Repeat("x", 1001), 413},
		{"panic", "GET", "/panic", host, [2]string{}, "", 500},
	}
	for _, c := range cases {
		req, err := http.NewRequest(c.method, s.URL()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Host = c.host
		if c.header[0] != "" {
			req.Header.Set(c.header[0], c.header[1])
		}
		res, body := fetch(t, req)
		if res.StatusCode != c.want {
			t.Errorf("%s gave %d: %s", c.name, res.StatusCode, body)
		}
		if strings.Contains(body, "secret-of-the-stack") {
			t.Errorf("%s tells the reason of a panic", c.name)
		}
		if res.StatusCode == 200 && (res.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'")) {
			t.Errorf("%s lacks headers: %v", c.name, res.Header)
		}
	}
	if !strings.Contains(log.String(), "secret-of-the-stack") {
		t.Error("the panic is not in the log")
	}
}

func TestStalledClientsAreCutAndSlowOnesAreNot(t *testing.T) {
	got := make(chan error, 2)
	s := serve(t, Options{Stall: 300 * time.Millisecond}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		got <- err
	}))
	post := func(pause time.Duration, times int) {
		conn, err := net.Dial("tcp", s.ui.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8\r\n\r\n")
		for range times {
			time.Sleep(pause)
			_, _ = io.WriteString(conn, "x")
		}
		if err := <-got; (err != nil) != (times < 8) {
			t.Errorf("%d bytes of 8 gave %v", times, err)
		}
	}
	post(100*time.Millisecond, 8) // 0.8 s in all, always moving
	post(0, 1)
}

func TestConnectionsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bounded := limit(l, 1)
	accepted := make(chan net.Conn)
	ended := make(chan error)
	go func() {
		for {
			c, err := bounded.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	select {
	case <-accepted:
		t.Fatal("a second connection passed")
	case <-time.After(50 * time.Millisecond):
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := <-accepted
	defer second.Close()
	if err := bounded.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept ended with %v", err)
	}
}

func TestDocumentAddresses(t *testing.T) {
	now := time.Now()
	alive := true
	s := serve(t, Options{Now: func() time.Time { return now }, Alive: func(_ context.Context, ref string) bool { return alive && ref == "phien" }}, http.NotFoundHandler())
	r := httptest.NewRequest(http.MethodGet, s.URL()+"/", nil)
	address := func(index int, save bool) string { return s.Documents().URL(r, "phien", theID, index, save) }
	inline, saved := "inline", "attachment"
	for _, c := range []struct {
		name, url    string
		status       int
		kind, placed string
	}{
		{"pdf", address(0, false), 200, "application/pdf", inline},
		{"pdf to save", address(0, true), 200, "application/pdf", saved},
		{"active pdf", address(1, false), 200, "application/octet-stream", saved},
		{"html", address(2, false), 200, "application/octet-stream", saved},
		{"text", address(3, false), 200, "text/plain; charset=utf-8", inline},
		{"image", address(4, false), 200, "image/png", inline},
		{"html named pdf", address(5, false), 200, "application/octet-stream", saved},
		{"odd name", address(6, false), 200, "application/pdf", inline},
		{"no such file", address(99, false), 404, "", ""},
		{"another session", s.Documents().URL(r, "khac", theID, 0, false), 403, "", ""},
		{"other file", strings.Replace(address(0, false), "/0/xem", "/1/xem", 1), 403, "", ""},
		{"no signature", s.Documents().Origin(r) + "/" + theID.String() + "/0", 403, "", ""},
		{"root", s.Documents().Origin(r) + "/", 403, "", ""},
	} {
		res, _ := get(t, c.url)
		if res.StatusCode != c.status {
			t.Errorf("%s gave %d", c.name, res.StatusCode)
			continue
		}
		h := res.Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Content-Security-Policy") != wantPolicy(s, c.status == 200 && c.kind == "application/pdf" && c.placed == inline) || len(h.Values("Set-Cookie")) > 0 {
			t.Errorf("%s has headers %v", c.name, h)
		}
		if c.status == 200 && (h.Get("Content-Type") != c.kind || !strings.HasPrefix(h.Get("Content-Disposition"), c.placed)) {
			t.Errorf("%s is %q, %q", c.name, h.Get("Content-Type"), h.Get("Content-Disposition"))
		}
	}
	url := address(0, false)
	if res, _ := get(t, url); res.StatusCode != 200 {
		t.Errorf("a second look gave %d", res.StatusCode)
	}
	alive = false
	if res, _ := get(t, url); res.StatusCode != 403 {
		t.Errorf("after signing out: %d", res.StatusCode)
	}
	alive, now = true, now.Add(DefaultLinkLife+2*time.Second)
	if res, body := get(t, url); res.StatusCode != 403 || !strings.Contains(body, "hết hạn") || !strings.Contains(body, "expired") {
		t.Errorf("after its time: %d %s", res.StatusCode, body)
	}
	req, _ := http.NewRequest(http.MethodPost, address(0, false), nil)
	if res, _ := fetch(t, req); res.StatusCode != 405 {
		t.Errorf("POST gave %d", res.StatusCode)
	}
	req, _ = http.NewRequest(http.MethodGet, address(0, false), nil)
	req.Header.Set("Range", "bytes=0-3")
	if res, body := fetch(t, req); res.StatusCode != 206 || body != "%PDF" {
		t.Errorf("a range gave %d %q", res.StatusCode, body)
	}
	other, err := Listen(Options{Address: "127.0.0.1:0", Files: files})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, ok := other.documents.parse(strings.TrimPrefix(address(0, false), s.Documents().Origin(r))); ok {
		t.Error("an address outlives the process that made it")
	}
}

func wantPolicy(s *Server, pdf bool) string {
	policy := "default-src 'none'; frame-ancestors " + s.URL()
	if pdf {
		return policy // browsers show no PDF in a sandbox
	}
	return policy + "; base-uri 'none'; form-action 'none'; sandbox"
}

func TestFileNameIsHarmless(t *testing.T) {
	for name, want := range map[string]string{
		"Báo cáo.pdf": "Báo cáo.pdf", "../../etc/passwd": "_.._etc_passwd", "a\r\nb.pdf": "a__b.pdf", "\u202efdp.exe": "_fdp.exe", "...": "tep", "": "tep",
	} {
		if got := fileName(name); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
}

func TestLooksAreBounded(t *testing.T) {
	d := &Documents{looks: map[string]Look{}}
	for i := range 5 * lookCache {
		d.remember(uuid.NewString(), Inline)
		if len(d.looks) > lookCache || len(d.looks) != len(d.remembered) {
			t.Fatalf("after %d: %d looks, %d remembered", i, len(d.looks), len(d.remembered))
		}
	}
}
