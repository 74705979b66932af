package register

import (
	"time"

	"tram/agent/i18n"
	"tram/agent/typeset"
)

// The words of typeset that sheets and forms are described with.
type (
	mpt  = typeset.Length
	page = typeset.Page
	// Align says where text stands in its column. Numbers and dates are centred, as
	// on the printed forms.
	Align = typeset.Align
)

// The alignments.
const (
	Left   = typeset.Left
	Center = typeset.Center
)

const (
	regular  = typeset.Regular
	bold     = typeset.Bold
	italic   = typeset.Italic
	hairline = typeset.Hairline
	firm     = typeset.Firm
)

// Omission stands where text was cut.
const Omission = typeset.Omission

// How rows are set.
var (
	cellPadX = typeset.CellPadX
	cellPadY = typeset.CellPadY
)

func mm(v int) mpt { return typeset.MM(v) }

// Clean makes a value fit for a file, see [typeset.Clean].
func Clean(text string) string { return typeset.Clean(text) }

// letterhead sets what is above every administrative form.
func letterhead(f *typeset.Flow, superior, office, number, dateLine string) {
	f.Letterhead(typeset.Letterhead{Superior: superior, Office: office, Nation: word("nation"), Motto: word("motto"), Number: number, Date: dateLine})
}

// dateLine is a filled or blank date line.
func dateLine(place string, t time.Time) string {
	if t.IsZero() {
		return blankDate(place)
	}
	return DateLine(typeset.Printable(Clean(place)), t)
}

// Party is an office as the forms show it.
type Party struct {
	Name string
	Code string // mã định danh; "" when not shown
}

func (p Party) String() string {
	if p.Code == "" {
		return Clean(p.Name)
	}
	return i18n.T(i18n.Vietnamese, "register.party", i18n.Args{"name": Clean(p.Name), "code": Clean(p.Code)})
}
