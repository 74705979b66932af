package v1

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tram/agent/api/appkey"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Draft is the body of sendDocument, and without Files the first part of
// sendDocumentWithFiles.
type Draft struct {
	To       []string   `json:"to"`
	Subject  string     `json:"subject"`
	Urgency  Urgency    `json:"urgency"`
	Type     string     `json:"type"`
	Number   string     `json:"number"`
	Notation string     `json:"notation"`
	Date     string     `json:"date"`
	Signer   string     `json:"signer"`
	Position string     `json:"position"`
	Content  string     `json:"content"`
	Cleared  bool       `json:"cleared"`
	Copied   bool       `json:"copied"`
	Files    []FileName `json:"files"`
	Changes  *Changes   `json:"changes"`
	Replies  []string   `json:"replies"` // incoming documents that it answers
	Dossier  string     `json:"dossier"` // ID or code of the dossier that it was drafted for
}

// FileName names an upload in a draft.
type FileName struct {
	Upload string `json:"upload"`
	Name   string `json:"name"` // "" for that of the upload
}

// draft is what the office is handed. A fault of the form is told with those that
// the office finds.
func (c *call) draft(d Draft, files []office.Upload) (office.Draft, error) {
	if d.Urgency == "" {
		d.Urgency = urgencies[0]
	}
	if !slices.Contains(urgencies, d.Urgency) {
		return office.Draft{}, problem.New(problem.Usage, "api.urgency", "urgency", i18n.Args{"urgency": shown(string(d.Urgency))})
	}
	if len(d.To) > bundle.MaxRecipients {
		return office.Draft{}, problem.New(problem.Usage, "send.too-many-recipients", "to", i18n.Args{"limit": bundle.MaxRecipients})
	}
	for _, code := range d.To {
		if utf8.RuneCountInString(code) > MaxCode || strings.ContainsFunc(code, unicode.IsControl) {
			return office.Draft{}, problem.New(problem.Usage, "send.unknown-recipient", "to", i18n.Args{"code": shown(code)})
		}
	}
	changes, err := c.changes(d.Changes)
	if err != nil {
		return office.Draft{}, err
	}
	replies, err := c.replies(d.Replies)
	if err != nil {
		return office.Draft{}, err
	}
	also, err := c.links(d.Dossier)
	if err != nil {
		return office.Draft{}, err
	}
	return office.Draft{
		Changes: changes, Replies: replies,
		To: d.To, Subject: d.Subject, Urgency: levelOf(d.Urgency), Type: d.Type, Number: d.Number, Notation: d.Notation, Date: d.Date,
		Signer: d.Signer, Position: d.Position, Content: d.Content, Cleared: d.Cleared, Copied: d.Copied, Files: files, By: c.app.Actor(),
		Handed: office.Handed{App: c.app.Name, Also: also},
	}, nil
}

func (s *Server) send(c *call) error {
	var q Draft
	raw, err := c.body(&q)
	if err != nil {
		return err
	}
	return c.once(true, sha256.Sum256(raw), func(keep keeper) (answer, error) {
		if len(q.Files) > office.MaxFiles {
			return answer{}, problem.New(problem.Usage, "send.too-many-files", "files", i18n.Args{"limit": s.o.Limits.Files, "have": len(q.Files)})
		}
		taken, err := s.uploads.take(c, q.Files)
		if err != nil {
			return answer{}, err
		}
		defer taken.release()
		d, err := c.draft(q, taken.files)
		if err != nil {
			return answer{}, err
		}
		a, err := s.saved(c, d, keep, taken.consume)
		if err == nil {
			taken.remove()
		}
		return a, err
	})
}

// saved sends a draft and gives the answer, which is kept with it.
func (s *Server) saved(c *call, d office.Draft, keep keeper, also func(*sqlite.Tx) error) (a answer, err error) {
	links := d.Also
	d.Also = func(tx *sqlite.Tx, saved office.Document) error {
		if links != nil {
			if err := links(tx, saved); err != nil {
				return err
			}
		}
		if a, err = savedAnswer(saved); err != nil {
			return err
		}
		if err := also(tx); err != nil {
			return err
		}
		return keep(tx, a)
	}
	if _, err := s.o.Office.Send(c.ctx(), d); err != nil {
		return answer{}, err
	}
	return a, nil
}

func savedAnswer(d office.Document) (answer, error) {
	body, err := encode(savedOf(d))
	return answer{status: http.StatusCreated, location: Base + "/documents/" + d.ID.String(), body: body}, err
}

// Names of the parts of sendDocumentWithFiles.
const (
	partDocument = "document"
	partFile     = "file"
)

func (s *Server) sendFiles(c *call) error {
	parts, err := c.r.MultipartReader()
	if err != nil {
		return problem.New(problem.Usage, "api.multipart-form", "", nil).Because(err)
	}
	var q Draft
	raw, err := firstPart(parts, &q)
	if err != nil {
		return err
	}
	digest := sha256.New()
	writeField(digest, raw)
	var files []office.Upload
	var closers []io.Closer
	defer func() {
		for _, one := range closers {
			_ = one.Close() // read only
		}
	}()
	left := s.o.Limits.Total
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return cutShort(err)
		}
		if part.FormName() != partFile || part.FileName() == "" {
			return problem.New(problem.Usage, "api.multipart-part", shown(part.FormName()), i18n.Args{"name": shown(part.FormName())})
		}
		if len(files) >= s.o.Limits.Files {
			return problem.New(problem.Usage, "send.too-many-files", "files", i18n.Args{"limit": s.o.Limits.Files, "have": len(files) + 1})
		}
		content, err := s.stage(c.ctx(), part, min(left, s.o.Limits.File), part.FileName())
		if err != nil {
			return err
		}
		left -= content.Size
		body, err := s.o.Blobs.Reader(content)
		if err != nil {
			return err
		}
		closers = append(closers, body)
		writeField(digest, []byte(part.FileName()))
		writeField(digest, content.SHA256[:])
		files = append(files, office.Upload{Name: part.FileName(), Body: body})
	}
	return c.once(true, [32]byte(digest.Sum(nil)), func(keep keeper) (answer, error) {
		d, err := c.draft(q, files)
		if err != nil {
			return answer{}, err
		}
		return s.saved(c, d, keep, func(*sqlite.Tx) error { return nil })
	})
}

// firstPart reads the draft, which comes before the files.
func firstPart(parts *multipart.Reader, q *Draft) ([]byte, error) {
	part, err := parts.NextPart()
	if err != nil {
		return nil, problem.New(problem.Usage, "api.multipart-form", "", nil).Because(err)
	}
	if part.FormName() != partDocument {
		return nil, problem.New(problem.Usage, "api.multipart-part", shown(part.FormName()), i18n.Args{"name": shown(part.FormName())})
	}
	raw, err := io.ReadAll(io.LimitReader(part, MaxJSON+1))
	if err != nil {
		return nil, cutShort(err)
	}
	if len(raw) > MaxJSON {
		return nil, problem.New(problem.Usage, "api.body-too-large", "", i18n.Args{"most": MaxJSON})
	}
	if err := readJSON(raw, q); err != nil {
		return nil, err
	}
	if len(q.Files) > 0 {
		return nil, problem.New(problem.Usage, "api.json-unknown", "files", i18n.Args{"field": "files"})
	}
	return raw, nil
}

// writeField adds a field to a digest so that no two lists of fields are alike.
func writeField(w io.Writer, field []byte) {
	sum := sha256.Sum256(field)
	_, _ = w.Write(sum[:]) // a digest takes everything
}

// stage stores what comes, so that it is known before anything is done with it.
func (s *Server) stage(ctx context.Context, body io.Reader, limit int64, name string) (blob.Content, error) {
	content, err := s.o.Blobs.Stage(ctx, body, max(limit, 1))
	switch {
	case errors.Is(err, blob.ErrTooLarge):
		return content, problem.New(problem.Usage, "upload.too-large", "file", i18n.Args{"name": shown(name), "most": limit})
	case errors.Is(err, storage.ErrFull):
		return content, storing(err)
	case err != nil:
		return content, cutShort(err)
	}
	return content, nil
}

// ImportResult is what came of a message of edXML.
type ImportResult struct {
	Kind       string   `json:"kind"` // "document" or "status"
	StatusCode string   `json:"status_code,omitempty"`
	DryRun     bool     `json:"dry_run"`
	DocumentID string   `json:"document_id,omitempty"` // none of a document that was only tried
	EdXMLID    string   `json:"edxml_id"`
	Number     string   `json:"number"`
	Notation   string   `json:"notation"`
	Warnings   []Notice `json:"warnings"`
}

// Notice is something odd in a message that is taken all the same.
type Notice struct {
	Code  string `json:"code"`
	Field string `json:"field"`
	Value string `json:"value"`
	Text  Text   `json:"text"`
}

// messageSlack is what a message may be longer than its attachments in base64,
// bytes.
const messageSlack = 64 << 20

func (s *Server) importEdXML(c *call) error {
	name, err := c.text("name", MaxText)
	if err != nil {
		return err
	}
	cleared, err := c.flag("cleared")
	if err != nil {
		return err
	}
	try, err := c.flag("dry_run")
	if err != nil {
		return err
	}
	if name == "" {
		name = "edxml"
	}
	content, err := s.stage(c.ctx(), c.r.Body, s.o.Limits.Total/3*4+messageSlack, name)
	if err != nil {
		return err
	}
	return c.once(false, content.SHA256, func(keep keeper) (answer, error) {
		body, err := s.o.Blobs.Reader(content)
		if err != nil {
			return answer{}, err
		}
		defer body.Close()
		h := office.Handover{Body: body, Name: name, Cleared: cleared, Try: try, By: c.app.Actor(), App: c.app.Name, Permit: c.permit}
		if keep != nil {
			h.Also = func(tx *sqlite.Tx, done office.Imported) error {
				a, err := importAnswer(done, false)
				if err != nil {
					return err
				}
				return keep(tx, a)
			}
		}
		done, err := s.o.Office.Import(c.ctx(), h)
		if err != nil {
			return answer{}, err
		}
		return importAnswer(done, try)
	})
}

// permit asks for another scope where a message is the answer to a document, or
// takes one back.
func (c *call) permit(_ context.Context, kind string, about office.Document) error {
	if kind != office.KindStatus {
		return nil
	}
	scope := appkey.DocumentsAnswer
	if about.Box == office.Out {
		scope = appkey.DocumentsRecall
	}
	if !c.app.May(scope) {
		return c.lacks(scope)
	}
	return c.owns(about.ID)
}

func importAnswer(done office.Imported, try bool) (answer, error) {
	d := done.Document
	r := ImportResult{Kind: done.Kind, StatusCode: string(done.Code), DryRun: try, EdXMLID: d.EdXMLID, Number: d.Number, Notation: d.Notation, Warnings: []Notice{}}
	a := answer{status: http.StatusOK}
	if d.ID != (storage.ID{}) {
		r.DocumentID = d.ID.String()
	}
	if done.Kind == office.KindDocument && !try {
		a.status, a.location = http.StatusCreated, Base+"/documents/"+r.DocumentID
	}
	for _, w := range done.Warnings {
		r.Warnings = append(r.Warnings, Notice{w.Code, w.Field, w.Value, Text{w.Message(i18n.Vietnamese), w.Message(i18n.English)}})
	}
	var err error
	a.body, err = encode(r)
	return a, err
}

// reportText is the text of a report, in one line of at most office.MaxReason
// characters.
func reportText(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	if n := utf8.RuneCountInString(text); n > office.MaxReason {
		return "", problem.New(problem.Usage, "send.too-long", "text", i18n.Args{"field": "text", "limit": office.MaxReason, "have": n})
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return "", problem.New(problem.Usage, "send.characters", "text", i18n.Args{"field": "text"})
	}
	return text, nil
}
