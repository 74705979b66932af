package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"strconv"

	"github.com/google/uuid"

	"tram/agent/i18n"
	"tram/agent/lan"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
)

// maxJSON bounds every JSON body that is read, in bytes.
const maxJSON = 1 << 20

// Documents is what the API needs of an office; *office.Office implements it.
type Documents interface {
	Decisions
	Send(ctx context.Context, d office.Draft) (office.Document, error)
	Get(ctx context.Context, id storage.ID) (office.Document, error)
	List(ctx context.Context, q office.Query) ([]office.Document, int, error)
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
	Export(ctx context.Context, id storage.ID, w io.Writer) error
	Exchange
}

// Exchange is what other makers' software hands over and gets, as edXML.
type Exchange interface {
	Import(ctx context.Context, h office.Handover) (office.Imported, error)
	ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error
}

// Decisions is what a clerk decides about documents, and on what.
type Decisions interface {
	AcceptKnowing(ctx context.Context, id storage.ID, by string, k office.Knowing) (office.Document, error)
	Return(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
	Checks(ctx context.Context, id storage.ID) ([]office.Check, error)
	Recheck(ctx context.Context, id storage.ID, by string) ([]office.Check, error)
	Recalls
}

// Accounts is what the API needs to manage sign-ins.
type Accounts interface {
	List(ctx context.Context) ([]Account, error)
	// Create makes an account whose password has to be changed at the first
	// sign-in.
	Create(ctx context.Context, a Account) error
	// SetPassword sets such a password and unlocks the account.
	SetPassword(ctx context.Context, name, password string) error
	// Change does what to an account. It is idempotent.
	Change(ctx context.Context, name string, what AccountChange) error
}

// LAN is what the API needs of the pages' certificate; *lan.Keeper implements it.
type LAN interface {
	Request() ([]byte, error)
	Install(chain []byte) error
	State() lan.State
	Root() ([]byte, error)
}

// Options configures the API.
type Options struct {
	// Documents returns the office, or nil while the box is not enrolled.
	Documents func() Documents
	Accounts  Accounts
	Status    func(ctx context.Context) (Status, error)
	// Enroll uses the invite with these bytes.
	Enroll func(ctx context.Context, invite []byte) (Status, error)
	// First has a waiting document sent before others, whatever the rules of
	// the line say.
	First func(ctx context.Context, id storage.ID) error
	// LAN returns the keeper of the pages' certificate, nil while they stay on
	// this machine.
	LAN func() LAN
	// Arriving lists what the hub is handing over, most urgent first.
	Arriving func() []Arriving
	// Bring has something that arrives come before others, whatever the rules of
	// the line say.
	Bring  func(ctx context.Context, id storage.ID) error
	Logger *slog.Logger
}

type server struct{ o Options }

// New returns the handler of the API.
func New(o Options) http.Handler {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.handle(s.status))
	mux.HandleFunc("POST /v1/enroll", s.handle(s.enroll))
	mux.HandleFunc("GET /v1/accounts", s.handle(s.accounts))
	mux.HandleFunc("POST /v1/accounts", s.handle(s.createAccount))
	mux.HandleFunc("POST /v1/lan/request", s.handle(s.lanRequest))
	mux.HandleFunc("GET /v1/lan/root", s.handle(s.lanRoot))
	mux.HandleFunc("PUT /v1/lan/certificate", s.handle(s.lanInstall))
	for _, what := range AccountChanges {
		mux.HandleFunc("POST /v1/accounts/{name}/"+string(what), s.handle(s.changeAccount(what)))
	}
	mux.HandleFunc("PUT /v1/accounts/{name}/password", s.handle(s.setPassword))
	mux.HandleFunc("GET /v1/documents", s.handle(s.list))
	mux.HandleFunc("POST /v1/documents", s.handle(s.send))
	mux.HandleFunc("GET /v1/documents/{id}", s.handle(s.get))
	mux.HandleFunc("POST /v1/documents/{id}/accept", s.handle(s.accept))
	mux.HandleFunc("GET /v1/documents/{id}/checks", s.handle(s.checks))
	mux.HandleFunc("POST /v1/documents/{id}/checks", s.handle(s.recheck))
	mux.HandleFunc("POST /v1/documents/{id}/return", s.handle(s.giveBack))
	s.recalls(mux)
	mux.HandleFunc("POST /v1/documents/{id}/first", s.handle(s.first))
	mux.HandleFunc("GET /v1/arriving", s.handle(s.arriving))
	mux.HandleFunc("POST /v1/arriving/{id}/first", s.handle(s.bring))
	mux.HandleFunc("GET /v1/documents/{id}/attachments/{index}", s.handle(s.attachment))
	mux.HandleFunc("GET /v1/documents/{id}/container", s.handle(s.container))
	mux.HandleFunc("POST /v1/import", s.handle(s.importEdXML))
	mux.HandleFunc("GET /v1/documents/{id}/edxml", s.handle(s.exportEdXML))
	return mux
}

func (s *server) handle(f Func) http.HandlerFunc { return Handle(s.o.Logger, f) }

func (s *server) documents() (Documents, error) {
	if d := s.o.Documents(); d != nil {
		return d, nil
	}
	return nil, problem.New(problem.NotEnrolled, "trust.not-enrolled", "", nil)
}

// document returns the office and the ID in the path.
func (s *server) document(r *http.Request) (Documents, storage.ID, error) {
	d, err := s.documents()
	if err != nil {
		return nil, storage.ID{}, err
	}
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil {
		return nil, storage.ID{}, problem.New(problem.Usage, "api.bad-id", "id", i18n.Args{"id": r.PathValue("id")}).Because(err)
	}
	return d, id, nil
}

func (s *server) status(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.o.Status(r.Context())
}

func (s *server) enroll(_ http.ResponseWriter, r *http.Request) (any, error) {
	invite, err := io.ReadAll(io.LimitReader(r.Body, maxJSON))
	if err != nil {
		return nil, fmt.Errorf("read invite: %w", err)
	}
	return s.o.Enroll(r.Context(), invite)
}

func (s *server) accounts(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.o.Accounts.List(r.Context())
}

func (s *server) changeAccount(what AccountChange) Func {
	return func(_ http.ResponseWriter, r *http.Request) (any, error) {
		name := r.PathValue("name")
		return Account{Name: name}, s.o.Accounts.Change(r.Context(), name, what)
	}
}

func (s *server) createAccount(_ http.ResponseWriter, r *http.Request) (any, error) {
	var a Account
	if err := ReadJSON(r.Body, &a); err != nil {
		return nil, err
	}
	if err := s.o.Accounts.Create(r.Context(), a); err != nil {
		return nil, err
	}
	a.Password = ""
	return a, nil
}

func (s *server) setPassword(_ http.ResponseWriter, r *http.Request) (any, error) {
	var a Account
	if err := ReadJSON(r.Body, &a); err != nil {
		return nil, err
	}
	a.Name = r.PathValue("name")
	if err := s.o.Accounts.SetPassword(r.Context(), a.Name, a.Password); err != nil {
		return nil, err
	}
	a.Password = ""
	return a, nil
}

func (s *server) list(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := s.documents()
	if err != nil {
		return nil, err
	}
	q := office.Query{Box: office.Box(r.URL.Query().Get("box"))}
	if q.Box != office.In && q.Box != office.Out {
		return nil, problem.New(problem.Usage, "api.bad-box", "box", nil)
	}
	for _, state := range r.URL.Query()["state"] {
		q.States = append(q.States, office.State(state))
	}
	for name, into := range map[string]*int{"offset": &q.Offset, "limit": &q.Limit} {
		if text := r.URL.Query().Get(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil || *into < 0 {
				return nil, problem.New(problem.Usage, "api.bad-number", name, i18n.Args{"value": text})
			}
		}
	}
	docs, total, err := d.List(r.Context(), q)
	if err != nil {
		return nil, err
	}
	if docs == nil {
		docs = []office.Document{}
	}
	return Page{Documents: docs, Total: total}, nil
}

func (s *server) get(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	return d.Get(r.Context(), id)
}

func (s *server) accept(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	var body Decision
	if err := ReadJSON(r.Body, &body); err != nil {
		return nil, err
	}
	return d.AcceptKnowing(r.Context(), id, body.By, office.Knowing{Reason: body.Reason, SeenFailure: body.SeenFailure})
}

func (s *server) checks(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	return listChecks(r, d, id)
}

func (s *server) recheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	var body Decision
	if err := ReadJSON(r.Body, &body); err != nil {
		return nil, err
	}
	if _, err := d.Recheck(r.Context(), id, body.By); err != nil {
		return nil, err
	}
	return listChecks(r, d, id)
}

func listChecks(r *http.Request, d Documents, id storage.ID) (any, error) {
	all, err := d.Checks(r.Context(), id)
	if err != nil {
		return nil, err
	}
	return Checks{append([]office.Check{}, all...)}, nil
}

func (s *server) giveBack(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	var body Decision
	if err := ReadJSON(r.Body, &body); err != nil {
		return nil, err
	}
	return d.Return(r.Context(), id, body.Reason, body.By)
}

func (s *server) first(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	if err := s.o.First(r.Context(), id); err != nil {
		return nil, err
	}
	return d.Get(r.Context(), id)
}

func (s *server) arriving(http.ResponseWriter, *http.Request) (any, error) {
	if _, err := s.documents(); err != nil {
		return nil, err
	}
	return s.o.Arriving(), nil
}

func (s *server) bring(_ http.ResponseWriter, r *http.Request) (any, error) {
	_, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	return struct{}{}, s.o.Bring(r.Context(), id)
}

func (s *server) attachment(w http.ResponseWriter, r *http.Request) (any, error) {
	d, id, err := s.document(r)
	if err != nil {
		return nil, err
	}
	index, err := strconv.Atoi(r.PathValue("index"))
	if err != nil {
		return nil, problem.New(problem.Usage, "api.bad-number", "index", i18n.Args{"value": r.PathValue("index")})
	}
	a, body, err := d.Open(r.Context(), id, index)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(a.Size, 10))
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": a.Name}))
	if _, err := io.Copy(w, body); err != nil {
		s.o.Logger.Warn("attachment not sent whole", "id", id, "index", index, "error", err)
	}
	return nil, nil
}

func (s *server) send(_ http.ResponseWriter, r *http.Request) (any, error) {
	d, err := s.documents()
	if err != nil {
		return nil, err
	}
	var req DraftRequest
	parts, err := firstPart(r, &req)
	if err != nil {
		return nil, err
	}
	draft := office.Draft{
		To: req.To, Subject: req.Subject, Urgency: office.Urgency(req.Urgency), Type: req.Type,
		Number: req.Number, Notation: req.Notation, Date: req.Date, Signer: req.Signer,
		Position: req.Position, Content: req.Content, Classification: req.Classification, Cleared: req.Cleared, Copied: req.Copied, By: req.By,
		Changes: office.Changes{Replaces: req.Replaces, Updates: req.Updates, Removed: req.Removed, Reason: req.ChangeReason}, Replies: req.Replies,
	}
	draft.Files = uploads(parts, req.Files)
	return d.Send(r.Context(), draft)
}

// sequence hands out the file parts of an upload, each opened when it is first
// read, so that nothing is spooled. They can only be read in order.
type sequence struct {
	parts *multipart.Reader
	next  int
}

type filePart struct {
	from  *sequence
	index int
	part  io.Reader
}

var errOrder = errors.New("files of an upload must be read in order")

func (f *filePart) Read(p []byte) (int, error) {
	if f.part == nil {
		if f.from.next != f.index {
			return 0, errOrder
		}
		part, err := f.from.parts.NextPart()
		if err != nil {
			return 0, fmt.Errorf("open uploaded file %d: %w", f.index, err)
		}
		f.from.next++
		f.part = part
	}
	return f.part.Read(p)
}
