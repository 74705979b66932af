// Package vgcatest stands in for the VGCA signing agent in tests: a WebSocket
// server under TLS that takes the agent's published calls one by one, fetches
// the file itself, signs it with openssl, and brings it back, as the agent on
// a clerk's PC does. It is not part of any program.
package vgcatest

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"tram/agent/vgca"
)

// Simulator is a running agent. Its fields may be changed between calls.
type Simulator struct {
	URL string // wss://127.0.0.1:port

	t    testing.TB
	dir  string
	http *http.Client

	mu      sync.Mutex
	calls   []string
	change  func(signed []byte) []byte
	refuse  string
	answers []vgca.Answer
}

// Start makes a key and runs the agent with the TLS certificate secure. It
// trusts every server: what the real one checks is not published.
func Start(t testing.TB, secure *tls.Config) *Simulator {
	t.Helper()
	s := &Simulator{t: t, dir: t.TempDir(), http: &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, Timeout: 20 * time.Second,
	}}
	s.openssl(nil, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", s.file("key"), "-out", s.file("cert"), "-days", "2",
		"-subj", "/C=VN/O=UBND xa An Binh/CN=Nguyen Van Lanh Dao")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.URL = "wss://" + l.Addr().String()
	srv := &http.Server{Handler: http.HandlerFunc(s.serve), TLSConfig: secure, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return s
}

func (s *Simulator) file(name string) string { return filepath.Join(s.dir, name) }

func (s *Simulator) openssl(in []byte, args ...string) []byte {
	cmd := exec.Command("openssl", args...)
	cmd.Stdin = bytes.NewReader(in)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		s.t.Errorf("openssl %s: %v %s", args[0], err, errs.String())
	}
	return out
}

// CMS signs content with the agent's key.
func (s *Simulator) CMS(content []byte) ([]byte, error) {
	out := s.openssl(content, "cms", "-sign", "-binary", "-md", "sha256", "-outform", "DER", "-signer", s.file("cert"), "-inkey", s.file("key"))
	if len(out) == 0 {
		return nil, os.ErrInvalid
	}
	return out, nil
}

// Change has the agent bring something else than what it signed; nil ends that.
func (s *Simulator) Change(f func(signed []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.change = f
}

// Refuse has the agent answer as when a person closes its window; "" ends that.
func (s *Simulator) Refuse(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = text
}

// Calls are the methods that were called, and Answers what was said to the
// files that were brought.
func (s *Simulator) Calls() (methods []string, answers []vgca.Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string{}, s.calls...), append([]vgca.Answer{}, s.answers...)
}

// reply is what the agent says over the WebSocket.
type reply struct {
	Status     int
	Message    string
	FileServer string
}

// serve takes one message of one call and answers it.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	c, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	_, message, err := c.ReadMessage()
	if err != nil {
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	s.calls = append(s.calls, method)
	refuse, change := s.refuse, s.change
	s.mu.Unlock()
	answer := reply{Status: -1, Message: refuse}
	if refuse == "" {
		answer = s.sign(message, change)
	}
	_ = c.WriteJSON(answer)
	_, _, _ = c.ReadMessage() // until the page closes
}

func (s *Simulator) sign(message []byte, change func([]byte) []byte) reply {
	var q vgca.Request
	if err := json.Unmarshal(message, &q); err != nil {
		return reply{Status: -1, Message: "bad message"}
	}
	file, err := s.fetch(q.FileName)
	if err != nil {
		return reply{Status: -1, Message: err.Error()}
	}
	signed, err := SignPDF(file, s.CMS)
	if err != nil {
		return reply{Status: -1, Message: err.Error()}
	}
	if change != nil {
		signed = change(signed)
	}
	answer, err := s.Bring(q.FileUploadHandler, "signed.pdf", signed)
	if err != nil {
		return reply{Status: -1, Message: err.Error()}
	}
	if !answer.Status {
		return reply{Status: -1, Message: answer.Message}
	}
	return reply{FileServer: answer.FileServer}
}

func (s *Simulator) fetch(address string) ([]byte, error) {
	res, err := s.http.Get(address)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch: %s", res.Status)
	}
	return io.ReadAll(res.Body)
}

// Bring posts a file the way the agent does.
func (s *Simulator) Bring(address, name string, file []byte) (vgca.Answer, error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("uploadfile", name)
	if err != nil {
		return vgca.Answer{}, err
	}
	if _, err := part.Write(file); err != nil {
		return vgca.Answer{}, err
	}
	if err := form.Close(); err != nil {
		return vgca.Answer{}, err
	}
	res, err := s.http.Post(address, form.FormDataContentType(), &body)
	if err != nil {
		return vgca.Answer{}, err
	}
	defer res.Body.Close()
	var answer vgca.Answer
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		return vgca.Answer{}, fmt.Errorf("%s: %w", res.Status, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, answer)
	return answer, nil
}
