package lgsp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"tram/agent/connector"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
)

// send hands a document to the axis, once.
func (a *axis) send(ctx context.Context, doc office.Document) error {
	if !a.waits(doc) {
		return nil
	}
	ref, begun, err := a.state.attempt(ctx, doc.ID)
	if err != nil {
		return err
	}
	if ref == "" && !begun.IsZero() {
		if ref, err = a.there(ctx, doc, begun); err != nil {
			return err
		}
	}
	if ref == "" {
		ref, err = a.hand(ctx, doc)
	}
	var r *refused
	switch {
	case errors.As(err, &r) && final[r.code]:
		why := i18n.Say("problem."+r.p.Code, r.p.Args)
		if err := a.desk.Unreached(ctx, doc.ID, a.env.Name, nil, why); err != nil {
			return err
		}
		return connector.Permanent(err)
	case err != nil:
		return err
	}
	if err := a.state.end(ctx, doc.ID, ref); err != nil {
		return err
	}
	return a.desk.Handed(ctx, doc.ID, a.env.Name, ref)
}

// waits reports whether recipients of the connector still have to get it. Those
// that the axis has refused get it when a person has it replayed.
func (a *axis) waits(doc office.Document) bool {
	if !doc.Expires.IsZero() && !a.env.Now().Before(doc.Expires) {
		return false
	}
	for _, r := range doc.To {
		if r.Via != a.env.Name {
			continue
		}
		switch r.State {
		case office.Saved, office.Sending, office.Failed:
			return true
		}
	}
	return false
}

// there asks the axis for a document that it may have: the answer was lost. An
// axis without that call says that it has none.
func (a *axis) there(ctx context.Context, doc office.Document, begun time.Time) (ref string, err error) {
	if a.axis.Paths.Sent == none {
		return "", nil
	}
	from := begun.Add(-24 * time.Hour).In(edxml.Vietnam)
	err = a.axis.list(ctx, a.axis.Paths.Sent, kindDocument, from, a.tomorrow(), func(e entry) error {
		if string(e.DocumentID) == doc.EdXMLID && e.DocID != "" {
			ref = string(e.DocID)
		}
		return nil
	})
	if errors.Is(err, errMissing) {
		return "", nil
	}
	return ref, err
}

// tomorrow is the last day that lists are asked for: clocks differ.
func (a *axis) tomorrow() time.Time { return a.env.Now().In(edxml.Vietnam).Add(24 * time.Hour) }

// hand sends a document. What the axis refuses it does not have.
func (a *axis) hand(ctx context.Context, doc office.Document) (ref string, err error) {
	file, size, err := a.spool(ctx, func(w io.Writer) error { return a.desk.ExportFor(ctx, doc.ID, a.env.Name, w) })
	if err != nil {
		if ctx.Err() == nil && connector.Refused(err) {
			return "", connector.Permanent(err)
		}
		return "", err
	}
	defer discard(file)
	if err := a.state.begin(ctx, doc.ID, doc.EdXMLID); err != nil {
		return "", err
	}
	ref, err = a.axis.send(ctx, kindDocument, file, size)
	var r *refused
	if errors.As(err, &r) {
		if err := a.state.forget(context.WithoutCancel(ctx), doc.ID); err != nil {
			return "", err
		}
	}
	if err == nil && ref == "" {
		ref = doc.EdXMLID // the axis says nothing of it
	}
	return ref, err
}

// spool writes a message to a file, so that its length is known before it goes.
func (a *axis) spool(_ context.Context, write func(io.Writer) error) (_ *os.File, size int64, err error) {
	file, err := os.CreateTemp(a.env.Dir, spoolPattern)
	if err != nil {
		return nil, 0, fmt.Errorf("make file to send: %w", err)
	}
	defer func() {
		if err != nil {
			discard(file)
		}
	}()
	if err := write(file); err != nil {
		return nil, 0, err
	}
	if size, err = file.Seek(0, io.SeekCurrent); err != nil {
		return nil, 0, fmt.Errorf("read file to send: %w", err)
	}
	if _, err = file.Seek(0, io.SeekStart); err != nil {
		return nil, 0, fmt.Errorf("read file to send: %w", err)
	}
	return file, size, nil
}

// discard removes a file that is made again when it is needed.
func discard(file *os.File) {
	_ = file.Close()
	_ = os.Remove(file.Name())
}

// tell tells the axis a status that this office has given to a document.
func (a *axis) tell(ctx context.Context, doc office.Document, e office.Entry) error {
	if doc.Origin == nil || doc.Origin.Ref == "" {
		return nil
	}
	if a.axis.Statuses == byUpdate {
		return lasting(a.axis.update(ctx, doc.Origin.Ref, string(e.Code)))
	}
	return a.status(ctx, doc, e, doc.From.Code)
}

// recall asks a recipient of the connector to take a document back, which is
// always a message of its own.
func (a *axis) recall(ctx context.Context, doc office.Document, e office.Entry) error {
	for _, r := range doc.To {
		if r.Code == e.Office && r.Via == a.env.Name {
			return a.status(ctx, doc, e, r.Code)
		}
	}
	return nil
}

// status sends a status message about a document to an office.
func (a *axis) status(ctx context.Context, doc office.Document, e office.Entry, to string) error {
	date, _ := edxml.ParseDate(doc.Date)
	s := &edxml.Status{
		From: edxml.Organ{ID: a.env.Office.Code, Name: a.env.Office.Name, InCharge: a.env.Office.Name},
		ResponseFor: edxml.ResponseFor{
			OrganID: to, DocumentID: doc.EdXMLID, Code: edxml.Code{Number: doc.Number, Notation: doc.Notation}.String(), Date: date,
		},
		Code: e.Code, Time: e.At, Description: words(e),
	}
	file, size, err := a.spool(ctx, func(w io.Writer) error { return edxml.EncodeStatus(w, s) })
	if err != nil {
		return err
	}
	defer discard(file)
	_, err = a.axis.send(ctx, kindStatus, file, size)
	return lasting(err)
}

// words are what the status says beside its code, in the language of documents.
func words(e office.Entry) string {
	if e.Said != nil {
		return e.Said.Text(i18n.Vietnamese)
	}
	return e.Note
}
