package office

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/seal"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Mail is a message that another part of this office, such as the dossiers, sends
// to the same part of other offices. It travels as a document does: sealed by this
// office, encrypted to the recipients, kept here until each has receipted. What it
// says is that part's business. It goes to offices on Trạm alone.
type Mail struct {
	Kind    bundle.Kind // one with a [Mailbox]
	To      []string    // office codes, of today or before
	Urgency Urgency
	Name    string // of the message in the sealed container, such as "dossier.json"
	Media   string // type of the message
	Message []byte // at most seal.MaxMessage
	Files   []MailFile
	Seal    string // action as of [SealDocument]; "" seals with the enrolment's
	By      string // who sends it, for the audit log; "" is the program itself
}

// MailFile is a file that goes with a message. Its content belongs to the part
// that sends or takes the message, which keeps it from being swept.
type MailFile struct {
	Name    string
	Entry   string // name in the sealed container, which SealMail makes from Name
	Media   string
	Content blob.Content
}

// SealedMail is a message ready for [Office.PutMail], and what its sender keeps
// as evidence of what it has sealed.
type SealedMail struct {
	ID               storage.ID
	To               []Party           // of today
	Moved            map[string]string // of those named by an old code, that code by the one of today
	Created, Expires time.Time
	Header           []byte       // signed bundle header
	Head             blob.Content // sealed head: message, manifest and seal
	Files            []MailFile   // as given, with their entries

	kind   bundle.Kind
	by     string
	stamp  [sha256.Size]byte
	parcel parcel
}

// SealMail checks a message, seals it and encrypts it to its recipients, outside
// of any transaction: content may be large and a seal key slow. Nothing is saved
// until [Office.PutMail], which must follow within blob.Grace. All faults come at
// once as a problem.List that names the fields to, urgency, message and files.
func (o *Office) SealMail(ctx context.Context, m Mail) (SealedMail, error) {
	if o.boxOf(m.Kind) == nil {
		return SealedMail{}, fmt.Errorf("seal mail: nobody here takes answers to kind %s", m.Kind)
	}
	r := &review{o: o, tram: true}
	to, moved := r.recipients(m.To)
	files := r.mail(m)
	if err := r.faults.Err(); err != nil {
		return SealedMail{}, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return SealedMail{}, fmt.Errorf("seal mail: %w", err)
	}
	now := o.now()
	s := SealedMail{
		ID: id, Moved: moved, Created: now, Expires: now.Add(o.limits.Lifetime), Files: append([]MailFile(nil), m.Files...), kind: m.Kind, by: m.By,
	}
	for i, f := range files {
		s.Files[i].Entry = f.entry
	}
	for _, c := range to {
		s.To = append(s.To, Party{c.Code, c.Name})
	}
	if err := o.sealMail(ctx, m, &s, files, to); err != nil {
		return SealedMail{}, err
	}
	return s, nil
}

// mail checks a message but for its recipients.
func (r *review) mail(m Mail) []file {
	if m.Urgency > maxUrgency {
		r.fault("send.urgency", "urgency", nil)
	}
	if n := int64(len(m.Message)); n == 0 || n > seal.MaxMessage {
		r.fault("mail.message", "message", i18n.Args{"limit": sizeText(seal.MaxMessage), "have": sizeText(n)})
	}
	if len(m.Files) > r.o.limits.Files {
		r.fault("send.too-many-files", "files", i18n.Args{"limit": r.o.limits.Files, "have": len(m.Files)})
		return nil
	}
	taken := map[string]bool{strings.ToLower(m.Name): true}
	files := make([]file, 0, len(m.Files))
	left := r.o.limits.Total
	for i, f := range m.Files {
		file := r.name(f.Name, i, true)
		file.content, file.media, file.entry = f.Content, f.Media, seal.SafeName(file.name, taken)
		files = append(files, file)
		args := i18n.Args{"name": file.shown, "limit": sizeText(r.o.limits.File), "total": sizeText(r.o.limits.Total)}
		left -= f.Content.Size
		switch {
		case f.Content.Size == 0:
			r.fault("send.file-empty", "files", args)
		case f.Content.Size > r.o.limits.File:
			r.fault("send.file-too-large", "files", args)
		case left < 0:
			r.fault("send.total-too-large", "files", args)
		}
	}
	return files
}

func (o *Office) sealMail(ctx context.Context, m Mail, s *SealedMail, files []file, to []registry.Card) (err error) {
	message := seal.Named{Name: m.Name, MediaType: m.Media, Data: m.Message}
	var head []byte
	if m.Seal == "" {
		head, err = o.sealer.Load().Seal(message, sealedFiles(files))
	} else {
		head, err = o.sealAs(ctx, m.Seal, message, sealedFiles(files))
	}
	if err != nil {
		return fmt.Errorf("seal mail: %w", err)
	}
	if s.Head, err = o.stage(ctx, head); err != nil {
		return err
	}
	if s.stamp, err = seal.StampOn(head, seal.StampName(o.me.Trust.Hub)); err != nil {
		return fmt.Errorf("seal mail: %w", err)
	}
	s.parcel, err = o.pack(ctx, bundle.Header{
		ID: s.ID, Kind: m.Kind, Stamp: s.stamp, Urgency: uint8(m.Urgency), Created: s.Created, Expires: s.Expires,
	}, head, files, to)
	s.Header = s.parcel.bundle.Header
	return err
}

// sealedFiles are files as a seal covers them.
func sealedFiles(files []file) (sealed []seal.File) {
	for _, f := range files {
		sealed = append(sealed, seal.File{Name: f.entry, MediaType: f.media, SHA256: f.content.SHA256, Size: f.content.Size})
	}
	return sealed
}

// PutMail saves a message for sending in the caller's transaction: it is durable
// with what else that holds, or not at all (P1). What becomes of it is told to the
// [Mailbox]. Putting the same again does nothing.
func (o *Office) PutMail(tx *sqlite.Tx, m SealedMail) error {
	if len(m.parcel.contents) == 0 {
		return fmt.Errorf("put mail %s: it is not from SealMail", m.ID)
	}
	known, err := findMail(tx, m.ID)
	if err != nil || known.seq != 0 {
		return err
	}
	if err := insertMail(tx, m); err != nil {
		return err
	}
	if err := o.offer(tx, m.parcel); err != nil {
		return storing(err)
	}
	return audit.Append(tx, audit.Entry{Actor: o.actor(m.by), Action: actionMail, Subject: m.ID.String(), Detail: map[string]string{
		"kind": m.kind.String(), "recipients": strconv.Itoa(len(m.To)), "files": strconv.Itoa(len(m.Files)), "header": hexDigest(m.Header),
	}})
}
