package api

import (
	"context"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"

	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/problem"
)

// Books is what the API needs to enter paper documents; *office.Office is one.
type Books interface {
	Enter(ctx context.Context, e office.PaperEntry) (office.Document, error)
	Outlook(ctx context.Context, box office.Box, year int, kind, notation string) (office.Outlook, error)
}

// EntryRequest is the first part of an upload that enters a paper document, as
// DraftRequest is of one that sends.
type EntryRequest struct {
	Box      office.Box     `json:"box"`
	Number   string         `json:"number,omitempty"`
	Code     string         `json:"code,omitempty"`
	Notation string         `json:"notation,omitempty"`
	From     office.Party   `json:"from"`
	To       []office.Party `json:"to,omitempty"`
	Type     string         `json:"type,omitempty"`
	Subject  string         `json:"subject"`
	Date     string         `json:"date,omitempty"`
	Arrived  string         `json:"arrived,omitempty"`
	Urgency  uint8          `json:"urgency"`
	Signer   string         `json:"signer,omitempty"`
	Copies   int            `json:"copies,omitempty"`
	Cleared  bool           `json:"cleared,omitempty"`
	Sure     bool           `json:"sure,omitempty"`
	Files    []string       `json:"files"` // names
	By       string         `json:"by,omitempty"`
}

// PaperRoutes adds the calls about paper documents. books returns nil while the
// office is not enrolled.
func PaperRoutes(mux *http.ServeMux, log *slog.Logger, dir string, books func() Books) {
	office := func() (Books, error) {
		if b := books(); b != nil {
			return b, nil
		}
		return nil, identity.None(dir)
	}
	mux.HandleFunc("POST /v1/entries", Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		b, err := office()
		if err != nil {
			return nil, err
		}
		return enter(r, b)
	}))
	mux.HandleFunc("GET /v1/numbers", Handle(log, func(_ http.ResponseWriter, r *http.Request) (any, error) {
		b, err := office()
		if err != nil {
			return nil, err
		}
		return outlook(r, b)
	}))
}

func enter(r *http.Request, b Books) (any, error) {
	var req EntryRequest
	parts, err := firstPart(r, &req)
	if err != nil {
		return nil, err
	}
	return b.Enter(r.Context(), office.PaperEntry{
		Box: req.Box, Number: req.Number, Code: req.Code, Notation: req.Notation, From: req.From, To: req.To, Type: req.Type,
		Subject: req.Subject, Date: req.Date, Arrived: req.Arrived, Urgency: office.Urgency(req.Urgency), Signer: req.Signer,
		Copies: req.Copies, Cleared: req.Cleared, Sure: req.Sure, By: req.By, Files: uploads(parts, req.Files),
	})
}

func outlook(r *http.Request, b Books) (any, error) {
	q := r.URL.Query()
	box := office.Box(q.Get("box"))
	if box != office.In && box != office.Out {
		return nil, problem.New(problem.Usage, "api.bad-box", "box", nil)
	}
	year, err := strconv.Atoi(q.Get("year"))
	if err != nil || year < 1 || year > 9999 {
		return nil, problem.New(problem.Usage, "api.bad-number", "year", i18n.Args{"value": q.Get("year")})
	}
	return b.Outlook(r.Context(), box, year, q.Get("type"), q.Get("notation"))
}

// firstPart reads the JSON that goes before the files of an upload.
func firstPart(r *http.Request, into any) (*multipart.Reader, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, problem.New(problem.Usage, "api.bad-upload", "", nil).Because(err)
	}
	first, err := parts.NextPart()
	if err != nil || first.FormName() != "draft" {
		return nil, problem.New(problem.Usage, "api.bad-upload", "draft", nil).Because(err)
	}
	return parts, ReadJSON(first, into)
}

// uploads are the files of an upload, to be read in order.
func uploads(parts *multipart.Reader, names []string) (files []office.Upload) {
	from := &sequence{parts: parts}
	for i, name := range names {
		files = append(files, office.Upload{Name: name, Body: &filePart{from: from, index: i}})
	}
	return files
}

// Enter puts a paper document into its register. Files are read as by Send.
func (c *Client) Enter(ctx context.Context, e EntryRequest, files []io.Reader) (office.Document, error) {
	return c.upload(ctx, "/v1/entries", e, e.Files, files)
}

// Outlook tells the next number and the gaps of a series.
func (c *Client) Outlook(ctx context.Context, box office.Box, year int, kind, notation string) (office.Outlook, error) {
	var look office.Outlook
	q := url.Values{"box": {string(box)}, "year": {strconv.Itoa(year)}, "type": {kind}, "notation": {notation}}
	return look, c.Call(ctx, http.MethodGet, "/v1/numbers?"+q.Encode(), nil, &look)
}
