package dossier

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/storage"
	"tram/storage/sqlite"
)

// Carrier takes dossiers to offices that are not on Trạm, and answers those that came
// so, by documents of this office; *office.Office is one.
type Carrier interface {
	Documents
	Feed
}

// Documents are those of this office.
type Documents interface {
	// Outside finds an office that documents reach and sealed messages do not.
	Outside(code string) (office.Party, bool)
	Get(ctx context.Context, id storage.ID) (office.Document, error)
	Message(ctx context.Context, id storage.ID) (*edxml.Document, error)
	Open(ctx context.Context, id storage.ID, index int) (office.Attachment, io.ReadSeekCloser, error)
	Send(ctx context.Context, d office.Draft) (office.Document, error)
	Recall(ctx context.Context, id storage.ID, to []string, reason, by string) (office.Document, error)
	TellCarried(ctx context.Context, id storage.ID, code edxml.StatusCode, text, by string) error
}

// Feed is what happens to documents.
type Feed interface {
	Feed(ctx context.Context, after string, limit int) (entries []office.Entry, next string, err error)
	FeedEnd(ctx context.Context) (string, error)
	Changed() <-chan struct{}
}

// carry tells what is owed to an office by documents and their statuses.
func (s *Store) carry(ctx context.Context, o owing) (more bool, err error) {
	if o.transfer.Incoming {
		return s.answerCarried(ctx, o)
	}
	ended := slices.IndexFunc(o.step.Events, func(e Event) bool { return ends[e.Kind] })
	switch first := o.transfer.Document == (storage.ID{}); {
	case first && ended < 0, !first && len(o.files) > 0 && o.transfer.running():
		return s.sendCarrier(ctx, o, first)
	case !first && ended >= 0 && (o.transfer.State == Ended || o.transfer.running()):
		e := o.step.Events[ended]
		reason := e.Text
		if reason == "" {
			reason = i18n.T(i18n.Vietnamese, "dossier.kind."+string(e.Kind), nil)
		}
		if _, err := s.carrier.Recall(ctx, o.transfer.Document, nil, reason, e.By); err != nil {
			return false, err
		}
	}
	return s.settleCarried(ctx, o)
}

// ends are the kinds with which an office that was asked has nothing to do any more.
var ends = map[Kind]bool{HandEnded: true, Withdrawn: true, Stopped: true, Recalled: true, Finished: true}

// sendCarrier has a document carry the dossier, or files of it that came later.
func (s *Store) sendCarrier(ctx context.Context, o owing, first bool) (more bool, err error) {
	t, d := o.transfer, o.dossier
	args := i18n.Args{"code": d.Code, "procedure": d.Procedure.Name, "task": i18n.Say("web.dossier.task." + string(t.Task)), "note": t.Note}
	subject := "dossier.carried.subject"
	if !first {
		subject = "dossier.carried.more"
	}
	draft := office.Draft{
		To: []string{t.To}, Carries: d.Code, By: t.By, Key: "dossier " + t.ID.String() + " " + strconv.FormatInt(o.said, 10),
		Subject: clip(i18n.T(i18n.Vietnamese, subject, args), office.MaxSubject), Content: clip(i18n.T(i18n.Vietnamese, "dossier.carried.content", args), office.MaxContent),
	}
	draft.Also = func(tx *sqlite.Tx, saved office.Document) (err error) {
		more, err = s.carriedBy(tx, o, saved.ID)
		return err
	}
	var list []Upload
	if first {
		if list, err = s.enclosed(ctx, d); err != nil {
			return false, err
		}
	}
	err = s.sendFiles(ctx, draft, list, o)
	return more, err
}

// payloadSuffix ends the name of the file that tells of a dossier what DongBoHoSoMC does.
const payloadSuffix = ".DongBoHoSoMC.json"

// enclosed are the files that go with a dossier: the control sheet for people, and what
// it is for programs.
func (s *Store) enclosed(ctx context.Context, d Dossier) ([]Upload, error) {
	sheet, err := s.sheet(ctx, d)
	if err != nil {
		return nil, fmt.Errorf("make the sheet of a dossier: %w", err)
	}
	payload, err := d.hoSo().Encode()
	if err != nil { // people can read the sheet
		s.log.Warn("a dossier is handed over without its payload", "code", d.Code, "reason", err)
		return []Upload{sheet}, nil
	}
	return []Upload{sheet, {Name: d.Code.String() + payloadSuffix, Body: bytes.NewReader(payload)}}, nil
}

// sendFiles sends a document with the files of a step behind those of list.
func (s *Store) sendFiles(ctx context.Context, draft office.Draft, list []Upload, o owing) error {
	for _, u := range list {
		draft.Files = append(draft.Files, office.Upload{Name: u.Name, Body: u.Body})
	}
	for _, f := range o.files {
		body, err := s.blobs.Reader(f.Content)
		if err != nil {
			return err
		}
		defer body.Close()
		draft.Files = append(draft.Files, office.Upload{Name: f.Name, Body: body})
	}
	_, err := s.carrier.Send(ctx, draft)
	return err
}

// carriedBy notes within the transaction that saves a document that it carries what was
// owed.
func (s *Store) carriedBy(tx *sqlite.Tx, o owing, document storage.ID) (more bool, err error) {
	if err := insertCarrier(tx, document, o.transfer.ID); err != nil {
		return false, err
	}
	if o.transfer.Document == (storage.ID{}) {
		a, t, err := s.following(tx, o.transfer.ID)
		if err != nil {
			return false, err
		}
		t.Document = document
		if err := a.saveTransfers(false); err != nil {
			return false, err
		}
	}
	o.said++
	return o.settled(tx)
}

func insertCarrier(tx *sqlite.Tx, document, transfer storage.ID) error {
	_, err := tx.Exec(`INSERT INTO dossier_carriers (document, transfer) VALUES (?, ?)`, document, transfer)
	return err
}

func (s *Store) settleCarried(ctx context.Context, o owing) (more bool, err error) {
	o.said++
	err = s.db.Update(ctx, func(tx *sqlite.Tx) error {
		more, err = o.settled(tx)
		return err
	})
	return more, saving(err)
}

// statuses are those that a dossier gets here by what happens, as its sender is told.
var statuses = map[Kind]code.Status{
	Accepted: code.Received, Refused: code.Refused, Started: code.Processing, Noted: code.Processing, Reopened: code.Processing,
	SupplementAsked: code.Supplement, PaymentAsked: code.Payment, Stopped: code.Stopped, Finished: code.Done,
}

// answerCarried tells the office whose document has carried a dossier here how it goes
// on, and sends the result.
func (s *Store) answerCarried(ctx context.Context, o owing) (more bool, err error) {
	var before []code.Status
	for _, e := range o.dossier.Events {
		status, told := statuses[e.Kind]
		if !told || e.Moot || e.Office != s.me || e.seq > o.told {
			continue
		}
		if slices.ContainsFunc(o.step.Events, func(owed Event) bool { return owed.ID == e.ID }) {
			if err := s.tellCarried(ctx, o, e, status, before); err != nil {
				return false, err
			}
		}
		before = append(before, status)
	}
	if len(o.files) == 0 {
		return s.settleCarried(ctx, o)
	}
	draft := office.Draft{
		To: []string{o.transfer.From}, Carries: o.dossier.Code, By: o.transfer.TakenBy, Replies: []storage.ID{o.transfer.Document},
		Key:     "dossier " + o.transfer.ID.String() + " " + strconv.FormatInt(o.said, 10),
		Subject: clip(i18n.T(i18n.Vietnamese, "dossier.carried.result", i18n.Args{"code": o.dossier.Code, "procedure": o.dossier.Procedure.Name}), office.MaxSubject),
	}
	draft.Also = func(tx *sqlite.Tx, saved office.Document) (err error) {
		more, err = s.carriedBy(tx, o, saved.ID)
		return err
	}
	err = s.sendFiles(ctx, draft, nil, o)
	return more, err
}

func (s *Store) tellCarried(ctx context.Context, o owing, e Event, status code.Status, before []code.Status) error {
	r, tell, err := code.ToEdXML(status, e.Text, before...)
	if err != nil || !tell {
		return err
	}
	err = s.carrier.TellCarried(ctx, o.transfer.Document, r.Code, clip(r.Description, office.MaxReason), e.By)
	var p *problem.Problem
	if errors.As(err, &p) && p.Class == problem.Conflict {
		s.log.Warn("the sender of a dossier is not told", "code", o.dossier.Code, "status", string(r.Code), "reason", p)
		return nil // its document was recalled: it wants to hear no more
	}
	return err
}

// clip shortens a text to a number of characters.
func clip(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}
