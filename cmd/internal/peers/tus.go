package peers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// tusStall is how long an upload may stand still before its connection is
	// given up, as careful clients do.
	tusStall = 20 * time.Second
	// uploaders run side by side.
	uploaders = 3
	// tusLifetime is that of the certificate of a run.
	tusLifetime = 24 * time.Hour
)

// tus is resumable upload over HTTPS (tus.io, version 1): tusd at the receiver,
// a client of ours that uploads some documents side by side, keeps its
// connections and goes on where the server says.
type tus struct {
	children
	folder string // of the server
	base   string // URL
	client *http.Client
	queue  chan Document
}

// Start implements [Peer].
func (t *tus) Start(ctx context.Context, at Site) error {
	tusd, err := program("tusd", "go install github.com/tus/tusd/v2/cmd/tusd@v2.9.1")
	if err != nil {
		return err
	}
	t.folder, t.queue = filepath.Join(at.Dir, "uploads"), make(chan Document, 10_000)
	if err := os.MkdirAll(t.folder, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	addr, err := freeAt(at.To)
	if err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(addr)
	cert, key := filepath.Join(at.Dir, "cert.pem"), filepath.Join(at.Dir, "key.pem")
	roots, err := writeCertificate(cert, key)
	if err != nil {
		return err
	}
	if err := t.spawn(at.To, at.Log, tusd, "-host", host, "-port", port, "-upload-dir", t.folder,
		"-tls-certificate", cert, "-tls-key", key, "-tls-mode", "tls13", "-verbose=false", "-disable-cors"); err != nil {
		return err
	}
	if err := t.listening(ctx, at.To, addr); err != nil {
		return err
	}
	through, err := at.From.Through(addr)
	if err != nil {
		return err
	}
	t.base = "https://" + through + "/files/"
	t.client = &http.Client{Transport: &http.Transport{
		DialContext: at.From.Dial, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: certName}, ResponseHeaderTimeout: tusStall,
	}}
	for range uploaders {
		t.background(t.upload)
	}
	return nil
}

// certName is the name in the certificate of a run.
const certName = "tus.lab"

// writeCertificate makes a certificate that signs itself.
func writeCertificate(certFile, keyFile string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(tusLifetime),
		DNSNames: []string{certName}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode key: %w", err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	err = errors.Join(os.WriteFile(certFile, certPEM, 0o600), os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	if err != nil {
		return nil, fmt.Errorf("write certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return roots, nil
}

// upload takes documents from the queue, one after the other.
func (t *tus) upload(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case d := <-t.queue:
			url := ""
			for {
				err := t.attempt(ctx, d, &url)
				if err == nil {
					break
				}
				t.client.CloseIdleConnections()
				if pause(ctx, retryAfter) != nil {
					return nil
				}
			}
		}
	}
}

// attempt makes the upload if there is none, asks how far it is, and sends the
// rest.
func (t *tus) attempt(ctx context.Context, d Document, url *string) error {
	offset := 0
	if *url == "" {
		resp, err := t.do(ctx, http.MethodPost, t.base, nil, http.Header{
			"Upload-Length":   {strconv.Itoa(len(d.Data))},
			"Upload-Metadata": {"filename " + base64.StdEncoding.EncodeToString([]byte(d.Name))},
		}, http.StatusCreated)
		if err != nil {
			return err
		}
		// The server names itself by the Host header, which is the address that
		// we came through.
		*url = resp.Get("Location")
	} else {
		resp, err := t.do(ctx, http.MethodHead, *url, nil, http.Header{}, http.StatusOK)
		if err != nil {
			return err
		}
		if offset, err = strconv.Atoi(resp.Get("Upload-Offset")); err != nil || offset > len(d.Data) {
			return fmt.Errorf("server is at offset %q of %s: %w", resp.Get("Upload-Offset"), d.Name, err)
		}
	}
	_, err := t.do(ctx, http.MethodPatch, *url, d.Data[offset:], http.Header{
		"Upload-Offset": {strconv.Itoa(offset)}, "Content-Type": {"application/offset+octet-stream"},
	}, http.StatusNoContent)
	return err
}

// watched is a body that tells when it is read.
type watched struct {
	*bytes.Reader
	last *atomic.Int64 // Unix nanoseconds
}

func (w watched) Read(p []byte) (int, error) {
	w.last.Store(time.Now().UnixNano())
	return w.Reader.Read(p[:min(len(p), 4<<10)])
}

// do makes one request and gives it up when it stands still.
func (t *tus) do(ctx context.Context, method, url string, body []byte, header http.Header, want int) (http.Header, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var last atomic.Int64
	last.Store(time.Now().UnixNano())
	go func() {
		for pause(ctx, time.Second) == nil {
			if time.Since(time.Unix(0, last.Load())) > tusStall {
				cancel()
			}
		}
	}()
	req, err := http.NewRequestWithContext(ctx, method, url, watched{bytes.NewReader(body), &last})
	if err != nil {
		return nil, err
	}
	req.ContentLength = int64(len(body))
	if len(body) == 0 {
		req.Body = nil
	}
	req.Header = header
	req.Header.Set("Tus-Resumable", "1.0.0")
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return nil, err
	}
	if resp.StatusCode != want {
		return nil, fmt.Errorf("%s %s: %s", method, url, resp.Status)
	}
	return resp.Header, nil
}

// Send implements [Peer].
func (t *tus) Send(_ context.Context, documents ...Document) error {
	for _, d := range documents {
		t.queue <- d
	}
	return t.trouble()
}

// tusInfo is what tusd writes beside an upload.
type tusInfo struct {
	ID       string            `json:"ID"`
	Size     int64             `json:"Size"`
	MetaData map[string]string `json:"MetaData"`
}

// uploads returns the uploads of which everything is there, by name.
func (t *tus) uploads() (map[string]string, error) {
	infos, err := filepath.Glob(filepath.Join(t.folder, "*.info"))
	if err != nil {
		return nil, err
	}
	done := map[string]string{}
	for _, file := range infos {
		var info tusInfo
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if json.Unmarshal(data, &info) != nil {
			continue // is being written
		}
		content := strings.TrimSuffix(file, ".info")
		if stat, err := os.Stat(content); err == nil && stat.Size() == info.Size {
			done[info.MetaData["filename"]] = content
		}
	}
	return done, nil
}

// Arrived implements [Peer].
func (t *tus) Arrived(context.Context) ([]string, error) {
	done, err := t.uploads()
	var names []string
	for name := range done {
		names = append(names, name)
	}
	return names, err
}

// Read implements [Peer].
func (t *tus) Read(_ context.Context, name string) ([]byte, error) {
	done, err := t.uploads()
	if err != nil {
		return nil, err
	}
	return os.ReadFile(done[name])
}

// Close implements [Peer].
func (t *tus) Close() error {
	t.close()
	return nil
}
