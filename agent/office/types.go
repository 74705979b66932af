package office

import (
	"io"
	"time"

	"tram/agent/docsign"
	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/storage"
	"tram/storage/sqlite"
)

// Box says whether a document came or goes.
type Box string

// The two boxes.
const (
	In  Box = "in"
	Out Box = "out"
)

// Urgency is the level of NĐ 30/2020, numbered as edXML's Priority.
type Urgency uint8

// The levels, in rising order.
const (
	Thuong     Urgency = 0
	Khan       Urgency = 1
	ThuongKhan Urgency = 2
	HoaToc     Urgency = 3
	maxUrgency         = HoaToc
)

// State is the furthest step of a document, or of one recipient of it.
type State string

// States of outgoing documents follow the five-step track; an incoming
// document is Arrived until a clerk accepts or returns it.
const (
	Saved     State = "saved"     // safe on this machine
	Sending   State = "sending"   // the first byte left
	AtHub     State = "hub"       // the hub has signed custody
	Delivered State = "delivered" // status 01: at the recipient's machine
	Accepted  State = "accepted"  // status 03
	Returned  State = "returned"  // status 02, with a reason
	Failed    State = "failed"    // refused for good, undeliverable or expired
	Arrived   State = "arrived"   // incoming, no one has acted on it
	Withdrawn State = "withdrawn" // out: taken back before the first byte left
	Issued    State = "issued"    // out: went on paper, by post or by hand
	Recalled  State = "recalled"  // cancelled on the order of the office that issued it
)

// Party is an office as a document names it.
type Party struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Recipient is one addressee and how far the document came with it.
type Recipient struct {
	Party
	State  State  `json:"state"`
	Number string `json:"number,omitempty"` // its số đến, once accepted
	Reason string `json:"reason,omitempty"` // of a return or failure; for people by [Recipient.ReasonIn]
	// Why is Reason as a message, when a program says it. Reason then holds the
	// Vietnamese words.
	Why *i18n.Said `json:"why,omitempty"`
	// Via names the connector through which an office outside of Trạm is
	// reached, "" for one over Trạm.
	Via string `json:"via,omitempty"`
	// Recall and Update are what it was asked and answered, nil for nothing.
	Recall *Ask `json:"recall,omitempty"`
	Update *Ask `json:"update,omitempty"`
}

// Attachment is one file of a document. Index counts from 0 in the order of
// the sender.
type Attachment struct {
	Index  int    `json:"index"`
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // lower-case hex, of the plain file
	Type   string `json:"type"`   // media type, from the name only
}

// Event is one step of the track. At is the time at the place where it
// happened; Learnt when this office learnt it. Evidence says which signed
// record stands behind it, "" when the step is only this machine's word.
type Event struct {
	Step State `json:"step"`
	// Code is the status of edXML behind the step, "" when none is.
	Code   edxml.StatusCode `json:"code,omitempty"`
	Office string           `json:"office"` // the recipient concerned, "" for all
	At     time.Time        `json:"at"`
	Learnt time.Time        `json:"learnt"`
	Signer string           `json:"signer"`         // office, hub or authority that signed the evidence
	Note   string           `json:"note,omitempty"` // for people by [Event.Words]
	// Said is Note as a message, when a program says it. Note then holds the
	// Vietnamese words, of evidence the key.
	Said     *i18n.Said `json:"said,omitempty"`
	Evidence string     `json:"evidence,omitempty"` // "seal", "custody", "status", "notice", "evidence", "stamp"; "foreign" is an unsigned word from outside of Trạm
}

// Seal is the verdict on an incoming document's office seal, frozen when it
// was filed.
type Seal struct {
	Verdict  string    `json:"verdict"` // "passed", "indeterminate", "failed"
	Reason   string    `json:"reason,omitempty"`
	Signer   string    `json:"signer"`
	Name     string    `json:"name"`
	Role     string    `json:"role,omitempty"`   // what the seal stands for: "agency", "leader", "copy"; from Get only
	Person   string    `json:"person,omitempty"` // who sealed, "" for the office as such; from Get only
	SignedAt time.Time `json:"signed_at"`
	Checked  time.Time `json:"checked"`
	Issuer   string    `json:"issuer"`
	Serial   string    `json:"serial"`
}

// Document is a document as pages, command line and API see it.
type Document struct {
	ID          storage.ID   `json:"id"`
	Box         Box          `json:"box"`
	Medium      Medium       `json:"medium"`
	From        Party        `json:"from"`
	To          []Recipient  `json:"to"` // of an incoming one this office, from Get all of them, the others without state
	Subject     string       `json:"subject"`
	Number      string       `json:"number"`   // số
	Notation    string       `json:"notation"` // ký hiệu
	Type        string       `json:"type"`     // abbreviation of NĐ 30, "CV" for công văn
	TypeName    string       `json:"type_name"`
	Date        string       `json:"date"` // of the document, yyyy-mm-dd
	Urgency     Urgency      `json:"urgency"`
	State       State        `json:"state"`             // out: the step that all recipients reached, but Returned or Failed as soon as one is
	Arrival     int          `json:"arrival,omitempty"` // số đến, 0 until accepted
	Reason      string       `json:"reason,omitempty"`  // for people by [Document.ReasonIn]
	Why         *i18n.Said   `json:"why,omitempty"`     // as that of a recipient
	Created     time.Time    `json:"created"`           // saved (out) or filed (in) here
	Expires     time.Time    `json:"expires"`
	Size        int64        `json:"size"` // sum of the attachments, bytes
	Attachments []Attachment `json:"attachments"`
	Events      []Event      `json:"events,omitempty"` // only from Get
	Seal        *Seal        `json:"seal,omitempty"`   // only of incoming ones
	Origin      *Origin      `json:"origin,omitempty"` // of an incoming one from outside of Trạm, which has no seal
	// Signatures is the worst of the newest verdicts on its attachments'
	// signatures, "" while none was looked at; only of incoming ones.
	Signatures  docsign.Verdict `json:"signatures,omitempty"`
	Checks      []Check         `json:"checks,omitempty"`       // newest verdict on each attachment's signatures; only of incoming ones, from Get
	TrustReason string          `json:"trust_reason,omitempty"` // why it was accepted although a signature was not valid, from Get
	EdXMLID     string          `json:"edxml_id"`               // classic DocumentId
	Progress    *Progress       `json:"progress,omitempty"`     // only from Get, of an outgoing one under way
	Request     *Request        `json:"request,omitempty"`      // newest that this office got about it; only of incoming ones
	Paper       *PaperFacts     `json:"paper,omitempty"`        // only of paper documents
	Twins       []Twin          `json:"twins,omitempty"`        // earlier ones that an incoming one may be the same as, from Get
	Links       []Link          `json:"links,omitempty"`        // to those that it updates, replaces or answers, and that do so to it
	Dossier     code.Dossier    `json:"dossier,omitzero"`       // one-stop dossier that it carries
}

// Upload is a file being handed over. Body is read once, to its end.
type Upload struct {
	Name string
	Body io.Reader
}

// Draft is what a clerk or program hands over to be sent.
type Draft struct {
	To             []string // office codes
	Subject        string
	Urgency        Urgency
	Type           string // abbreviation, "" for CV
	Number         string // "" takes the next number of the year
	Notation       string // "" is made from the type and the office's abbreviation
	Date           string // yyyy-mm-dd, "" for today
	Signer         string // full name, "" leaves the office's default
	Position       string
	Content        string // summary; "" repeats the subject
	Classification string // anything but "" is a state secret and refused
	Cleared        bool   // a person has read the warning of a secret's mark in the words and declares that there is no state secret
	Copied         bool   // a copy (sao y, sao lục, trích sao): sealed with the seal for copies
	Files          []Upload
	By             string // sign-in name or "cli", for the audit log
	Changes        Changes
	Replies        []storage.ID // incoming documents that it answers
	// Carries is the one-stop dossier that it carries to an office that takes none in
	// another way. Such a document bears the dossier's code in the place of a number and
	// stands in no register of documents.
	Carries code.Dossier
	// Key names the draft for a program that may hand it over again after a
	// crash: then the document that was saved under it is returned, whatever the
	// rest of the draft says. "" is none; at most MaxKey bytes, unique in this office.
	Key string
	Handed
}

// Handed is what an application adds to what it hands over. The zero value is a
// person's.
type Handed struct {
	App string // its name, see [Office.AppOf]; "" for a person
	// Also runs in the transaction that saves the document: what it writes is
	// durable with the document or not at all, and its error refuses the
	// document. It must not wait for anything. nil does nothing more.
	Also func(tx *sqlite.Tx, saved Document) error `json:"-"`
}

// Query selects documents for a list. Newest first, urgent ones not reordered.
type Query struct {
	Box    Box
	States []State // any of; none for all
	Offset int
	Limit  int // at most MaxPage; 0 for DefaultPage
}

// MaxWork is how many documents of each kind the work list shows.
const MaxWork = 25

// Page sizes of lists.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// Progress is the live state of one outgoing transfer.
type Progress struct {
	Sent  int64         `json:"sent"` // bytes as they travel
	Total int64         `json:"total"`
	Rate  float64       `json:"rate"`    // bytes per second, smoothed over about 5 s
	Left  time.Duration `json:"left_ns"` // 0 when unknown or the link is down
}

// Work is the clerk's list of what to do.
type Work struct {
	Urgent   []Document // urgent, not yet accepted
	ToAccept []Document // others, not yet accepted
	Requests []Document // whose senders wait for an answer to a recall or an update
	Returned []Document // came back to us
	Failed   []Document // could not be sent
	Unsent   []Document // saved more than a working day ago, still not at the hub
	Count    WorkCount  // how many there are, also of those that are not listed
	LastIn   time.Time  // of the newest incoming document, zero when none
}

// WorkCount counts the documents of each kind of [Work].
type WorkCount struct{ Urgent, ToAccept, Requests, Returned, Failed, Unsent int }

// Summary is the queue in figures, for the link strip and `tram status`.
type Summary struct {
	Waiting      int       `json:"waiting"` // documents not yet at the hub
	WaitingBytes int64     `json:"waiting_bytes"`
	Oldest       time.Time `json:"oldest,omitzero"` // creation of the oldest of them
	ByUrgency    [4]int    `json:"by_urgency"`
	// Since is the creation of the oldest of them by urgency; zero: there is none.
	Since      [4]time.Time `json:"-"`
	Unaccepted int          `json:"unaccepted"` // incoming without an answer
	LastIn     time.Time    `json:"last_in,omitzero"`
	LastOut    time.Time    `json:"last_out,omitzero"`
}
