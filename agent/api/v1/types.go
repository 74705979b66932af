package v1

import (
	"cmp"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
)

// Document is one as the interface shows it.
type Document struct {
	ID            string        `json:"id"`
	Box           office.Box    `json:"box"`
	Medium        office.Medium `json:"medium"`
	State         office.State  `json:"state"`
	Urgency       Urgency       `json:"urgency"`
	From          Party         `json:"from"`
	To            []Recipient   `json:"to"`
	Subject       string        `json:"subject"`
	Number        string        `json:"number"`
	Notation      string        `json:"notation"`
	Type          string        `json:"type"`
	TypeName      string        `json:"type_name"`
	Date          string        `json:"date"`
	EdXMLID       string        `json:"edxml_id"`
	Carries       string        `json:"carries,omitempty"` // code of a dossier
	ArrivalNumber int           `json:"arrival_number,omitempty"`
	Reason        *Text         `json:"reason,omitempty"`
	FiledAt       time.Time     `json:"filed_at"`
	ExpiresAt     time.Time     `json:"expires_at"`
	Size          int64         `json:"size"`
	Attachments   []Attachment  `json:"attachments"`
	Seal          *Seal         `json:"seal,omitempty"`
	Signatures    string        `json:"signatures,omitempty"`
	// Request is the newest one about an incoming document.
	Request *SenderRequest `json:"request,omitempty"`
	Links   []Link         `json:"links,omitempty"`
	// Handling is not in lists.
	Handling *Handling `json:"handling,omitempty"`
	// Via names the connector through which an incoming document of an office
	// outside of Trạm came.
	Via string `json:"via,omitempty"`
}

// Urgency is a level of NĐ 30/2020 in words.
type Urgency string

// urgencies are the levels in rising order.
var urgencies = []Urgency{"thuong", "khan", "thuong-khan", "hoa-toc"}

func urgencyOf(u office.Urgency) Urgency { return urgencies[min(int(u), len(urgencies)-1)] }

// Text is what people read, in both languages. What a person wrote is the same
// in both.
type Text struct {
	Vi string `json:"vi"`
	En string `json:"en"`
}

// textOf is nil for no text.
func textOf(in func(i18n.Lang) string) *Text {
	t := Text{in(i18n.Vietnamese), in(i18n.English)}
	if t == (Text{}) {
		return nil
	}
	return &t
}

// Party is an office.
type Party struct {
	Code string `json:"code"`
	Name string `json:"name"`
}

// Recipient is an addressee and how far the document came with it.
type Recipient struct {
	Party
	State         office.State `json:"state,omitempty"`
	ArrivalNumber string       `json:"arrival_number,omitempty"`
	Reason        *Text        `json:"reason,omitempty"`
	Via           string       `json:"via,omitempty"`
	Recall        *Ask         `json:"recall,omitempty"`
	Update        *Ask         `json:"update,omitempty"`
}

// Attachment describes a file of a document.
type Attachment struct {
	Index     int    `json:"index"`
	Name      string `json:"name"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
}

// Seal is the verdict on the seal of an incoming document.
type Seal struct {
	Verdict   string    `json:"verdict"`
	Reason    string    `json:"reason,omitempty"`
	Code      string    `json:"code"`
	Name      string    `json:"name"`
	Role      string    `json:"role,omitempty"`
	Person    string    `json:"person,omitempty"`
	SignedAt  time.Time `json:"signed_at"`
	CheckedAt time.Time `json:"checked_at"`
	Issuer    string    `json:"issuer"`
	Serial    string    `json:"serial"`
}

func documentOf(d office.Document) Document {
	out := Document{
		ID: d.ID.String(), Box: d.Box, Medium: cmp.Or(d.Medium, office.Electronic), State: d.State, Urgency: urgencyOf(d.Urgency), From: Party(d.From), To: []Recipient{},
		Subject: d.Subject, Number: d.Number, Notation: d.Notation, Type: d.Type, TypeName: d.TypeName, Date: d.Date, EdXMLID: d.EdXMLID, Carries: d.Dossier.String(),
		ArrivalNumber: d.Arrival, Reason: textOf(d.ReasonIn), FiledAt: d.Created.UTC(), ExpiresAt: d.Expires.UTC(), Size: d.Size,
		Attachments: []Attachment{}, Signatures: string(d.Signatures), Request: requestOf(d.Request), Links: linksOf(d.Links),
	}
	if d.Origin != nil {
		out.Via = d.Origin.Via
	}
	for _, r := range d.To {
		out.To = append(out.To, Recipient{
			Party: Party(r.Party), State: r.State, ArrivalNumber: r.Number, Reason: textOf(r.ReasonIn), Via: r.Via,
			Recall: askOf(r.Recall), Update: askOf(r.Update),
		})
	}
	for _, a := range d.Attachments {
		out.Attachments = append(out.Attachments, Attachment{Index: a.Index, Name: a.Name, MediaType: a.Type, Size: a.Size, SHA256: a.SHA256})
	}
	if s := d.Seal; s != nil {
		out.Seal = &Seal{
			Verdict: s.Verdict, Reason: s.Reason, Code: s.Signer, Name: s.Name, Role: s.Role, Person: s.Person,
			SignedAt: s.SignedAt.UTC(), CheckedAt: s.Checked.UTC(), Issuer: s.Issuer, Serial: s.Serial,
		}
	}
	return out
}

// Saved says that a document is safe here and will be sent. It says nothing that
// can change, so that the same call again gets the same answer.
type Saved struct {
	ID        string    `json:"id"`
	Number    string    `json:"number"`
	Notation  string    `json:"notation"`
	EdXMLID   string    `json:"edxml_id"`
	Size      int64     `json:"size"`
	SavedAt   time.Time `json:"saved_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func savedOf(d office.Document) Saved {
	return Saved{
		ID: d.ID.String(), Number: d.Number, Notation: d.Notation, EdXMLID: d.EdXMLID, Size: d.Size,
		SavedAt: d.Created.UTC().Truncate(time.Millisecond), ExpiresAt: d.Expires.UTC().Truncate(time.Millisecond),
	}
}

// DocumentPage is one page of a list.
type DocumentPage struct {
	Documents []Document `json:"documents"`
	Next      string     `json:"next,omitempty"`
}

// Step is one step of a track.
type Step struct {
	State    office.State `json:"state"`
	Office   string       `json:"office,omitempty"`
	At       time.Time    `json:"at"`
	LearntAt time.Time    `json:"learnt_at"`
	Signer   string       `json:"signer,omitempty"`
	Evidence string       `json:"evidence,omitempty"`
	Note     *Text        `json:"note,omitempty"`
}

// Track is the way of a document.
type Track struct {
	ID       string       `json:"id"`
	State    office.State `json:"state"`
	Steps    []Step       `json:"steps"`
	Progress *Progress    `json:"progress,omitempty"`
}

// Progress is the live state of a transfer.
type Progress struct {
	Sent  int64 `json:"sent"`
	Total int64 `json:"total"`
}

// Check is a verdict on the signatures inside an attachment.
type Check struct {
	Attachment int       `json:"attachment"`
	Verdict    string    `json:"verdict"`
	Cause      string    `json:"cause"`
	Frozen     bool      `json:"frozen"`
	CheckedAt  time.Time `json:"checked_at"`
}

// CheckList is the history of verdicts, oldest first.
type CheckList struct {
	Checks []Check `json:"checks"`
}

// Line is one line of a register.
type Line struct {
	Document  Document  `json:"document"`
	EnteredAt time.Time `json:"entered_at"`
}

// RegisterPage is one page of a register.
type RegisterPage struct {
	Lines []Line `json:"lines"`
	Next  string `json:"next,omitempty"`
}

// OfficeCard is an entry of the directory.
type OfficeCard struct {
	Code      string   `json:"code"`
	Name      string   `json:"name"`
	Kind      string   `json:"kind,omitempty"`
	Parent    string   `json:"parent,omitempty"`
	Hub       bool     `json:"hub"`
	Reachable bool     `json:"reachable"`
	Successor string   `json:"successor,omitempty"`
	OldCodes  []string `json:"old_codes,omitempty"`
}

// OfficeList is what a search found.
type OfficeList struct {
	Offices []OfficeCard `json:"offices"`
}

// Arriving is something that the hub is handing over.
type Arriving struct {
	ID       string  `json:"id"`
	From     string  `json:"from"`
	Urgency  Urgency `json:"urgency"`
	Size     int64   `json:"size"`
	Received int64   `json:"received"`
	Held     bool    `json:"held"`
}

// ArrivingList lists them.
type ArrivingList struct {
	Arriving []Arriving `json:"arriving"`
}

// Event is one thing that happened to a document, or to a dossier.
type Event struct {
	Cursor     string           `json:"cursor"`
	Type       office.EntryType `json:"type"`
	DocumentID string           `json:"document_id,omitempty"`
	EdXMLID    string           `json:"edxml_id,omitempty"`
	Box        office.Box       `json:"box,omitempty"`
	State      office.State     `json:"state,omitempty"`
	StatusCode string           `json:"status_code,omitempty"`
	Office     string           `json:"office,omitempty"`
	At         time.Time        `json:"at"`
	LearntAt   time.Time        `json:"learnt_at"`
	Note       *Text            `json:"note,omitempty"`
	Dossier    *DossierEvent    `json:"dossier,omitempty"`
}

// DossierEvent is what happened to a dossier, without personal data.
type DossierEvent struct {
	ID   string `json:"id"`
	Code string `json:"code"`
	Kind string `json:"kind"`
	Standing
	DueAt *time.Time `json:"due_at,omitempty"`
}

// EventPage is a part of the feed.
type EventPage struct {
	Events []Event `json:"events"`
	Next   string  `json:"next"`
}

// Me is what an application may know of itself.
type Me struct {
	App     MyApp  `json:"app"`
	Office  Party  `json:"office"`
	Limits  Limits `json:"limits"`
	Version string `json:"version"`
}

// MyApp is the key that was used.
type MyApp struct {
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Scopes    []string   `json:"scopes"`
	Own       bool       `json:"own"`
	Rate      int        `json:"rate"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// Limits are those of this office.
type Limits struct {
	FileBytes     int64 `json:"file_bytes"`
	DocumentBytes int64 `json:"document_bytes"`
	Files         int   `json:"files"`
	Recipients    int   `json:"recipients"`
	PageSize      int   `json:"page_size"`
	WaitSeconds   int   `json:"wait_seconds"`
	CallsAtOnce   int   `json:"calls_at_once"`
	UploadHours   int   `json:"upload_hours"`
}
