// Package mailtest is a mail server for tests: it takes mail over SMTP with TLS
// as real servers do, keeps it to be looked into, and answers as a test wants.
package mailtest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"net/textproto"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Options of a [Server].
type Options struct {
	Implicit bool   // TLS from the first byte, not by STARTTLS
	NoTLS    bool   // no TLS at all
	User     string // who must sign in, "" for nobody
	Password string
	Ways     []string // of AUTH: "PLAIN", "LOGIN"
	Size     int64    // announced, 0 for none
	Discard  bool     // keep no content, only its size
	// Answer decides on a command, such as "RCPT" with "TO:<a@b>", or "." after the
	// content. "" takes it.
	Answer func(verb, arg string) string
}

// Message is a mail that was taken.
type Message struct {
	From string
	To   []string
	Data []byte // with CRLF; empty with Discard
	Size int64
	TLS  bool
	User string
}

// Server is a mail server on this machine.
type Server struct {
	Addr string
	CA   string // file with its authority, PEM

	o        Options
	t        testing.TB
	cert     tls.Certificate
	listener net.Listener
	running  sync.WaitGroup

	mu       sync.Mutex
	away     bool
	conns    map[net.Conn]bool
	messages []Message
	signIns  int
}

// New starts a server that ends with the test.
func New(t testing.TB, o Options) *Server {
	t.Helper()
	donor := httptest.NewUnstartedServer(nil)
	donor.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	donor.StartTLS()
	s := &Server{o: o, t: t, cert: donor.TLS.Certificates[0], conns: map[net.Conn]bool{}, CA: filepath.Join(t.TempDir(), "ca.crt")}
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: donor.Certificate().Raw})
	donor.Close()
	if err := os.WriteFile(s.CA, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener, s.Addr = listener, listener.Addr().String()
	s.running.Go(s.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		s.SetAway(true)
		s.running.Wait()
	})
	return s
}

// SetAway has the server break every connection off, or take them again.
func (s *Server) SetAway(away bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.away = away
	for c := range s.conns {
		if away {
			_ = c.Close()
		}
	}
}

// Messages lists what was taken.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// SignIns is how often somebody has tried to sign in.
func (s *Server) SignIns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signIns
}

func (s *Server) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		away := s.away
		s.conns[conn] = true
		s.mu.Unlock()
		if away {
			_ = conn.Close()
			continue
		}
		s.running.Go(func() {
			defer conn.Close()
			talk := &talk{s: s, conn: conn}
			if s.o.Implicit {
				talk.encrypt()
			}
			talk.reset()
			talk.run()
		})
	}
}

// talk is one connection.
type talk struct {
	s      *Server
	conn   net.Conn
	r      *bufio.Reader
	tls    bool
	user   string
	letter Message
}

func (k *talk) encrypt() {
	k.conn, k.tls = tls.Server(k.conn, &tls.Config{Certificates: []tls.Certificate{k.s.cert}, MinVersion: tls.VersionTLS12}), true
}

func (k *talk) reset() { k.r = bufio.NewReader(k.conn) }

func (k *talk) say(line string) bool {
	_, err := io.WriteString(k.conn, line+"\r\n")
	return err == nil
}

func (k *talk) line() (string, bool) {
	text, err := textproto.NewReader(k.r).ReadLine()
	return text, err == nil
}

func (k *talk) run() {
	if !k.say("220 mailtest ESMTP") {
		return
	}
	for {
		text, ok := k.line()
		if !ok {
			return
		}
		verb, arg, _ := strings.Cut(text, " ")
		verb = strings.ToUpper(verb)
		answer := ""
		if k.s.o.Answer != nil {
			answer = k.s.o.Answer(verb, arg)
		}
		if answer == "" {
			answer = k.obey(verb, arg)
		}
		if answer == "" || !k.say(answer) || verb == "QUIT" {
			return
		}
		if verb == "STARTTLS" && strings.HasPrefix(answer, "220") {
			k.encrypt()
			k.reset()
		}
	}
}

// obey does what a command says and returns the answer, "" to hang up.
func (k *talk) obey(verb, arg string) string {
	o := k.s.o
	switch verb {
	case "EHLO":
		return k.hello()
	case "STARTTLS":
		return "220 go ahead"
	case "AUTH":
		return k.signIn(arg)
	case "MAIL":
		if !k.tls && !o.NoTLS {
			return "530 5.7.0 Must issue a STARTTLS command first"
		}
		if o.User != "" && k.user == "" {
			return "530 5.7.0 Authentication required"
		}
		k.letter = Message{From: between(arg), TLS: k.tls, User: k.user}
		return "250 ok"
	case "RCPT":
		k.letter.To = append(k.letter.To, between(arg))
		return "250 ok"
	case "DATA":
		if !k.say("354 go on") {
			return ""
		}
		return k.content()
	case "QUIT":
		return "221 bye"
	case "RSET", "NOOP":
		return "250 ok"
	}
	return "502 unknown"
}

func between(arg string) string {
	_, rest, _ := strings.Cut(arg, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}

func (k *talk) hello() string {
	list := []string{"mailtest", "8BITMIME"}
	if !k.tls && !k.s.o.NoTLS {
		list = append(list, "STARTTLS")
	}
	if len(k.s.o.Ways) > 0 && k.tls {
		list = append(list, "AUTH "+strings.Join(k.s.o.Ways, " "))
	}
	if k.s.o.Size > 0 {
		list = append(list, "SIZE "+strconv.FormatInt(k.s.o.Size, 10))
	}
	var b strings.Builder
	for i, word := range list {
		mark := "-"
		if i == len(list)-1 {
			mark = " "
		}
		fmt.Fprintf(&b, "250%s%s\r\n", mark, word)
	}
	return strings.TrimSuffix(b.String(), "\r\n")
}

func (k *talk) signIn(arg string) string {
	k.s.mu.Lock()
	k.s.signIns++
	k.s.mu.Unlock()
	way, initial, _ := strings.Cut(arg, " ")
	var user, password string
	switch strings.ToUpper(way) {
	case "PLAIN":
		raw, _ := base64.StdEncoding.DecodeString(initial)
		if parts := strings.Split(string(raw), "\x00"); len(parts) == 3 {
			user, password = parts[1], parts[2]
		}
	case "LOGIN":
		user, password = k.ask("Username:"), k.ask("Password:")
	default:
		return "504 unknown way"
	}
	if !k.tls || user != k.s.o.User || password != k.s.o.Password {
		return "535 5.7.8 Authentication credentials invalid"
	}
	k.user = user
	return "235 ok"
}

func (k *talk) ask(question string) string {
	k.say("334 " + base64.StdEncoding.EncodeToString([]byte(question)))
	text, _ := k.line()
	raw, _ := base64.StdEncoding.DecodeString(text)
	return string(raw)
}

// content takes a mail up to the line with a dot alone, and undoes the stuffing.
// A line without CRLF, or over 998 bytes, is a fault of who sent it.
func (k *talk) content() string {
	var data bytes.Buffer
	for {
		line, err := k.r.ReadBytes('\n')
		if err != nil {
			return "" // cut off: not a mail
		}
		if !bytes.HasSuffix(line, []byte("\r\n")) || bytes.Count(line, []byte("\r")) != 1 || len(line) > 1000 {
			k.s.t.Errorf("line of a mail is not one of RFC 5322: %.100q", line)
		}
		if string(line) == ".\r\n" {
			break
		}
		line = bytes.TrimPrefix(line, []byte("."))
		k.letter.Size += int64(len(line))
		if !k.s.o.Discard {
			data.Write(line)
		}
	}
	k.letter.Data = data.Bytes()
	if k.s.o.Answer != nil {
		if answer := k.s.o.Answer(".", ""); answer != "" && !strings.HasPrefix(answer, "2") {
			return answer
		}
	}
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	if k.s.away {
		return ""
	}
	k.s.messages = append(k.s.messages, k.letter)
	return "250 taken"
}
