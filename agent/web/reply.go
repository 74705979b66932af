package web

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/storage"
	"tram/storage/sqlite"
)

// Replying is the incoming document that a new one answers.
type Replying struct {
	ID, Symbol string
	Offer      bool // there is work that the answer can finish
	Finish     bool
}

// replying fills the form of a document that answers another one.
func (s *site) replying(ctx context.Context, v *visit, view *SendView) error {
	text := v.r.URL.Query().Get("tra-loi")
	if text == "" {
		return nil
	}
	d, err := s.named(ctx, office.In, text)
	if err != nil {
		return err
	}
	view.To, view.Subject = d.From.Code, answerSubject(d)
	view.Reply, err = s.replyTo(ctx, v, d, true)
	return err
}

func (s *site) replyTo(ctx context.Context, v *visit, d office.Document, finish bool) (*Replying, error) {
	w, _, err := s.Handling.Of(ctx, d.ID)
	if err != nil {
		return nil, fmt.Errorf("read handling: %w", err)
	}
	return &Replying{ID: d.ID.String(), Symbol: joinDots(symbol(d), d.Subject), Finish: finish,
		Offer: d.State == office.Accepted && w.Finished.IsZero() && w.MayAnswer(v.actor())}, nil
}

// answerSubject is the trích yếu that an answer begins with; documents are
// Vietnamese.
func answerSubject(d office.Document) string {
	args := i18n.Args{"type": d.TypeName, "code": edxml.Code{Number: d.Number, Notation: d.Notation}.String(), "date": formatDocDate(d.Date), "from": partyName(d.From)}
	if d.TypeName == "" {
		args["type"] = i18n.T(i18n.Vietnamese, "web.reply.document")
	}
	subject := []rune(i18n.T(i18n.Vietnamese, "web.reply.subject", args))
	return string(subject[:min(len(subject), maxSubject)])
}

// replied reads back from the form which document is answered.
func (s *site) replied(ctx context.Context, v *visit, up *upload, view *SendView) error {
	text := up.field("reply")
	if text == "" {
		return nil
	}
	d, err := s.named(ctx, office.In, text)
	if err != nil {
		return err
	}
	view.Reply, err = s.replyTo(ctx, v, d, up.field("finish") != "")
	return err
}

// replyDraft has a draft answer a document, and the work on it noted in the
// transaction that saves the draft.
func (s *site) replyDraft(v *visit, r *Replying, d *office.Draft) {
	if r == nil {
		return
	}
	d.Replies = []storage.ID{uuid.MustParse(r.ID)}
	if !r.Offer {
		return
	}
	by := v.actor()
	d.Also = func(tx *sqlite.Tx, saved office.Document) error {
		return s.Handling.Answered(tx, saved, d.Replies, r.Finish, by)
	}
}
