package register

import (
	"slices"
	"time"
)

// Slip is the phiếu gửi of a document: its track on paper, as proof of what was
// sent to whom and who signed for it.
type Slip struct {
	Superior string
	Office   string
	Place    string
	Date     time.Time // when the slip was made

	Code       string // số và ký hiệu
	Issued     time.Time
	Type       string
	Subject    string
	Urgency    string // "" for an ordinary one
	Identifier string // mã định danh văn bản
	Files      []SlipFile
	To         []SlipTo
}

// SlipFile is an attachment.
type SlipFile struct {
	Name   string
	Size   string // as a person reads it
	SHA256 string
}

// SlipTo is what happened on the way to one recipient.
type SlipTo struct {
	Party Party
	State string
	Steps []SlipStep
}

// SlipStep is one step of the track.
type SlipStep struct {
	What  string
	When  string // with how far that clock could be trusted
	Proof string // who signed for it
}

// PDF makes the slip, A4 upright.
func (s Slip) PDF() ([]byte, error) {
	pages := s.draw()
	return makePDF(word("slip.title")+" "+Clean(s.Code), s.Office, s.Date, slices.Values(pages))
}

func (s Slip) draw() []page {
	f := newFlow()
	f.letterhead(s.Superior, s.Office, "", dateLine(s.Place, s.Date))
	f.text(word("slip.title"), bold, 14_000, Center)
	f.gap(mm(30))
	for _, field := range []struct{ key, value string }{
		{"slip.code", s.Code}, {"slip.issued", Day(s.Issued)}, {"slip.type", s.Type}, {"slip.subject", s.Subject},
		{"slip.urgency", s.Urgency}, {"slip.identifier", s.Identifier},
	} {
		if value := Clean(field.value); value != "" {
			f.text(word(field.key)+": "+value, regular, textSize, Left)
			f.gap(mm(8))
		}
	}
	if len(s.Files) > 0 {
		f.gap(mm(20))
		f.need(mm(300))
		f.text(word("slip.files"), bold, textSize, Left)
		f.gap(mm(10))
		rows := make([][]string, len(s.Files))
		for i, file := range s.Files {
			rows[i] = []string{file.Name, file.Size, file.SHA256}
		}
		f.table([]int{640, 220, 790}, []string{word("slip.file"), word("slip.size"), word("slip.sha256")}, rows)
	}
	for _, to := range s.To {
		f.gap(mm(30))
		f.need(mm(300))
		f.text(to.Party.String(), bold, textSize, Left)
		f.text(word("slip.state")+": "+Clean(to.State), regular, textSize, Left)
		f.gap(mm(10))
		rows := make([][]string, len(to.Steps))
		for i, step := range to.Steps {
			rows[i] = []string{step.What, step.When, step.Proof}
		}
		f.table([]int{560, 480, 610}, []string{word("slip.step"), word("slip.when"), word("slip.proof")}, rows)
	}
	f.number()
	return f.pages
}
