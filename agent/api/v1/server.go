package v1

import (
	"context"
	"embed"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"tram/agent/api"
	"tram/agent/api/appkey"
	"tram/agent/dossier"
	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// Base is the path below which the interface lies. The reference for people is
// at ReferencePath.
const (
	Base          = "/api/v1"
	ReferencePath = "/api/"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Schema holds the tables of this package.
var Schema = sqlite.Embedded("api", migrations)

// Records reads documents; *office.Office does.
type Records interface {
	Get(ctx context.Context, id storage.ID) (office.Document, error)
	Select(ctx context.Context, f office.Filter) (docs []office.Document, next int64, err error)
	AppOf(ctx context.Context, id storage.ID) (string, error)
	Checks(ctx context.Context, id storage.ID) ([]office.Check, error)
	Register(ctx context.Context, box office.Box, year int, app string, after office.RegisterPlace, limit int) ([]office.Booking, office.RegisterPlace, error)
}

// Contents gives what is inside documents.
type Contents interface {
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
	Export(ctx context.Context, id storage.ID, w io.Writer) error
	ExportEdXML(ctx context.Context, id storage.ID, w io.Writer) error
}

// Desk acts on documents.
type Desk interface {
	Send(ctx context.Context, d office.Draft) (office.Document, error)
	Import(ctx context.Context, h office.Handover) (office.Imported, error)
	AcceptKnowing(ctx context.Context, id storage.ID, by string, k office.Knowing) (office.Document, error)
	Return(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
	Report(ctx context.Context, id storage.ID, code edxml.StatusCode, text, by string) (doc office.Document, changed bool, err error)
}

// Recalls takes documents back, and answers who does so.
type Recalls interface {
	Withdraw(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
	Recall(ctx context.Context, id storage.ID, to []string, reason, by string) (office.Document, error)
	Grant(ctx context.Context, id storage.ID, by string) (office.Document, error)
	Refuse(ctx context.Context, id storage.ID, reason, by string) (office.Document, error)
}

// Feed tells what happens.
type Feed interface {
	FeedTo(ctx context.Context, r office.Reading, after string, limit int) (entries []office.Entry, next string, err error)
	FeedEnd(ctx context.Context) (string, error)
	Changed() <-chan struct{}
}

// Office is what the interface asks of the office. *office.Office is one.
type Office interface {
	Records
	Contents
	Desk
	Recalls
	Feed
}

// Directory finds offices; *registry.Registry does.
type Directory interface {
	Find(ctx context.Context, q registry.Query) ([]registry.Card, error)
	Resolve(code string) (c registry.Card, moved bool, err error)
}

// Options of New. All but Works, Arriving, Style, Logger and Now are needed.
type Options struct {
	DB        *sqlite.DB // opened with Schema and appkey.Schema
	Blobs     *blob.Store
	Apps      *appkey.Store
	Office    Office
	Directory Directory
	Search    Searcher
	Dossiers  *dossier.Store
	Works     Works // nil: nothing is said of how documents are handled
	// Arriving lists what the hub is handing over; nil: nothing.
	Arriving func() []api.Arriving
	Unit     office.Party // this office
	Limits   office.Limits
	Version  string
	// Style is the address of the pages' style sheet, for the reference.
	Style  string
	Logger *slog.Logger
	Now    func() time.Time
}

// Server answers the interface. Make one with New; Run must run.
type Server struct {
	o       Options
	log     *slog.Logger
	now     func() time.Time
	mux     *http.ServeMux
	ops     []operation
	spec    *spec
	uploads *uploads
	busy    busy
	ending  chan struct{} // closed when Run ends: nobody waits any more
}

// New makes the interface over opened stores.
func New(o Options) (*Server, error) {
	if o.DB == nil || o.Blobs == nil || o.Apps == nil || o.Office == nil || o.Directory == nil || o.Search == nil || o.Dossiers == nil {
		return nil, errors.New("make public interface: an option is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Arriving == nil {
		o.Arriving = func() []api.Arriving { return nil }
	}
	o.Limits = withDefaults(o.Limits)
	s := &Server{o: o, log: o.Logger, now: o.Now, mux: http.NewServeMux(), ending: make(chan struct{})}
	s.uploads = &uploads{s: s, active: map[storage.ID]*active{}}
	s.busy.by = map[string]bool{}
	s.spec = newSpec()
	s.routes()
	return s, nil
}

func withDefaults(l office.Limits) office.Limits {
	if l.File <= 0 {
		l.File = office.DefaultFile
	}
	if l.Files <= 0 {
		l.Files = office.DefaultFiles
	}
	if l.Total <= 0 {
		l.Total = office.DefaultTotal
	}
	l.Files, l.File = min(l.Files, office.MaxFiles), min(l.File, l.Total)
	return l
}

// ServeHTTP implements [http.Handler] for Base and ReferencePath.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// tidyEvery is how often answers and uploads whose time is over are removed.
const tidyEvery = 10 * time.Minute

// Run removes what has expired, until ctx ends. Calls that wait end with it.
func (s *Server) Run(ctx context.Context) error {
	defer sync.OnceFunc(func() { close(s.ending) })()
	for {
		if err := s.tidy(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("expired uploads and answers not removed", "error", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(tidyEvery):
		}
	}
}

func (s *Server) tidy(ctx context.Context) error {
	err := s.o.DB.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := tx.Exec(`DELETE FROM api_answers WHERE created < ?`, tx.Now().Add(-AnswerLife)); err != nil {
			return err
		}
		_, err := tx.Exec(`DELETE FROM api_reads WHERE day < ?`, tx.Now().AddDate(0, 0, -readDays).Format(time.DateOnly))
		return err
	})
	return errors.Join(err, s.uploads.tidy(ctx))
}

// operation is one operation of the OpenAPI document.
type operation struct {
	id           string
	method, path string // below Base
	scope        appkey.Scope
	or           appkey.Scope // another one that does as well, "" for none
	open         bool         // needs no key
	query        []string     // parameters that it knows
	media        []string     // of the body, none for no body
	do           func(c *call) error
}

func (s *Server) table() []operation {
	const doc = "/documents/{id}"
	ct := []string{"application/json"}
	return slices.Concat([]operation{
		{id: "getMe", method: "GET", path: "/me", do: s.me},
		{id: "listDocuments", method: "GET", path: "/documents", scope: appkey.DocumentsRead, query: listParameters, do: s.list},
		{id: "searchDocuments", method: "GET", path: "/documents/search", scope: appkey.DocumentsRead, query: []string{"q", "box", "cursor", "limit"}, do: s.search},
		{id: "sendDocument", method: "POST", path: "/documents", scope: appkey.DocumentsSend, media: ct, do: s.send},
		{id: "sendDocumentWithFiles", method: "POST", path: "/documents/with-files", scope: appkey.DocumentsSend, media: []string{"multipart/form-data"}, do: s.sendFiles},
		{id: "importEdxml", method: "POST", path: "/documents/edxml", scope: appkey.DocumentsSend, query: []string{"name", "cleared", "dry_run"}, media: []string{"application/xml", "text/xml"}, do: s.importEdXML},
		{id: "getDocument", method: "GET", path: doc, scope: appkey.DocumentsRead, do: s.get},
		{id: "getTrack", method: "GET", path: doc + "/track", scope: appkey.DocumentsRead, do: s.track},
		{id: "listChecks", method: "GET", path: doc + "/checks", scope: appkey.DocumentsRead, do: s.checks},
		{id: "downloadAttachment", method: "GET", path: doc + "/attachments/{index}", scope: appkey.ContentRead, do: s.attachment},
		{id: "exportEdxml", method: "GET", path: doc + "/edxml", scope: appkey.ContentRead, do: s.exportEdXML},
		{id: "exportContainer", method: "GET", path: doc + "/container", scope: appkey.ContentRead, do: s.exportContainer},
		{id: "acceptDocument", method: "POST", path: doc + "/accept", scope: appkey.DocumentsAnswer, media: ct, do: s.accept},
		{id: "returnDocument", method: "POST", path: doc + "/return", scope: appkey.DocumentsAnswer, media: ct, do: s.giveBack},
		{id: "reportDocument", method: "POST", path: doc + "/report", scope: appkey.DocumentsAnswer, media: ct, do: s.report},
		{id: "withdrawDocument", method: "POST", path: doc + "/withdraw", scope: appkey.DocumentsRecall, media: ct, do: s.withdraw},
		{id: "recallDocument", method: "POST", path: doc + "/recall", scope: appkey.DocumentsRecall, media: ct, do: s.recall},
		{id: "grantRequest", method: "POST", path: doc + "/grant", scope: appkey.DocumentsAnswer, media: ct, do: s.grant},
		{id: "refuseRequest", method: "POST", path: doc + "/refuse", scope: appkey.DocumentsAnswer, media: ct, do: s.refuse},
		{id: "listArriving", method: "GET", path: "/arriving", scope: appkey.DocumentsRead, do: s.arriving},
		{id: "searchOffices", method: "GET", path: "/offices", scope: appkey.RegistryRead, query: []string{"q", "limit", "reachable"}, do: s.searchOffices},
		{id: "getOffice", method: "GET", path: "/offices/{code}", scope: appkey.RegistryRead, do: s.office},
		{id: "listRegister", method: "GET", path: "/registers/{register}/{year}", scope: appkey.RegistersRead, query: []string{"cursor", "limit"}, do: s.register},
		{id: "listEvents", method: "GET", path: "/events", scope: appkey.EventsRead, query: []string{"after", "limit", "wait"}, do: s.events},
	}, s.dossierTable(), s.uploads.table(), []operation{
		{id: "getOpenapi", method: "GET", path: "/openapi.json", open: true, do: s.openapi},
		{id: "getOpenapi30", method: "GET", path: "/openapi-3.0.json", open: true, do: s.openapi30},
		{id: "getProblem", method: "GET", path: "/problems/{code}", open: true, query: []string{"lang"}, do: s.problemPage},
	})
}

func (s *Server) routes() {
	s.ops = s.table()
	for _, op := range s.ops {
		s.mux.Handle(op.method+" "+Base+op.path, s.handle(op))
	}
	s.mux.Handle(Base+"/", s.handle(operation{id: "none", open: true, do: s.noSuchOperation}))
	s.mux.HandleFunc("GET "+ReferencePath+"{$}", s.reference)
	s.mux.HandleFunc("GET "+ReferencePath+"reference.css", s.referenceStyle)
	s.mux.Handle(ReferencePath, s.handle(operation{id: "none", open: true, do: s.noSuchOperation}))
}

// noSuchOperation answers paths and methods that there are not.
func (s *Server) noSuchOperation(c *call) error {
	var allow []string
	for _, method := range []string{"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"} {
		probe := c.r.Clone(c.r.Context())
		probe.Method = method
		if _, pattern := s.mux.Handler(probe); strings.Contains(pattern, " ") {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return noOperation(c.r.URL.Path)
	}
	c.w.Header().Set("Allow", strings.Join(allow, ", "))
	return badMethod(c.r.Method, strings.Join(allow, ", "))
}
