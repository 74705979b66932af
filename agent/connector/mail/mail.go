package mail

import (
	"context"
	"crypto/x509"
	"net"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"tram/agent/config"
	"tram/agent/connector"
	"tram/agent/office"
	"tram/agent/problem"
)

// Name is the kind's.
const Name = "mail"

// Bounds of settings.
const (
	// DefaultMaxSize is the size of a mail beyond which the attachments are left
	// out. The server may want less.
	DefaultMaxSize = 20 * config.MB
	minMaxSize     = config.MB / 10
	maxMaxSize     = config.GB
	// DefaultGiveUp is how long after its first try a mail becomes a dead letter.
	DefaultGiveUp = 3 * 24 * time.Hour
	minGiveUp     = time.Minute
	maxGiveUp     = 90 * 24 * time.Hour
	// DefaultWait is how long a mail waits for the verdicts on its attachments.
	DefaultWait = 20 * time.Second
	maxWait     = 10 * time.Minute
	// MaxRecipients is how many people one connector writes to.
	MaxRecipients = 50
	// maxAddress is the longest address, in bytes (RFC 5321).
	maxAddress = 254
)

// Ways to TLS.
const (
	starttls = "starttls"
	implicit = "tls"
)

// Settings of a connector.
type Settings struct {
	Server   string          `json:"server"`   // HOST or HOST:PORT
	Security string          `json:"security"` // "starttls" or "tls"; "": tls on port 465, else starttls
	From     string          `json:"from"`
	To       connector.Words `json:"to"`
	User     string          `json:"user"`     // "" signs in nowhere
	CA       string          `json:"ca"`       // absolute path of authorities in PEM, "" for the system's
	MaxSize  string          `json:"max_size"` // with unit, "" for DefaultMaxSize
	Page     string          `json:"page"`     // address of the office's pages, "" names none
	GiveUp   string          `json:"give_up"`  // duration, "" for DefaultGiveUp
	Wait     string          `json:"wait"`     // duration, "" for DefaultWait
}

// Kind makes connectors to mail servers.
func Kind() connector.Kind { return connector.Kind{Name: Name, Open: open, Settings: Settings{}} }

// mailer is the connector.
type mailer struct {
	connector.Base
	env      connector.Env
	host     string
	port     string
	implicit bool
	from     string
	to       []string
	user     string
	password string
	roots    *x509.CertPool
	maxSize  int64
	page     string
	giveUp   time.Duration
	wait     time.Duration
}

func open(env connector.Env) (connector.Connector, error) {
	var s Settings
	if err := connector.Decode(env.Settings, &s); err != nil {
		return nil, err
	}
	var faults problem.List
	m := &mailer{env: env, user: s.User, password: string(env.Secret)}
	faults.Note(m.readServer(s))
	faults.Note(m.readPeople(s))
	var err error
	m.roots, err = connector.Roots("ca", s.CA)
	faults.Note(err)
	m.maxSize, err = readSize(s.MaxSize)
	faults.Note(err)
	m.page, err = readPage(s.Page)
	faults.Note(err)
	m.giveUp, err = connector.Span("give_up", s.GiveUp, DefaultGiveUp, minGiveUp, maxGiveUp)
	faults.Note(err)
	m.wait, err = connector.Span("wait", s.Wait, DefaultWait, 0, maxWait)
	faults.Note(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *mailer) readServer(s Settings) error {
	const want = "mail.example.vn:587"
	var err error
	if m.host, m.port, err = net.SplitHostPort(s.Server); err != nil {
		m.host, m.port = s.Server, ""
	}
	if m.port == "" {
		m.port = "587"
		if s.Security == implicit {
			m.port = "465"
		}
	}
	if m.host == "" || strings.ContainsAny(m.host, "/@ \r\n") {
		return connector.Fault("server", s.Server, want)
	}
	if _, err := net.LookupPort("tcp", m.port); err != nil {
		return connector.Fault("server", s.Server, want)
	}
	switch s.Security {
	case "":
		m.implicit = m.port == "465"
	case implicit:
		m.implicit = true
	case starttls:
	default: // there is no way without TLS
		return connector.Fault("security", s.Security, starttls+", "+implicit)
	}
	return nil
}

func (m *mailer) readPeople(s Settings) error {
	var faults problem.List
	var ok bool
	if m.from, ok = readAddress(s.From); !ok {
		faults = append(faults, connector.Fault("from", s.From, "tram@example.vn"))
	}
	seen := map[string]bool{}
	for _, text := range s.To {
		address, ok := readAddress(text)
		if !ok {
			faults = append(faults, connector.Fault("to", text, "vanthu@example.vn,…"))
		}
		if !seen[address] {
			m.to = append(m.to, address)
		}
		seen[address] = true
	}
	if len(s.To) == 0 || len(s.To) > MaxRecipients {
		faults = append(faults, connector.Fault("to", strings.Join(s.To[:min(len(s.To), 3)], ","), "vanthu@example.vn,…"))
	}
	if strings.ContainsAny(m.user+m.password, "\x00\r\n") {
		faults = append(faults, connector.Fault("user", "…", "tram@example.vn"))
	}
	switch {
	case m.user != "" && m.password == "":
		faults = append(faults, problem.New(problem.Usage, "connector.no-secret", "secret", map[string]any{"kind": Name}))
	case m.user == "" && m.password != "":
		faults = append(faults, connector.Fault("user", "", "tram@example.vn"))
	}
	return faults.Err()
}

// readAddress reads a bare address in ASCII, which every server takes.
func readAddress(text string) (string, bool) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || a.Address != text || len(text) > maxAddress || strings.ContainsAny(text, "\"<>[] ") {
		return "", false
	}
	for _, c := range []byte(text) {
		if c < '!' || c > '~' {
			return "", false
		}
	}
	return text, true
}

func readSize(text string) (int64, error) {
	if text == "" {
		return int64(DefaultMaxSize), nil
	}
	n, err := config.ParseSize(text)
	if err != nil || n < minMaxSize || n > maxMaxSize {
		return 0, connector.Fault("max_size", text, minMaxSize.String()+" … "+maxMaxSize.String())
	}
	return int64(n), nil
}

func readPage(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", connector.Fault("page", text, "https://…")
	}
	return strings.TrimRight(text, "/"), nil
}

// Wants implements [connector.Connector].
func (m *mailer) Wants(e office.Entry) bool { return e.Type == office.DocumentArrived }

// Deliver implements [connector.Connector].
func (m *mailer) Deliver(ctx context.Context, d connector.Delivery) error {
	doc, err := m.document(ctx, d.Entry)
	if err == nil {
		err = m.send(ctx, m.letter(d.Entry, doc))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return d.Within(m.giveUp, m.env.Now(), err)
}

// checkPause is the time between looks for a verdict.
const checkPause = 500 * time.Millisecond

// document reads what has arrived, and waits a while for the verdicts on the
// signatures in its attachments.
func (m *mailer) document(ctx context.Context, e office.Entry) (office.Document, error) {
	for end := m.env.Now().Add(m.wait); ; {
		doc, err := m.env.Desk.Get(ctx, e.Document)
		if err != nil {
			if ctx.Err() == nil && problem.From(err).Class == problem.NotFound {
				err = connector.Permanent(err)
			}
			return doc, err
		}
		if len(doc.Checks) >= len(doc.Attachments) || m.env.Now().After(end) {
			return doc, nil
		}
		select {
		case <-ctx.Done():
			return doc, ctx.Err()
		case <-time.After(checkPause):
		}
	}
}

// Test implements [connector.Tester].
func (m *mailer) Test(ctx context.Context) error { return m.send(ctx, m.trial()) }
