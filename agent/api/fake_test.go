package api_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/api"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// shelf is a small office: it keeps documents in memory.
type shelf struct {
	mu      sync.Mutex
	docs    []office.Document
	content map[string][]byte // SHA-256 → bytes
	drafts  []office.Draft
	by      []string
	checks  []office.Check
	// sent, when set, hears how each Send ended.
	sent chan error
	// breakOff makes Export fail after so many bytes when positive.
	breakOff int
}

func newShelf() *shelf { return &shelf{content: map[string][]byte{}, sent: make(chan error, 8)} }

func (s *shelf) Send(ctx context.Context, d office.Draft) (doc office.Document, err error) {
	defer func() { s.sent <- err }()
	if len(d.To) == 0 {
		return doc, problem.New(problem.Usage, "send.no-recipient", "to", nil)
	}
	if d.Subject == "" {
		return doc, problem.List{
			problem.New(problem.Usage, "send.no-subject", "subject", nil),
			problem.New(problem.Usage, "send.too-long", "content", i18n.Args{"have": 2_000_000, "limit": 1_000_000}),
		}
	}
	doc = office.Document{ID: uuid.New(), Box: office.Out, Subject: d.Subject, Urgency: d.Urgency, State: office.Saved, Created: time.Now()}
	for _, to := range d.To {
		doc.To = append(doc.To, office.Recipient{Party: office.Party{Code: to}, State: office.Saved})
	}
	for i, f := range d.Files {
		data, err := io.ReadAll(f.Body)
		if err != nil {
			return office.Document{}, fmt.Errorf("read %s: %w", f.Name, err)
		}
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		s.mu.Lock()
		s.content[digest] = data
		s.mu.Unlock()
		doc.Attachments = append(doc.Attachments, office.Attachment{Index: i, Name: f.Name, Size: int64(len(data)), SHA256: digest})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drafts, s.docs = append(s.drafts, d), append(s.docs, doc)
	return doc, ctx.Err()
}

func (s *shelf) find(id storage.ID) (*office.Document, error) {
	i := slices.IndexFunc(s.docs, func(d office.Document) bool { return d.ID == id })
	if i < 0 {
		return nil, problem.New(problem.NotFound, "document.not-found", "id", i18n.Args{"id": id})
	}
	return &s.docs[i], nil
}

func (s *shelf) Get(_ context.Context, id storage.ID) (office.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.find(id)
	if err != nil {
		return office.Document{}, err
	}
	return *d, nil
}

func (s *shelf) List(_ context.Context, q office.Query) ([]office.Document, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var fit []office.Document
	for _, d := range s.docs {
		if d.Box == q.Box && (len(q.States) == 0 || slices.Contains(q.States, d.State)) {
			fit = append(fit, d)
		}
	}
	total := len(fit)
	fit = fit[min(q.Offset, total):]
	if q.Limit > 0 {
		fit = fit[:min(q.Limit, len(fit))]
	}
	return fit, total, nil
}

func (s *shelf) decide(id storage.ID, state office.State, reason, by string) (office.Document, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.find(id)
	if err != nil {
		return office.Document{}, err
	}
	if d.State == office.Accepted {
		return office.Document{}, problem.New(problem.Conflict, "return.accepted", "", i18n.Args{"number": 7})
	}
	d.State, d.Reason = state, reason
	s.by = append(s.by, by)
	return *d, nil
}

func (s *shelf) Withdraw(_ context.Context, id storage.ID, reason, by string) (office.Document, error) {
	return s.decide(id, office.Withdrawn, reason, by)
}

func (s *shelf) Recall(_ context.Context, id storage.ID, to []string, reason, by string) (office.Document, error) {
	return s.decide(id, office.Recalled, strings.Join(append(to, reason), "|"), by)
}

func (s *shelf) Grant(_ context.Context, id storage.ID, by string) (office.Document, error) {
	return s.decide(id, office.Recalled, "", by)
}

func (s *shelf) Refuse(_ context.Context, id storage.ID, reason, by string) (office.Document, error) {
	return s.decide(id, office.Arrived, reason, by)
}

func (s *shelf) AcceptKnowing(_ context.Context, id storage.ID, by string, k office.Knowing) (office.Document, error) {
	return s.decide(id, office.Accepted, k.Reason, by)
}

func (s *shelf) Checks(_ context.Context, id storage.ID) ([]office.Check, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.find(id); err != nil {
		return nil, err
	}
	return s.checks, nil
}

func (s *shelf) Recheck(ctx context.Context, id storage.ID, by string) ([]office.Check, error) {
	s.mu.Lock()
	s.checks = append(s.checks, office.Check{Cause: office.CauseRequest, By: by})
	s.mu.Unlock()
	return s.Checks(ctx, id)
}

func (s *shelf) Return(_ context.Context, id storage.ID, reason, by string) (office.Document, error) {
	return s.decide(id, office.Returned, reason, by)
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

func (s *shelf) Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error) {
	d, err := s.Get(ctx, id)
	if err != nil {
		return office.Attachment{}, nil, err
	}
	if index < 0 || index >= len(d.Attachments) {
		return office.Attachment{}, nil, problem.New(problem.NotFound, "document.no-attachment", "index", i18n.Args{"index": index})
	}
	a := d.Attachments[index]
	s.mu.Lock()
	defer s.mu.Unlock()
	return a, file{bytes.NewReader(s.content[a.SHA256])}, nil
}

func (s *shelf) Export(ctx context.Context, id storage.ID, w io.Writer) error {
	if _, err := s.Get(ctx, id); err != nil {
		return err
	}
	if s.breakOff > 0 {
		if _, err := w.Write(make([]byte, s.breakOff)); err != nil {
			return err
		}
		return io.ErrUnexpectedEOF
	}
	_, err := io.WriteString(w, "container of "+id.String())
	return err
}

func (s *shelf) Import(_ context.Context, h office.Handover) (office.Imported, error) {
	data := make([]byte, 7)
	if n, err := io.ReadFull(h.Body, data); err != nil {
		return office.Imported{}, problem.New(problem.Usage, "edxml.malformed", "", i18n.Args{"line": n})
	}
	if string(data) == "refused" {
		return office.Imported{}, problem.List{
			problem.New(problem.Usage, "import.not-ours", "From", i18n.Args{"code": h.Name, "ours": h.By}),
			problem.New(problem.Usage, "send.no-file", "files", nil),
		}
	}
	rest, err := io.ReadAll(h.Body)
	if err != nil {
		return office.Imported{}, err
	}
	done := office.Imported{
		Kind: office.KindDocument, Changed: !h.Try, Document: office.Document{Subject: h.Name, Size: int64(len(rest)), Reason: h.By},
		Warnings: []edxml.Warning{{Code: "code", Field: "Paper", Value: fmt.Sprint(h.Cleared)}},
	}
	return done, nil
}

func (s *shelf) ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error {
	if _, err := s.Get(ctx, id); err != nil {
		return err
	}
	_, err := io.WriteString(w, "message of "+id.String())
	return err
}

// desk is a whole office behind the API.
type desk struct {
	shelf    *shelf // nil until it is enrolled
	accounts map[string]string
	invites  chan []byte
	first    []storage.ID
}

func (d *desk) Create(_ context.Context, a api.Account) error {
	d.accounts[a.Name] = a.Password
	return nil
}

func (d *desk) List(context.Context) ([]api.Account, error) {
	list := []api.Account{}
	for name := range d.accounts {
		list = append(list, api.Account{Name: name})
	}
	return list, nil
}

func (d *desk) Change(_ context.Context, name string, what api.AccountChange) error {
	if _, ok := d.accounts[name]; !ok {
		return problem.New(problem.NotFound, "account.unknown", "name", nil)
	}
	d.accounts[name] = string(what)
	return nil
}

func (d *desk) SetPassword(_ context.Context, name, password string) error {
	if _, ok := d.accounts[name]; !ok {
		return problem.New(problem.NotFound, "account.unknown", "name", nil)
	}
	d.accounts[name] = password
	return nil
}

func (d *desk) handler() (o api.Options) {
	o.Documents = func() api.Documents {
		if d.shelf == nil {
			return nil
		}
		return d.shelf
	}
	o.Accounts = d
	o.First = func(_ context.Context, id storage.ID) error {
		d.shelf.mu.Lock()
		defer d.shelf.mu.Unlock()
		doc, err := d.shelf.find(id)
		if err == nil && doc.State != office.Saved {
			return problem.New(problem.Conflict, "queue.not-waiting", "", i18n.Args{"subject": doc.Subject})
		}
		d.first = append(d.first, id)
		return err
	}
	o.Status = func(context.Context) (api.Status, error) {
		return api.Status{Version: "1", State: "ready", Office: office.Party{Code: "H40.12"}}, nil
	}
	o.Enroll = func(_ context.Context, invite []byte) (api.Status, error) {
		d.invites <- invite
		return api.Status{State: "pending"}, nil
	}
	return o
}

// start serves an enrolled desk on a socket and returns a client for it.
func start(t *testing.T) (*desk, *api.Client) {
	t.Helper()
	d := &desk{shelf: newShelf(), accounts: map[string]string{}, invites: make(chan []byte, 1)}
	return d, serve(t, t.TempDir(), d.handler())
}

// serve answers on the socket in dir until the test ends.
func serve(t *testing.T, dir string, o api.Options) *api.Client {
	t.Helper()
	l, err := api.Listen(dir, api.SocketName)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- api.Serve(ctx, l, api.New(o)) }()
	client := api.NewClient(dir)
	t.Cleanup(func() {
		client.Close()
		stop()
		if err := <-done; err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	})
	return client
}
