package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/office"
	"tram/agent/problem"
)

// Name is the kind's.
const Name = "webhook"

// Bounds of settings and exchanges.
const (
	// DefaultTimeout is how long one exchange may take.
	DefaultTimeout = 15 * time.Second
	minTimeout     = time.Second
	maxTimeout     = time.Minute
	// DefaultGiveUp is how long after its first try an event becomes a dead letter.
	DefaultGiveUp = 7 * 24 * time.Hour
	minGiveUp     = time.Minute
	maxGiveUp     = 90 * 24 * time.Hour
	// maxAnswer and maxHeader bound what is read of an answer, in bytes.
	maxAnswer = 16 << 10
	maxHeader = 16 << 10
	// maxURL bounds the address, in bytes.
	maxURL = 2000
)

// Settings of a webhook.
type Settings struct {
	URL       string          `json:"url"`        // https, or http on this machine
	Events    connector.Words `json:"events"`     // types of entries, none for all of documents
	CA        string          `json:"ca"`         // absolute path of authorities in PEM, "" for the system's
	Timeout   string          `json:"timeout"`    // duration, "" for DefaultTimeout
	GiveUp    string          `json:"give_up"`    // duration, "" for DefaultGiveUp
	LinkLocal bool            `json:"link_local"` // allow link-local and metadata addresses
}

// Kind makes webhooks.
func Kind() connector.Kind {
	return connector.Kind{Name: Name, Open: open, Secret: true, Settings: Settings{}}
}

// hook is a webhook.
type hook struct {
	connector.Base
	line
	events  []office.EntryType
	secrets []secret
	giveUp  time.Duration
	env     connector.Env
}

func open(env connector.Env) (connector.Connector, error) {
	var s Settings
	if err := connector.Decode(env.Settings, &s); err != nil {
		return nil, err
	}
	var faults problem.List
	h := &hook{env: env}
	var err error
	h.line, err = newLine(s)
	faults.Note(err)
	known := slices.Concat(office.EntryTypes, office.DossierTypes)
	for _, word := range s.Events {
		if !slices.Contains(known, office.EntryType(word)) {
			faults.Note(connector.Fault("events", word, joined(known)))
		}
		h.events = append(h.events, office.EntryType(word))
	}
	h.secrets, err = readSecrets(env.Secret)
	faults.Note(err)
	h.giveUp, err = connector.Span("give_up", s.GiveUp, DefaultGiveUp, minGiveUp, maxGiveUp)
	faults.Note(err)
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return h, nil
}

// line is the way to a receiver.
type line struct {
	url     *url.URL
	timeout time.Duration
	client  *http.Client
}

// newLine reads the settings of the way. Faults are a problem.List.
func newLine(s Settings) (line, error) {
	var faults problem.List
	var l line
	var err error
	l.url, err = address(s.URL)
	faults.Note(err)
	roots, err := connector.Roots("ca", s.CA)
	faults.Note(err)
	l.timeout, err = connector.Span("timeout", s.Timeout, DefaultTimeout, minTimeout, maxTimeout)
	faults.Note(err)
	if err := faults.Err(); err != nil {
		return l, err
	}
	dialer := &net.Dialer{Timeout: l.timeout}
	if !s.LinkLocal {
		dialer.Control = allowed
	}
	l.client = &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: l.timeout, MaxResponseHeaderBytes: maxHeader,
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxConnsPerHost: connector.Parallel, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return l, nil
}

func joined(list []office.EntryType) string {
	words := make([]string, 0, len(list))
	for _, t := range list {
		words = append(words, string(t))
	}
	return strings.Join(words, ", ")
}

// address reads the setting url.
func address(text string) (*url.URL, error) {
	const want = "https://…"
	fault := connector.Fault("url", text, want)
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, connector.Fault("url", "…", want).Because(errors.Unwrap(err))
	case u.User != nil: // it would be shown with the settings
		return nil, connector.Fault("url", u.Redacted(), want)
	case len(text) > maxURL || u.Hostname() == "" || u.Fragment != "":
		return nil, fault
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http":
		if ip := net.ParseIP(u.Hostname()); u.Hostname() == "localhost" || ip != nil && ip.IsLoopback() {
			return u, nil
		}
	}
	return nil, fault
}

// Wants implements [connector.Connector]. What happens to dossiers goes out where it
// is named alone.
func (h *hook) Wants(e office.Entry) bool {
	return len(h.events) == 0 && !e.OfDossier() || slices.Contains(h.events, e.Type)
}

// Close implements [connector.Connector].
func (h *hook) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// Deliver implements [connector.Connector].
func (h *hook) Deliver(ctx context.Context, d connector.Delivery) error {
	if e := d.Entry; e.OfDossier() {
		return h.delivered(ctx, d, h.post(ctx, e.Cursor, eventOf(e)))
	}
	// Nobody could ask for a document that is gone.
	if _, err := h.env.Desk.Get(ctx, d.Entry.Document); err != nil {
		if ctx.Err() == nil && problem.From(err).Class == problem.NotFound {
			return connector.Permanent(err)
		}
		return err
	}
	return h.delivered(ctx, d, h.post(ctx, d.Entry.Cursor, eventOf(d.Entry)))
}

func (h *hook) delivered(ctx context.Context, d connector.Delivery, err error) error {
	if ctx.Err() != nil {
		return err
	}
	return d.Within(h.giveUp, h.env.Now(), err)
}
