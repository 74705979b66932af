package v1

import (
	"slices"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/storage"
)

// Words of the interface for channels and kinds of applicants, by their numbers.
var (
	channels       = map[dossier.Channel]string{dossier.AtDesk: "desk", dossier.Online: "online", dossier.ByPost: "post"}
	applicantKinds = map[dossier.ApplicantKind]string{dossier.Citizen: "citizen", dossier.Organisation: "organisation"}
)

// numberOf is the number behind a word, 0 for none.
func numberOf[N comparable](words map[N]string, word string) (n N) {
	for number, w := range words {
		if w == word {
			return number
		}
	}
	return n
}

// Standing is how far a dossier is: what is known of it without personal data.
type Standing struct {
	Status     int    `json:"status"` // of the national portal
	StatusName Text   `json:"status_name"`
	State      string `json:"state,omitempty"` // the same as the application calls it
}

// DossierActed says that an act is saved. It says nothing that can change, so that
// the same call again gets the same answer.
type DossierActed struct {
	ID        string `json:"id"`
	Code      string `json:"code"`
	Reference string `json:"reference,omitempty"`
	Standing
	FiledAt time.Time  `json:"filed_at"`
	DueAt   *time.Time `json:"due_at,omitempty"`
	// Word is the one on the receipt, for looking the status up.
	Word string `json:"word"`
}

// DossierLine is a dossier in a list. The applicant is masked.
type DossierLine struct {
	ID            string `json:"id"`
	Code          string `json:"code"`
	Reference     string `json:"reference,omitempty"`
	ProcedureCode string `json:"procedure_code"`
	Procedure     string `json:"procedure"`
	Applicant     string `json:"applicant"`
	Channel       string `json:"channel"`
	Standing
	Guest       bool       `json:"guest"`
	Owner       string     `json:"owner"`
	AcceptedAt  *time.Time `json:"accepted_at,omitempty"`
	DueAt       *time.Time `json:"due_at,omitempty"`
	PausedSince *time.Time `json:"paused_since,omitempty"`
	EndedAt     *time.Time `json:"ended_at,omitempty"`
	Outcome     string     `json:"outcome,omitempty"`
	ChangedAt   time.Time  `json:"changed_at"`
}

// DossierPage is one page of a list.
type DossierPage struct {
	Dossiers []DossierLine `json:"dossiers"`
	Next     string        `json:"next,omitempty"`
}

// Applicant is whose dossier it is.
type Applicant struct {
	Kind    string `json:"kind"`
	Name    string `json:"name"`
	Number  string `json:"number,omitempty"`
	Address string `json:"address,omitempty"`
	Phone   string `json:"phone,omitempty"`
	Email   string `json:"email,omitempty"`
	Agent   string `json:"agent,omitempty"`
}

// DossierPaper is a paper of the procedure, and in how many copies it is there.
type DossierPaper struct {
	Index    int    `json:"index"`
	Code     string `json:"code,omitempty"`
	Name     string `json:"name"`
	Kind     string `json:"kind"`
	Required bool   `json:"required"`
	Copies   int    `json:"copies"`
}

// DossierFee is a fee of the procedure, and whether it is paid.
type DossierFee struct {
	Index   int        `json:"index"`
	Code    string     `json:"code,omitempty"`
	Name    string     `json:"name"`
	Amount  int64      `json:"amount"`
	State   bool       `json:"state_fee"`
	PaidAt  *time.Time `json:"paid_at,omitempty"`
	Receipt string     `json:"receipt,omitempty"`
	Online  bool       `json:"online,omitempty"`
}

// DossierFile describes a file of a dossier.
type DossierFile struct {
	ID        int64     `json:"id"`
	Role      string    `json:"role"`
	Paper     *int      `json:"paper,omitempty"`
	Name      string    `json:"name"`
	MediaType string    `json:"media_type"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	AddedAt   time.Time `json:"added_at"`
	From      string    `json:"from"`
}

// DossierStep is something that happened to a dossier.
type DossierStep struct {
	Kind     string     `json:"kind"`
	KindName Text       `json:"kind_name"`
	At       time.Time  `json:"at"`
	Office   string     `json:"office"`
	Text     string     `json:"text,omitempty"`
	Legal    string     `json:"legal,omitempty"`
	DueAt    *time.Time `json:"due_at,omitempty"`
	Moot     bool       `json:"moot,omitempty"`
}

// DossierResult is what the office decided.
type DossierResult struct {
	Name   string `json:"name"`
	Number string `json:"number,omitempty"`
	Date   string `json:"date,omitempty"`
	Text   string `json:"text,omitempty"`
}

// DossierDocument is a document that was drafted for a dossier.
type DossierDocument struct {
	ID     string `json:"id"`
	Symbol string `json:"symbol"`
}

// DossierTransfer is a hand-over to another office, or from one.
type DossierTransfer struct {
	ID         string     `json:"id"`
	Task       string     `json:"task"`
	State      string     `json:"state"`
	From       Party      `json:"from"`
	To         Party      `json:"to"`
	Note       string     `json:"note,omitempty"`
	Answer     string     `json:"answer,omitempty"`
	SentAt     time.Time  `json:"sent_at"`
	TakenAt    *time.Time `json:"taken_at,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	DeadlineAt *time.Time `json:"deadline_at,omitempty"`
}

// Dossier is one as the interface shows it. What is the office's own matter (notes,
// hand-overs, documents, who works on it) is there for applications that see all.
type Dossier struct {
	ID        string `json:"id"`
	Code      string `json:"code"`
	Reference string `json:"reference,omitempty"`
	Word      string `json:"word,omitempty"` // none of a guest
	Standing
	Guest            bool              `json:"guest"`
	Owner            Party             `json:"owner"`
	ProcedureCode    string            `json:"procedure_code"`
	ProcedureVersion int               `json:"procedure_version"`
	Procedure        string            `json:"procedure"`
	FieldCode        string            `json:"field_code"`
	Field            string            `json:"field"`
	Subject          string            `json:"subject,omitempty"`
	Applicant        Applicant         `json:"applicant"`
	Erased           bool              `json:"erased,omitempty"`
	Channel          string            `json:"channel"`
	Sets             int               `json:"sets"`
	Way              string            `json:"way"`
	FiledAt          time.Time         `json:"filed_at"`
	AcceptedAt       *time.Time        `json:"accepted_at,omitempty"`
	FirstDueAt       *time.Time        `json:"first_due_at,omitempty"`
	DueAt            *time.Time        `json:"due_at,omitempty"`
	PausedSince      *time.Time        `json:"paused_since,omitempty"`
	EndedAt          *time.Time        `json:"ended_at,omitempty"`
	ReturnedAt       *time.Time        `json:"returned_at,omitempty"`
	ChangedAt        time.Time         `json:"changed_at"`
	Supplements      int               `json:"supplements"`
	Extensions       int               `json:"extensions"`
	Outcome          string            `json:"outcome,omitempty"`
	Handler          string            `json:"handler,omitempty"`
	Papers           []DossierPaper    `json:"papers"`
	Fees             []DossierFee      `json:"fees"`
	Files            []DossierFile     `json:"files"`
	Results          []DossierResult   `json:"results"`
	History          []DossierStep     `json:"history"`
	Documents        []DossierDocument `json:"documents,omitempty"`
	Transfers        []DossierTransfer `json:"transfers,omitempty"`
}

// PublicStatus is what somebody learns who has a receipt.
type PublicStatus struct {
	Code      string `json:"code"`
	Procedure string `json:"procedure"`
	Office    string `json:"office"`
	Standing
	Waits      bool       `json:"waits"`
	AcceptedAt *time.Time `json:"accepted_at,omitempty"`
	DueAt      *time.Time `json:"due_at,omitempty"`
	EndedAt    *time.Time `json:"ended_at,omitempty"`
	ReturnedAt *time.Time `json:"returned_at,omitempty"`
	Outcome    string     `json:"outcome,omitempty"`
}

// standing is a status in all its words.
func (v dossierView) standing(s code.Status) Standing {
	out := Standing{Status: int(s), StatusName: Text{s.Text(i18n.Vietnamese), s.Text(i18n.English)}}
	if v.states != nil {
		out.State, _ = v.states.Word(s) // "" where the application has no word for it
	}
	return out
}

// dossierView is how an application sees dossiers.
type dossierView struct {
	states *code.Mapping // nil: it has no words of its own
	all    bool          // sees what is the office's own matter
	secret func(code.Dossier) string
}

func (v dossierView) acted(d dossier.Dossier) DossierActed {
	return DossierActed{
		ID: d.ID.String(), Code: d.Code.String(), Reference: d.Reference, Standing: v.standing(d.Status), FiledAt: d.Filed.UTC(), DueAt: moment(d.Due), Word: v.secret(d.Code),
	}
}

func (v dossierView) line(l dossier.Listed) DossierLine {
	return DossierLine{
		ID: l.ID.String(), Code: l.Code.String(), Reference: l.Reference, ProcedureCode: l.ProcedureCode, Procedure: l.Procedure, Applicant: l.Applicant,
		Channel: channels[l.Channel], Standing: v.standing(l.Status), Guest: l.Guest, Owner: l.OwnerName, AcceptedAt: moment(l.Accepted), DueAt: moment(l.Due),
		PausedSince: moment(l.Paused), EndedAt: moment(l.Ended), Outcome: string(l.Outcome), ChangedAt: l.Changed.UTC(),
	}
}

func (v dossierView) whole(d dossier.Dossier) Dossier {
	p := d.Procedure
	out := Dossier{
		ID: d.ID.String(), Code: d.Code.String(), Reference: d.Reference, Standing: v.standing(d.Status), Guest: d.Guest, Owner: Party{d.Owner, d.OwnerName},
		ProcedureCode: p.Code.String(), ProcedureVersion: p.Version, Procedure: p.Name, FieldCode: p.Field.Code.String(), Field: p.Field.Name, Subject: d.Subject,
		Erased: d.Erased, Channel: channels[d.Channel], Sets: d.Sets, Way: string(d.Way), FiledAt: d.Filed.UTC(), AcceptedAt: moment(d.Accepted),
		FirstDueAt: moment(d.FirstDue), DueAt: moment(d.Due), PausedSince: moment(d.Paused), EndedAt: moment(d.End()), ReturnedAt: moment(d.Returned),
		ChangedAt: d.Changed.UTC(), Supplements: d.Supplements, Extensions: d.Extensions, Outcome: string(d.Outcome()),
		Papers: []DossierPaper{}, Fees: []DossierFee{}, Files: []DossierFile{}, Results: []DossierResult{}, History: []DossierStep{},
	}
	a := d.Applicant
	out.Applicant = Applicant{applicantKinds[a.Kind], a.Name, a.Number, a.Address, a.Phone, a.Email, a.Agent}
	if !d.Guest {
		out.Word = v.secret(d.Code)
	}
	for i, h := range d.Papers {
		out.Papers = append(out.Papers, DossierPaper{i, h.Paper.Code, h.Paper.Name, string(h.Paper.Kind), h.Paper.Required, h.Copies})
	}
	for i, c := range d.Charges {
		out.Fees = append(out.Fees, DossierFee{i, c.Fee.Code, c.Fee.Name, c.Fee.Amount, c.Fee.State, moment(c.Paid), c.Receipt, c.Online})
	}
	for _, f := range d.Files {
		out.Files = append(out.Files, fileOf(f))
	}
	for _, r := range d.Results {
		if r.Document == (storage.ID{}) {
			out.Results = append(out.Results, DossierResult{r.Name, r.Number, r.Date, r.Text})
		}
	}
	for _, e := range d.Events {
		if v.all || applicantsMatter(e) {
			out.History = append(out.History, stepOf(e))
		}
	}
	if v.all {
		out.own(d)
	}
	return out
}

func fileOf(f dossier.File) DossierFile {
	out := DossierFile{ID: f.ID, Role: string(f.Role), Name: f.Name, MediaType: f.Media, Size: f.Size, SHA256: f.SHA256, AddedAt: f.Added.UTC(), From: f.From}
	if f.Paper >= 0 {
		out.Paper = &f.Paper
	}
	return out
}

func stepOf(e dossier.Event) DossierStep {
	name := func(lang i18n.Lang) string { return i18n.T(lang, "dossier.kind."+string(e.Kind)) }
	return DossierStep{string(e.Kind), Text{name(i18n.Vietnamese), name(i18n.English)}, e.At.UTC(), e.Office, e.Text, e.Legal, moment(e.Due), e.Moot}
}

// inside are the kinds that are the office's own matter.
var inside = []dossier.Kind{
	dossier.Noted, dossier.Linked, dossier.Printed, dossier.HandedOn, dossier.HandTaken, dossier.Answered, dossier.HandBack, dossier.HandEnded,
}

func applicantsMatter(e dossier.Event) bool { return !e.Moot && !slices.Contains(inside, e.Kind) }

// own adds what is the office's own matter.
func (out *Dossier) own(d dossier.Dossier) {
	out.Handler = d.Handler
	for _, r := range d.Results {
		if r.Document != (storage.ID{}) {
			out.Documents = append(out.Documents, DossierDocument{r.Document.String(), r.Name})
		}
	}
	for _, t := range d.Transfers {
		out.Transfers = append(out.Transfers, DossierTransfer{
			ID: t.ID.String(), Task: string(t.Task), State: string(t.State), From: Party{t.From, t.FromName}, To: Party{t.To, t.ToName}, Note: t.Note, Answer: t.Answer,
			SentAt: t.Sent.UTC(), TakenAt: moment(t.Taken), EndedAt: moment(t.Ended), DeadlineAt: moment(t.Deadline),
		})
	}
}
