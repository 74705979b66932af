package register

import (
	"slices"
	"time"

	"tram/agent/typeset"
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
	f := typeset.NewFlow()
	letterhead(f, s.Superior, s.Office, "", dateLine(s.Place, s.Date))
	f.Text(word("slip.title"), bold, 14_000, Center)
	f.Gap(mm(30))
	for _, field := range []struct{ key, value string }{
		{"slip.code", s.Code}, {"slip.issued", Day(s.Issued)}, {"slip.type", s.Type}, {"slip.subject", s.Subject},
		{"slip.urgency", s.Urgency}, {"slip.identifier", s.Identifier},
	} {
		if value := Clean(field.value); value != "" {
			f.Text(word(field.key)+": "+value, regular, typeset.TextSize, Left)
			f.Gap(mm(8))
		}
	}
	if len(s.Files) > 0 {
		f.Gap(mm(20))
		f.Need(mm(300))
		f.Text(word("slip.files"), bold, typeset.TextSize, Left)
		f.Gap(mm(10))
		rows := make([][]string, len(s.Files))
		for i, file := range s.Files {
			rows[i] = []string{file.Name, file.Size, file.SHA256}
		}
		f.Table([]typeset.TableColumn{{Width: 640}, {Width: 220}, {Width: 790}}, []string{word("slip.file"), word("slip.size"), word("slip.sha256")}, rows)
	}
	for _, to := range s.To {
		f.Gap(mm(30))
		f.Need(mm(300))
		f.Text(to.Party.String(), bold, typeset.TextSize, Left)
		f.Text(word("slip.state")+": "+Clean(to.State), regular, typeset.TextSize, Left)
		f.Gap(mm(10))
		rows := make([][]string, len(to.Steps))
		for i, step := range to.Steps {
			rows[i] = []string{step.What, step.When, step.Proof}
		}
		f.Table([]typeset.TableColumn{{Width: 560}, {Width: 480}, {Width: 610}}, []string{word("slip.step"), word("slip.when"), word("slip.proof")}, rows)
	}
	f.Number()
	return f.Pages
}
