package dossier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/sqlite"
)

// TakeCarried takes in the dossier that an accepted document of another office carries.
// The message has its code and its files; procedure, applicant and papers are what f
// says. It is a guest here: the sender is told by statuses of the document how it goes
// on. Taking it again returns the dossier that there is.
func (s *Store) TakeCarried(ctx context.Context, document storage.ID, f Filing, by Actor) (Dossier, error) {
	if d, ok, err := s.CarriedBy(ctx, document); err != nil || ok {
		return d, err
	}
	doc, err := s.carrier.Get(ctx, document)
	if err != nil {
		return Dossier{}, err
	}
	if doc.Box != office.In || doc.Dossier.IsZero() {
		return Dossier{}, problem.New(problem.Conflict, "dossier.carries-none", "", nil)
	}
	if doc.State != office.Accepted {
		return Dossier{}, problem.New(problem.Conflict, "dossier.carrier-open", "", i18n.Args{"code": doc.Dossier})
	}
	msg, err := s.carrier.Message(ctx, document)
	if err != nil {
		return Dossier{}, err
	}
	f.Code, f.At = doc.Dossier, time.Time{}
	d, err := s.check(ctx, f, by)
	if err != nil {
		return Dossier{}, err
	}
	own, err := s.stage(ctx, f.Files, len(d.Papers))
	if err != nil {
		return Dossier{}, err
	}
	came, err := s.stageAttachments(ctx, doc)
	if err != nil {
		return Dossier{}, err
	}
	t, err := s.carriedHere(&d, doc, msg)
	if err != nil {
		return Dossier{}, err
	}
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error { return s.takeCarried(tx, &d, t, came, own, by) })
	if sqlite.IsUnique(err) { // two at a time: the other one was first
		if d, ok, err := s.CarriedBy(ctx, document); err != nil || ok {
			return d, err
		}
	}
	if err != nil {
		return Dossier{}, saving(err)
	}
	return s.Get(ctx, d.ID)
}

// carriedHere makes a guest of a dossier, and the hand-over by which it came.
func (s *Store) carriedHere(d *Dossier, doc office.Document, msg *edxml.Document) (t Transfer, err error) {
	if t.ID, err = uuid.NewV7(); err != nil {
		return t, err
	}
	if d.ID, err = uuid.NewV7(); err != nil {
		return t, err
	}
	d.Owner, d.OwnerName, d.Guest, d.Transfer, d.Version = doc.From.Code, doc.From.Name, true, t.ID, 1
	_, outside := s.carrier.Outside(doc.From.Code)
	t = Transfer{
		ID: t.ID, Task: Decide, From: doc.From.Code, FromName: doc.From.Name, To: s.me, ToName: s.name, Note: doc.Subject, State: Delivered, Incoming: true,
		Sent: doc.Created, By: doc.From.Name, Outside: outside, Document: doc.ID,
	}
	if !msg.Due.IsZero() {
		t.Deadline, err = endOf(s.Calendar(), msg.Due.Day)
	}
	return t, err
}

func (s *Store) takeCarried(tx *sqlite.Tx, d *Dossier, t Transfer, came, own []staged, by Actor) error {
	due := t.Deadline
	if due.IsZero() {
		limit, err := workdays.Due(s.Calendar(), d.Procedure.Limit, tx.Now())
		if err != nil {
			return err
		}
		due, d.Uncovered = limit.At, limit.Uncovered || limit.Provisional
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err
	}
	d.Changed = tx.Now()
	e := Event{ID: id, Kind: Filed, At: tx.Now(), Learnt: tx.Now(), Office: s.me, By: by.Name, Due: due, Transfer: t.ID, Unsure: s.unsure()}
	seq, err := s.insertGuest(tx, d, e, t)
	if err != nil {
		return err
	}
	if err := insertCarrier(tx, t.Document, t.ID); err != nil {
		return err
	}
	a := &acting{s: s, tx: tx, by: by}
	if a.d, a.seq, err = load(tx, `seq = ?`, seq); err != nil {
		return err
	}
	if err := errors.Join(a.filesFrom(came, t.From), a.files(own)); err != nil {
		return err
	}
	return errors.Join(a.accept(tx.Now()), a.saveAlso())
}

// maxPayload is the largest payload that is read for [Store.CarriedFiling], in bytes.
const maxPayload = 1 << 20

// CarriedFiling is what a document that carries a dossier says of it for programs, as far
// as it does: the payload of DongBoHoSoMC among its attachments.
func (s *Store) CarriedFiling(ctx context.Context, doc office.Document) (f Filing, err error) {
	f = Filing{Code: doc.Dossier, Subject: doc.Subject, Channel: Online, Applicant: Applicant{Kind: Citizen}}
	for _, file := range doc.Attachments {
		if !strings.HasSuffix(strings.ToLower(file.Name), ".json") || file.Size > maxPayload {
			continue
		}
		_, body, err := s.carrier.Open(ctx, doc.ID, file.Index)
		if err != nil {
			return f, err
		}
		raw, err := io.ReadAll(io.LimitReader(body, maxPayload))
		if err = errors.Join(err, body.Close()); err != nil {
			return f, err
		}
		list, _, err := dongbo.Decode(raw)
		if err != nil { // another file
			continue
		}
		for _, h := range list {
			if c, err := code.ParseDossier(h.MaHoSo); err == nil && c.Key() == doc.Dossier.Key() {
				return f.from(h), nil
			}
		}
	}
	return f, nil
}

// from fills in what the payload has.
func (f Filing) from(h dongbo.HoSo) Filing {
	f.Procedure, _ = code.ParseProcedure(h.MaTTHC)
	f.Applicant = Applicant{Kind: max(ApplicantKind(h.LoaiDoiTuong), Citizen), Name: h.ChuHoSo, Number: h.SoGiayToChuHoSo, Email: h.Email, Phone: h.SoDienThoai}
	if h.TrichYeuHoSo != "" {
		f.Subject = h.TrichYeuHoSo
	}
	if c := Channel(h.KenhThucHien); c >= AtDesk && c <= ByPost {
		f.Channel = c
	}
	return f
}

// CarriedBy is the dossier that a document has carried; ok is false for none that is
// known here.
func (s *Store) CarriedBy(ctx context.Context, document storage.ID) (d Dossier, ok bool, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		d, _, err = load(tx, `seq = (SELECT t.dossier FROM dossier_carriers c JOIN dossier_transfers t ON t.id = c.transfer WHERE c.document = ?)`, document)
		return err
	})
	if errors.Is(err, unknown()) {
		return Dossier{}, false, nil
	}
	return d, err == nil, reading(err)
}

// stageAttachments takes the files of a document over as papers.
func (s *Store) stageAttachments(ctx context.Context, doc office.Document) (list []staged, err error) {
	for _, file := range doc.Attachments {
		c, err := s.attachment(ctx, doc.ID, file.Index)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

func (s *Store) attachment(ctx context.Context, document storage.ID, index int) (staged, error) {
	file, body, err := s.carrier.Open(ctx, document, index)
	if err != nil {
		return staged{}, err
	}
	defer body.Close()
	c, err := s.blobs.Stage(ctx, body, 0)
	if err != nil {
		return staged{}, saving(err)
	}
	return staged{Upload{Role: RolePaper, Paper: -1, Name: line(file.Name), Media: file.Type}, c}, nil
}

const (
	// carriedEvery is how often the feed of documents is read at least.
	carriedEvery = 10 * time.Minute
	// placeEvery is how often its place in the feed is written down at most: each time
	// is a commit, and there are five events in the life of a document. After a start
	// what came since is heard once more, which changes nothing.
	placeEvery = time.Hour
)

// heard is how far the feed of documents was read.
type heard struct {
	mu     sync.Mutex // held by the one that reads
	cursor string     // "": as far as it is written down
	kept   time.Time  // when that was last done
}

// RunCarried follows what happens to documents that carry dossiers, until ctx ends.
func (s *Store) RunCarried(ctx context.Context) error {
	if s.carrier == nil {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(carriedEvery)
	defer tick.Stop()
	for {
		changed := s.carrier.Changed()
		if err := s.HearCarried(ctx); err != nil && ctx.Err() == nil {
			s.log.Error("documents that carry dossiers not followed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// HearCarried takes what has happened to documents that carry dossiers since it was
// last called, each thing once (P2).
func (s *Store) HearCarried(ctx context.Context) error {
	s.heard.mu.Lock()
	defer s.heard.mu.Unlock()
	for {
		cursor, any, err := s.carriedPlace(ctx)
		if err != nil {
			return err
		}
		var entries []office.Entry
		next := ""
		if any {
			entries, next, err = s.carrier.Feed(ctx, cursor, 0)
		} else {
			next, err = s.carrier.FeedEnd(ctx)
		}
		var p *problem.Problem
		if errors.As(err, &p) && p.Code == "feed.cursor" { // of another life of the store
			entries, next, err = s.carrier.Feed(ctx, "", 0)
		}
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := s.hearEntry(ctx, e); err != nil {
				return fmt.Errorf("document %s: %w", e.Document, err)
			}
		}
		if next == cursor {
			return nil
		}
		if err := s.keepPlace(ctx, next); err != nil || !any {
			return err
		}
	}
}

// keepPlace remembers how far the feed was read, and writes it down now and then.
func (s *Store) keepPlace(ctx context.Context, cursor string) error {
	s.heard.cursor = cursor
	now := s.now()
	if now.Sub(s.heard.kept).Abs() < placeEvery {
		return nil
	}
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO dossier_feed (one, cursor) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET cursor = ?1`, cursor)
		return err
	})
	if err == nil {
		s.heard.kept = now
	}
	return err
}

// carriedPlace is how far the feed was read; any tells whether a document has carried
// a dossier at all.
func (s *Store) carriedPlace(ctx context.Context) (cursor string, any bool, err error) {
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT coalesce((SELECT cursor FROM dossier_feed), ''), EXISTS (SELECT 1 FROM dossier_carriers)`).Scan(&cursor, &any)
	})
	if s.heard.cursor != "" {
		cursor = s.heard.cursor
	}
	return cursor, any, err
}

// hearEntry takes what happened to one document.
func (s *Store) hearEntry(ctx context.Context, e office.Entry) error {
	if e.Box == office.In && e.Type == office.DocumentAccepted && e.Carries != "" {
		return s.hearDocument(ctx, e)
	}
	return saving(s.db.Update(ctx, func(tx *sqlite.Tx) error {
		var transfer storage.ID
		err := tx.QueryRow(`SELECT c.transfer FROM dossier_carriers c WHERE c.document = ?`, e.Document).Scan(&transfer)
		if noRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.hearStatus(tx, transfer, e)
	}))
}

// hearDocument takes the files of an accepted document that carries more of a dossier
// which is under way with its sender: a result, or papers that were missing.
func (s *Store) hearDocument(ctx context.Context, e office.Entry) error {
	doc, err := s.carrier.Get(ctx, e.Document)
	if err != nil {
		return err
	}
	var transfer storage.ID
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT t.id FROM dossier_transfers t JOIN dossiers d ON d.seq = t.dossier
			WHERE d.code_key = ? AND lower(t.peer) = ? AND d.erased = 0 AND t.id IN (SELECT transfer FROM dossier_carriers)
			AND NOT EXISTS (SELECT 1 FROM dossier_carriers WHERE document = ?) ORDER BY t.id DESC LIMIT 1`,
			doc.Dossier.Key(), registry.Key(doc.From.Code), doc.ID).Scan(&transfer)
	})
	if noRows(err) {
		return nil
	}
	if err != nil {
		return err
	}
	list, err := s.stageAttachments(ctx, doc)
	if err != nil {
		return err
	}
	return saving(s.db.Update(ctx, func(tx *sqlite.Tx) error {
		a, t, err := s.following(tx, transfer)
		if err != nil {
			return err
		}
		if err := insertCarrier(tx, doc.ID, transfer); err != nil {
			return err
		}
		if !t.Incoming {
			for i := range list {
				list[i].Role = RoleResult
			}
		}
		if err := a.filesFrom(list, doc.From.Code); err != nil {
			return err
		}
		v := s.carriedEvent(tx, t, e)
		v.Kind, v.Text = Noted, i18n.T(i18n.Vietnamese, "dossier.carried.came", i18n.Args{"subject": doc.Subject, "files": len(list)})
		if t.Incoming && !a.d.Paused.IsZero() {
			v.Kind = Supplemented
		}
		if t.Incoming {
			err = a.heardFromAsking(v)
		} else {
			err = a.heardFromAsked(t, v, nil)
		}
		return errors.Join(err, a.save())
	}))
}

// filesFrom adds files of another office.
func (a *acting) filesFrom(list []staged, from string) error {
	for _, f := range list {
		if err := insertFile(a.tx, a.seq, File{Role: f.Role, Paper: f.Paper, Name: f.Name, Media: f.Media, From: from, Content: f.content}); err != nil {
			return err
		}
	}
	return nil
}

// carriedEvent is an entry of the feed as an event of the other office. It is the same
// however often the feed is read.
func (s *Store) carriedEvent(tx *sqlite.Tx, t *Transfer, e office.Entry) Event {
	v := Event{At: e.At, Office: t.To, By: t.ToName, Text: e.Note, Transfer: t.ID}
	if t.Incoming {
		v.Office, v.By = t.From, t.FromName
	}
	if !inYears(v.At) || v.At.After(tx.Now()) { // no clock of Trạm stands behind it
		v.At = e.Learnt
	}
	v.ID = uuid.NewSHA1(t.ID, fmt.Appendf(nil, "%s %s %s %d %s", e.Document, e.Type, e.Code, e.At.UnixMilli(), e.Note))
	return v
}

// hearStatus takes what happened to a document by which a dossier was handed over.
func (s *Store) hearStatus(tx *sqlite.Tx, transfer storage.ID, e office.Entry) error {
	a, t, err := s.following(tx, transfer)
	if err != nil || a.d.Erased || t.Document != e.Document {
		return err
	}
	v := s.carriedEvent(tx, t, e)
	for _, old := range a.d.Events {
		if old.ID == v.ID {
			return nil
		}
	}
	switch {
	case t.Incoming && e.Type == office.DocumentRecalled:
		v.Kind = HandEnded
		return errors.Join(a.heardFromAsking(v), a.save())
	case t.Incoming || !t.running():
		return nil
	case e.Type == office.DocumentFailed, e.Type == office.DocumentWithdrawn, e.Type == office.DocumentRecalled:
		return s.fail(tx, transfer, e.Note)
	}
	switch _, meaning := code.FromEdXML(e.Code, 0); meaning {
	case code.Delivered:
		if t.State == Sending {
			t.State = Delivered
		}
		return a.saveTransfers(false)
	case code.TurnedAway:
		v.Kind = Refused
	case code.TakenOn:
		v.Kind = Accepted
	case code.InProgress:
		if v.Kind = Noted; t.State != Taken {
			v.Kind = Accepted
		}
	case code.Completed:
		v.Kind = Finished
	default:
		return nil
	}
	var results []Result
	if v.Kind == Finished {
		results = []Result{{Name: i18n.T(i18n.Vietnamese, "dossier.carried.done", i18n.Args{"office": t.ToName}), Text: v.Text}}
	}
	return errors.Join(a.heardFromAsked(t, v, results), a.save())
}
