// Package docfields reads from the text of an administrative document what its
// first page says about it: number and notation, date, type, subject and urgency,
// in the layout of Phụ lục I of Decree 30/2020/NĐ-CP.
//
// The text is what a program found in a file: the two columns of the letterhead
// may be mixed, letters may stand apart or lack their marks. [Read] promises that
// it names what the page says clearly and leaves out the rest: a field with two
// readings has none. It only proposes; a person checks.
package docfields

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"tram/agent/edxml"
)

// Limits of what is looked at. What lies beyond is not read.
const (
	// MaxText is how much of the text is looked at, in bytes: the first page.
	MaxText = 8 << 10
	// MaxSubject is the longest subject, in characters.
	MaxSubject = 500
	maxLines   = 60 // of the first page
	maxHead    = 25 // lines of a letterhead
	maxSubject = 8  // lines of a subject
)

// Fields are what a document says about itself. Each is "" or 0 when the page
// does not say it, or not clearly.
type Fields struct {
	Number   string // digits, a letter may follow
	Notation string // as UBND-VP
	Date     string // as 2006-01-02
	Type     string // abbreviation of [edxml.Kinds]
	Subject  string
	Urgency  int // 1 KHẨN, 2 THƯỢNG KHẨN, 3 HỎA TỐC
}

// Read reads the fields out of the text of a file. A text without a letterhead,
// as that of an annex, has none.
func Read(text string) Fields {
	p := newPage(text)
	if !p.letterhead() {
		return Fields{}
	}
	f := Fields{Date: one(p.dates), Urgency: p.urgency()}
	f.Number, f.Notation = p.code()
	title, rest, titled := p.title()
	if titled {
		f.Subject = p.below(title, rest)
	} else {
		f.Subject = p.about()
	}
	f.Type = p.kind(title, titled, f.Notation)
	if abbr, ok := abbrOf(f.Notation); ok && titled && abbr != p.lines[title].kind {
		f.Number, f.Notation, f.Type = "", "", "" // notation and title contradict
	}
	if !p.marked && strings.ContainsAny(f.Notation, "Dd") {
		f.Notation = "" // D or Đ
	}
	return f
}

// page is the first page, line by line.
type page struct {
	lines  []line
	head   int  // the letterhead ends before this line
	body   int  // the text begins here, or later
	marked bool // letters have their marks
	dates  []string
	codes  []string // number, "/" and notation; the number may be missing
	vague  bool     // a number or date is there and cannot be read for sure
}

func newPage(text string) *page {
	if len(text) > MaxText {
		text = text[:MaxText]
	}
	text = strings.ToValidUTF8(text, "")
	p := &page{}
	for part := range strings.SplitSeq(norm.NFC.String(text), "\n") {
		if raw := strings.Join(strings.Fields(part), " "); raw != "" && len(p.lines) < maxLines {
			p.lines = append(p.lines, newLine(raw))
		}
	}
	p.body = len(p.lines)
	for i, l := range p.lines {
		if l.opens() {
			p.body = i
			break
		}
	}
	p.head = min(p.body, maxHead)
	for i := range p.lines {
		l := &p.lines[i]
		p.marked = p.marked || l.marked()
		if i >= p.head {
			continue
		}
		comma := i > 0 && strings.HasSuffix(p.lines[i-1].raw, ",")
		l.look(comma)
		if comma && l.place == dated && strings.HasPrefix(l.tight, "ngay") {
			p.lines[i-1].place = dated
		}
		if l.date != "" {
			p.dates = append(p.dates, l.date)
		}
		if l.code != "" {
			p.codes = append(p.codes, l.code)
		}
		p.vague = p.vague || l.vague
	}
	return p
}

// letterhead reports whether the page begins with that of an office.
func (p *page) letterhead() bool {
	for _, l := range p.lines[:p.head] {
		if l.place == numbered || l.place == dated || l.place == nation {
			return true
		}
	}
	return false
}

// one is the only one of the values that were found, "" when they differ.
func one(all []string) string {
	for _, v := range all {
		if v != all[0] {
			return ""
		}
	}
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

func (p *page) code() (number, notation string) {
	if p.vague {
		return "", ""
	}
	number, notation, _ = strings.Cut(one(p.codes), "/")
	if abbr, rest, _ := strings.Cut(notation, "-"); rest != "" {
		if kind, ok := edxml.KindByAbbr(abbr); ok && kind.Abbr != edxml.KindCongVan && kind.Abbr != edxml.KindThuCong {
			notation = kind.Abbr + "-" + rest
		}
	}
	return number, notation
}

// abbrOf is the type that a notation names.
func abbrOf(notation string) (string, bool) {
	if year, rest, ok := strings.Cut(notation, "/"); ok && len(year) == 4 {
		notation = rest
	}
	abbr, rest, _ := strings.Cut(notation, "-")
	kind, ok := edxml.KindByAbbr(abbr)
	if !ok || rest == "" || kind.Abbr == edxml.KindCongVan || kind.Abbr == edxml.KindThuCong {
		return "", false
	}
	return kind.Abbr, true
}

// kind is the type: that of the title, or that of the notation, or a letter to
// somebody with its subject below the number.
func (p *page) kind(title int, titled bool, notation string) string {
	if titled {
		return p.lines[title].kind
	}
	abbr, named := abbrOf(notation)
	letter := p.letter()
	switch {
	case named && !letter:
		return abbr
	case letter && !named && !p.vague && one(p.codes) != "":
		return edxml.KindCongVan
	}
	return ""
}

// letter reports whether this is a công văn: "V/v" in the letterhead.
func (p *page) letter() bool {
	for _, l := range p.lines[:p.head] {
		if l.place == about {
			return true
		}
	}
	return false
}

// urgency is the only stamp on the page.
func (p *page) urgency() int {
	found := 0
	for _, l := range p.lines {
		if l.urgent != 0 && found != 0 && l.urgent != found {
			return 0
		}
		found = max(found, l.urgent)
	}
	return found
}
