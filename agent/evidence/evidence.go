// Package evidence is what a hub testifies about the way of a document: a
// record of events, named after ETSI EN 319 522-1, under the hub's seal.
//
// The sender's office, the recipient's, and anybody to whom either shows it can
// check a record with the hub's CA alone, long after the hub is gone. Silence
// is testified too: what did not happen by its time is an event of its own.
//
// The package promises that a record which opens was sealed by the witness that
// it names and says what that witness wrote, and that hostile bytes make it
// neither panic nor allocate beyond the limits below. It is pure over keys. The
// format is specified in agent/README.md.
package evidence

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"tram/agent/seal"
	"tram/sync/bundle"
	"tram/sync/wire"
)

// Name is an event of ETSI EN 319 522-1, clause 6.
type Name string

// Events. Those that the recipient itself testifies are its statuses: 01 is
// ContentHandover, 03 ConsignmentAcceptance, 02 ConsignmentRejection.
const (
	// SubmissionAcceptance: the hub took the document over from the sender's
	// office.
	SubmissionAcceptance Name = "SubmissionAcceptance"
	// SubmissionRejection: the hub refused it to the sender's office, for good.
	SubmissionRejection Name = "SubmissionRejection"
	// RelayAcceptance: the hub took it over from another hub.
	RelayAcceptance Name = "RelayAcceptance"
	// RelayRejection: another hub refused it for good.
	RelayRejection Name = "RelayRejection"
	// RelayFailure: another hub did not take it over by its time.
	RelayFailure Name = "RelayFailure"
	// ContentConsignment: the recipient's box has all of it and has signed for
	// that.
	ContentConsignment Name = "ContentConsignment"
	// ContentConsignmentFailure: it could not be delivered, or was not by its
	// time.
	ContentConsignmentFailure Name = "ContentConsignmentFailure"
	// ContentHandover, ConsignmentAcceptance and ConsignmentRejection are how
	// the statuses of a recipient are called here.
	ContentHandover       Name = "ContentHandover"
	ConsignmentAcceptance Name = "ConsignmentAcceptance"
	ConsignmentRejection  Name = "ConsignmentRejection"
)

// Reason says why something failed.
type Reason string

// Reasons. Only Late is not final: the document is still offered.
const (
	Late          Reason = "late"          // not by the time that its urgency gives
	Expired       Reason = "expired"       // not within its lifetime
	Undeliverable Reason = "undeliverable" // never: there is no way there, or it was refused
	Refused       Reason = "refused"       // by the witness itself
)

// Limits, hard.
const (
	// MaxRecord is the largest record, in bytes.
	MaxRecord = 512 << 10
	// MaxEvents is how many events a record may hold.
	MaxEvents = 4096
	// MaxSealed is the largest sealed record, in bytes.
	MaxSealed = 256 << 10
)

// MediaType of a record.
const MediaType = "application/json"

const version = 1

var (
	// ErrMalformed says that the bytes are no record, or of another version.
	ErrMalformed = errors.New("malformed evidence")
	// ErrWitness says that a record was not sealed by the witness that it names.
	ErrWitness = errors.New("evidence is of another witness")
)

// Event is one thing that happened to a document, or did not.
type Event struct {
	Name   Name      `json:"event"`
	At     time.Time `json:"at"`               // the witness's clock, whole milliseconds
	Office string    `json:"office,omitempty"` // the recipient concerned; "": all
	Reason Reason    `json:"reason,omitempty"` // of a failure
	Code   wire.Code `json:"code,omitzero"`    // of a refusal, as in REFUSE
}

// Final reports whether a failure is the end for its recipient.
func (e Event) Final() bool { return e.Failed() && e.Reason != Late }

// Failed reports whether the event is a negative one.
func (e Event) Failed() bool {
	return e.Name == SubmissionRejection || e.Name == RelayRejection || e.Name == RelayFailure || e.Name == ContentConsignmentFailure || e.Name == ConsignmentRejection
}

// Record is what one witness says about one document.
type Record struct {
	Document uuid.UUID // id of the bundle
	Header   [32]byte  // SHA-256 of its signed header
	From     string    // code of the sender's office
	Witness  string    // code of the hub that testifies
	Events   []Event   // at least one, oldest first
}

type recordJSON struct {
	Version  int       `json:"v"`
	Document uuid.UUID `json:"document"`
	Header   string    `json:"header"`
	From     string    `json:"from"`
	Witness  string    `json:"witness"`
	Events   []Event   `json:"events"`
}

// encode gives the bytes that are sealed.
func (r Record) encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	j := recordJSON{Version: version, Document: r.Document, Header: hex.EncodeToString(r.Header[:]), From: r.From, Witness: r.Witness}
	for _, e := range r.Events {
		e.At = e.At.UTC().Truncate(time.Millisecond)
		j.Events = append(j.Events, e)
	}
	return json.MarshalIndent(j, "", " ")
}

func (r Record) check() error {
	if r.Document == uuid.Nil || bundle.CheckCode(r.From) != nil || bundle.CheckCode(r.Witness) != nil {
		return fmt.Errorf("%w: document, sender or witness", ErrMalformed)
	}
	if len(r.Events) == 0 || len(r.Events) > MaxEvents {
		return fmt.Errorf("%w: %d events", ErrMalformed, len(r.Events))
	}
	for _, e := range r.Events {
		if e.Name == "" || len(e.Name) > 64 || len(e.Reason) > 64 || e.At.IsZero() || e.Office != "" && bundle.CheckCode(e.Office) != nil {
			return fmt.Errorf("%w: event", ErrMalformed)
		}
	}
	return nil
}

// Decode reads the bytes of a record. It checks the form, no seal. Fields that
// it does not know are ignored.
func Decode(raw []byte) (Record, error) {
	if len(raw) > MaxRecord {
		return Record{}, fmt.Errorf("read evidence: %w: too large", ErrMalformed)
	}
	var j recordJSON
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&j); err != nil {
		return Record{}, fmt.Errorf("read evidence: %w: %w", ErrMalformed, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Record{}, fmt.Errorf("read evidence: %w: something follows", ErrMalformed)
	}
	if j.Version != version {
		return Record{}, fmt.Errorf("read evidence: %w: version %d, this program reads %d", ErrMalformed, j.Version, version)
	}
	r := Record{Document: j.Document, From: j.From, Witness: j.Witness, Events: j.Events}
	sum, err := hex.DecodeString(j.Header)
	if err != nil || len(sum) != sha256.Size {
		return Record{}, fmt.Errorf("read evidence: %w: header", ErrMalformed)
	}
	r.Header = [32]byte(sum)
	if err := r.check(); err != nil {
		return Record{}, fmt.Errorf("read evidence: %w", err)
	}
	return r, nil
}

// Seal gives a record under the seal of its witness, as a sealed head (package
// seal) that joins the document's container.
func Seal(r Record, s seal.Sealer) ([]byte, error) {
	raw, err := r.encode()
	if err != nil {
		return nil, fmt.Errorf("seal evidence: %w", err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("seal evidence: %w", err)
	}
	head, err := s.Seal(seal.Named{Name: seal.EvidenceName(r.Witness, id.String()), MediaType: MediaType, Data: raw}, nil)
	if err != nil {
		return nil, fmt.Errorf("seal evidence: %w", err)
	}
	if len(head) > MaxSealed {
		return nil, fmt.Errorf("seal evidence: %w: %d bytes", ErrMalformed, len(head))
	}
	return head, nil
}

// Open reads a sealed record and checks its seal with the roots that roots
// gives for the witness. [ErrWitness] when the seal does not hold or is of
// somebody else; the error says which.
func Open(head []byte, roots seal.Roots, now time.Time) (Record, error) {
	r, opened, err := open(head, roots, now)
	if err != nil {
		return Record{}, fmt.Errorf("open evidence: %w", err)
	}
	switch v := opened.Verdict; {
	case v.Reason == seal.ReasonNoRoots:
		return Record{}, fmt.Errorf("open evidence: %w: nobody knows witness %q", ErrWitness, r.Witness)
	case v.Result == seal.Failed:
		return Record{}, fmt.Errorf("open evidence: %w: seal %s", ErrWitness, v.Reason)
	case v.Code != r.Witness:
		return Record{}, fmt.Errorf("open evidence: %w: sealed by %q, not %q", ErrWitness, v.Code, r.Witness)
	}
	return r, nil
}

// Peek reads a sealed record without judging the seal, for one who passes it on.
func Peek(head []byte) (Record, error) {
	r, _, err := open(head, func(string) *x509.CertPool { return nil }, time.Time{})
	if err != nil {
		return Record{}, fmt.Errorf("read evidence: %w", err)
	}
	return r, nil
}

func open(head []byte, roots seal.Roots, now time.Time) (Record, seal.Head, error) {
	if len(head) > MaxSealed {
		return Record{}, seal.Head{}, fmt.Errorf("%w: too large", ErrMalformed)
	}
	h, err := seal.OpenHead(head, nil, now)
	if err != nil {
		return Record{}, h, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	r, err := Decode(h.Message)
	if err != nil {
		return Record{}, h, err
	}
	if !seal.IsEvidence(h.MessageName, r.Witness) || len(h.Files) > 0 {
		return Record{}, h, fmt.Errorf("%w: it is named %q", ErrMalformed, h.MessageName)
	}
	if pool := roots(r.Witness); pool != nil {
		h, err = seal.OpenHead(head, pool, now)
	}
	return r, h, err
}
