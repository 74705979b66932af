package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Bounds of a session.
const (
	dialWait = 30 * time.Second
	// replyWait is how long the server may take for one step (RFC 5321, 4.5.3.2).
	replyWait = 5 * time.Minute
	// maxAnswers bounds what is read from a server in one session, in bytes.
	maxAnswers = 1 << 20
	// maxSaid bounds what is shown of an answer, in bytes.
	maxSaid = 200
	// signInRest is how long no sign-in is tried after one that was refused, so
	// that the account is not locked.
	signInRest = time.Hour
)

// errTooMuch is a server that says too much.
var errTooMuch = errors.New("the server's answers are too long")

// wire is a connection with bounds.
type wire struct {
	net.Conn
	left int64 // bytes that may be read
}

// Read implements [io.Reader].
func (w *wire) Read(p []byte) (int, error) {
	if w.left <= 0 {
		return 0, errTooMuch
	}
	if err := w.SetReadDeadline(time.Now().Add(replyWait)); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	return n, err
}

// Write implements [io.Writer].
func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(replyWait)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// problem makes one about the server.
func (m *mailer) problem(class problem.Class, code string, err error, more ...i18n.Args) error {
	args := i18n.Args{"host": m.host, "said": said(err)}
	for _, a := range more {
		for k, v := range a {
			args[k] = v
		}
	}
	return problem.New(class, code, "server", args).Because(err)
}

// said is what a server answered, on one line.
func said(err error) string {
	var answer *textproto.Error
	if !errors.As(err, &answer) {
		return ""
	}
	text := oneLine(answer.Msg)
	if len(text) > maxSaid {
		text = strings.ToValidUTF8(text[:maxSaid], "") + "…"
	}
	return strconv.Itoa(answer.Code) + " " + text
}

// judged is an error of a step in which the server may refuse the mail.
func (m *mailer) judged(err error) error {
	var answer *textproto.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer):
		return m.problem(problem.LinkDown, "mail.unreachable", err)
	case slices.Contains(signInCodes, answer.Code):
		return connector.After(m.env.Now().Add(signInRest), m.problem(problem.Denied, "mail.sign-in", err))
	case answer.Code >= 500:
		return connector.Permanent(m.problem(problem.Denied, "mail.refused", err))
	}
	return m.problem(problem.Failed, "mail.later", err)
}

// signInCodes are refusals of who is not signed in, or not well (RFC 4954).
var signInCodes = []int{530, 534, 535, 538}

// session is a connection that is encrypted and signed in.
type session struct {
	*smtp.Client
	conn net.Conn
	stop func() bool
}

// from begins a mail. Client.Mail would ask for SMTPUTF8 wherever it is offered,
// and a server on the way that lacks it would then have to send the mail back.
func (s *session) from(address string) error {
	id, err := s.Text.Cmd("MAIL FROM:<%s>", address)
	if err != nil {
		return err
	}
	s.Text.StartResponse(id)
	defer s.Text.EndResponse(id)
	_, _, err = s.Text.ReadResponse(250)
	return err
}

// abort ends a session without a word: what was under way is not sent.
func (s *session) abort() {
	s.stop()
	_ = s.conn.Close()
}

// quit ends a session whose mail the server has.
func (s *session) quit() {
	_ = s.Quit()
	s.abort()
}

// connect begins a session. It ends with ctx.
func (m *mailer) connect(ctx context.Context) (*session, error) {
	dialer := &net.Dialer{Timeout: dialWait}
	raw, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(m.host, m.port))
	if err != nil {
		return nil, m.problem(problem.LinkDown, "mail.unreachable", err)
	}
	s := &session{conn: raw, stop: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	if err := m.begin(ctx, s, &wire{Conn: raw, left: maxAnswers}); err != nil {
		s.abort()
		return nil, err
	}
	return s, nil
}

func (m *mailer) begin(ctx context.Context, s *session, conn net.Conn) (err error) {
	name := &tls.Config{ServerName: m.host, RootCAs: m.roots, MinVersion: tls.VersionTLS12}
	if m.implicit {
		secure := tls.Client(conn, name)
		if err := secure.HandshakeContext(ctx); err != nil {
			return m.problem(problem.Denied, "mail.tls", err)
		}
		conn = secure
	}
	if s.Client, err = smtp.NewClient(conn, m.host); err != nil {
		return m.problem(problem.LinkDown, "mail.unreachable", err)
	}
	if err := s.Hello(literal(s.conn.LocalAddr())); err != nil {
		return m.problem(problem.LinkDown, "mail.unreachable", err)
	}
	if !m.implicit {
		if ok, _ := s.Extension("STARTTLS"); !ok {
			return m.problem(problem.Denied, "mail.no-tls", nil)
		}
		if err := s.StartTLS(name); err != nil {
			return m.problem(problem.Denied, "mail.tls", err)
		}
	}
	return m.signIn(s)
}

// literal is the name of this machine for the greeting: its address, since it
// may have no other (RFC 5321, 4.1.3).
func literal(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	ip := net.ParseIP(host)
	switch {
	case err != nil || ip == nil:
		return "[127.0.0.1]"
	case ip.To4() != nil:
		return "[" + ip.String() + "]"
	}
	return "[IPv6:" + ip.String() + "]"
}

func (m *mailer) signIn(s *session) error {
	if m.user == "" {
		return nil
	}
	_, ways := s.Extension("AUTH")
	way := smtp.PlainAuth("", m.user, m.password, m.host)
	if offered := strings.Fields(strings.ToUpper(ways)); !slices.Contains(offered, "PLAIN") && slices.Contains(offered, "LOGIN") {
		way = &login{m.user, m.password}
	}
	err := s.Auth(way)
	var answer *textproto.Error
	if err == nil || errors.As(err, &answer) && answer.Code < 500 {
		return m.judged(err)
	}
	return connector.After(m.env.Now().Add(signInRest), m.problem(problem.Denied, "mail.sign-in", err))
}

// login is the AUTH LOGIN of servers that know no PLAIN.
type login struct{ user, password string }

// Start implements [smtp.Auth].
func (l *login) Start(server *smtp.ServerInfo) (string, []byte, error) {
	if !server.TLS {
		return "", nil, errors.New("not encrypted")
	}
	return "LOGIN", nil, nil
}

// Next implements [smtp.Auth].
func (l *login) Next(asked []byte, more bool) ([]byte, error) {
	switch question := strings.ToLower(string(asked)); {
	case !more:
		return nil, nil
	case strings.HasPrefix(question, "user"):
		return []byte(l.user), nil
	case strings.HasPrefix(question, "pass"):
		return []byte(l.password), nil
	}
	return nil, fmt.Errorf("unknown question of the server, %d bytes", len(asked))
}

// limit is the size of mails that the server takes, or the setting when that is less.
func (m *mailer) limit(s *session) int64 {
	_, text := s.Extension("SIZE")
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 || n > m.maxSize {
		return m.maxSize
	}
	return n
}

// send writes a letter to who does not have it yet.
func (m *mailer) send(ctx context.Context, l letter) error {
	done, err := m.had(l.key)
	if err != nil {
		return err
	}
	var to []string
	for _, r := range m.to {
		if !slices.Contains(done, r) {
			to = append(to, r)
		}
	}
	if len(to) == 0 {
		return nil
	}
	s, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer s.abort()
	if err := s.from(m.from); err != nil {
		return m.judged(err)
	}
	taken, outcome := m.recipients(s, to)
	if len(taken) > 0 {
		if err := m.data(ctx, s, l); err != nil {
			return err
		}
		if err := m.has(l.key, append(done, taken...)); err != nil {
			return err
		}
	}
	s.quit()
	return outcome
}

// recipients tells the server who gets the mail. outcome is what the others mean.
func (m *mailer) recipients(s *session, to []string) (taken []string, outcome error) {
	var refused []string
	var why error
	for _, r := range to {
		err := s.Rcpt(r)
		if err == nil {
			taken = append(taken, r)
			continue
		}
		if err := m.judged(err); !connector.IsPermanent(err) {
			outcome = err
			continue
		}
		refused, why = append(refused, r), err
	}
	if outcome == nil && why != nil {
		outcome = connector.Permanent(m.problem(problem.Denied, "mail.recipients", why, i18n.Args{"recipients": strings.Join(refused, ", ")}))
	}
	return taken, outcome
}

func (m *mailer) data(ctx context.Context, s *session, l letter) error {
	w, err := s.Data()
	if err != nil {
		return m.judged(err)
	}
	spot := &fault{w: w}
	if err := m.write(ctx, spot, l, l.size() <= m.limit(s)); err != nil {
		if spot.err != nil {
			return m.problem(problem.LinkDown, "mail.unreachable", spot.err)
		}
		return err // the session ends without the mail's end
	}
	return m.judged(w.Close())
}

// fault remembers that writing failed, to tell the server's faults from the office's.
type fault struct {
	w   io.Writer
	err error
}

// Write implements [io.Writer].
func (f *fault) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err != nil {
		f.err = err
	}
	return n, err
}
