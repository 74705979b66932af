package register

import (
	"slices"
	"strings"
	"time"

	"tram/agent/typeset"
)

// Handling is the phiếu giải quyết văn bản đến of Phụ lục IV. What is empty
// becomes dots to write on.
type Handling struct {
	Superior string
	Office   string
	Place    string
	Date     time.Time // zero leaves it blank

	Type    string // tên loại
	Code    string // số và ký hiệu
	Issued  time.Time
	Author  string // cơ quan ban hành
	Subject string // trích yếu

	Leader   LeaderOpinion
	Unit     UnitOpinion
	Proposal Opinion
}

// Opinion is what somebody wrote, and when.
type Opinion struct {
	Text string
	Date time.Time
}

// LeaderOpinion is the first part: what the office's leader decided.
type LeaderOpinion struct {
	Opinion
	Lead      string // chủ trì
	Support   string // phối hợp
	Deadlines string // thời hạn cho mỗi đơn vị, cá nhân
}

// UnitOpinion is the second part: to whom the head of the unit gave it.
type UnitOpinion struct {
	Opinion
	Person   string
	Deadline string
}

// PDF makes the form, A4 upright.
func (h Handling) PDF() ([]byte, error) {
	pages := h.draw()
	return makePDF(word("handling.title"), h.Office, h.Date, slices.Values(pages))
}

func (h Handling) draw() []page {
	f := typeset.NewFlow()
	letterhead(f, h.Superior, h.Office, "", dateLine(h.Place, h.Date))
	f.Text(word("handling.title"), bold, 14_000, Center)
	f.Gap(mm(20))
	f.Field(word("handling.document"), h.document(), 3)
	f.Gap(mm(25))

	heading(f, "handling.leader")
	f.Field(word("handling.lead"), h.Leader.Lead, 1)
	f.Field(word("handling.support"), h.Leader.Support, 2)
	f.Field(word("handling.deadlines"), h.Leader.Deadlines, 2)
	opinion(f, "handling.opinion", h.Leader.Opinion, 2)

	heading(f, "handling.unit")
	f.Field(word("handling.person"), h.Unit.Person, 1)
	f.Field(word("handling.deadline"), h.Unit.Deadline, 1)
	opinion(f, "handling.opinion", h.Unit.Opinion, 1)

	heading(f, "handling.proposal")
	opinion(f, "handling.proposed", h.Proposal, 4)
	f.Number()
	return f.Pages
}

// document is the line that names what is handled.
func (h Handling) document() string {
	var parts []string
	for _, part := range []string{h.Type, h.Code, Day(h.Issued), h.Author, h.Subject} {
		if part = Clean(part); part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

func heading(f *typeset.Flow, key string) {
	f.Need(mm(250))
	f.Text(word(key), bold, typeset.TextSize, Left)
	f.Gap(mm(12))
}

func opinion(f *typeset.Flow, key string, o Opinion, dotted int) {
	f.Field(word(key), Clean(o.Text), dotted)
	f.Field(word("handling.date"), Day(o.Date), 1)
	f.Gap(mm(25))
}
