package docfields

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"tram/agent/fold"
)

// title finds the name of the type below the letterhead, and what follows it in
// the same line.
func (p *page) title() (at int, rest string, ok bool) {
	from := 0
	for i, l := range p.lines[:p.head] {
		if l.place == nation || l.place == numbered || l.place == dated {
			from = i + 1
		}
	}
	for i := from; i < p.body && i < maxHead+maxSubject; i++ {
		if l := p.lines[i]; l.kind != "" {
			return i, l.after, true
		}
	}
	return 0, "", false
}

var (
	// starts are words with which the text of a document begins, folded.
	starts = regexp.MustCompile(`^(?:(?:can cu|thuc hien|theo|de|nham|trong|ngay|hom nay|kinh gui|kinh moi|tran trong|tiep|tren co so|xet|qua|sau|vua qua|` +
		`thoi gian qua|uy ban nhan dan|ubnd|hoi dong nhan dan|hdnd|dang uy|van phong|so|bo|phong (?:kinh te|van hoa|noi vu|lao dong|nong nghiep|tai chinh)|thu tuong|chu tich|giam doc|cong an|dieu \d+|phan [i1]|chuong [i1]|` +
		`toi|chung toi|cac dong chi|ho ten|ho va ten|thanh phan|phan thu nhat|phu luc)(?:[^\pL\d]|$)|(?:[ivx]+|\d+|[a-d])[.)]|[-+*•])`)
	// heads are offices and officers in capitals above the text of a decision.
	heads = regexp.MustCompile(`^(chu tich|pho chu tich|uy ban|ubnd|hoi dong|hdnd|thu tuong|chinh phu|bo truong|giam doc|cuc truong|chi cuc|truong|tong|thuong truc|quoc hoi|ban |vien truong|chanh )`)
	// links are words after which a line goes on.
	links = regexp.MustCompile(`(^| )(của|và|với|cho|tại|do|về|thuộc|giữa|tới|đến|từ|theo|các|những|trong|trên|ở)$|[,–-]$`)
	ended = regexp.MustCompile(`[.;:]$|; |[^.\pL]\. \p{Lu}|\p{Ll}\. \p{Lu}`)
)

// below is the subject below the name of the type: up to the text, where that is
// seen to begin.
func (p *page) below(title int, rest string) string {
	var parts []string
	if rest != "" {
		parts = append(parts, rest)
	}
	for i := title + 1; i < len(p.lines) && len(parts) <= maxSubject; i++ {
		l := p.lines[i]
		switch {
		case l.urgent != 0 || drawn.MatchString(l.raw) && len(parts) == 0:
			continue
		case drawn.MatchString(l.raw), l.begins(parts):
			return p.subject(parts)
		}
		parts = append(parts, l.raw)
	}
	return ""
}

// begins reports whether the line after those is no part of the subject.
func (l line) begins(before []string) bool {
	first, _ := utf8.DecodeRuneInString(l.raw)
	if len(before) > 0 {
		if last := before[len(before)-1]; links.MatchString(strings.ToLower(last)) && !l.opens() {
			return false
		}
		if unicode.IsLower(first) || unicode.IsDigit(first) && !starts.MatchString(l.folded) {
			return false
		}
	}
	return l.opens() || strings.HasPrefix(l.raw, "(") || starts.MatchString(l.folded) ||
		capitals(l.raw) && heads.MatchString(l.folded) || len(before) > 0 && ended.MatchString(l.raw)
}

// about is the subject of a công văn: what stands between "V/v" and "Kính gửi"
// and belongs to nothing else of the letterhead.
func (p *page) about() string {
	var parts []string
	for _, l := range p.lines[:p.head] {
		switch {
		case l.place == about && len(parts) == 0:
			parts = append(parts, aboutHead.ReplaceAllString(l.raw, "V/v "))
		case l.place == about:
			return ""
		case len(parts) > 0 && l.place == other:
			parts = append(parts, l.raw)
		}
	}
	if p.head == len(p.lines) || !strings.HasPrefix(p.lines[p.head].tight, "kinhgui") || len(parts) > maxSubject {
		return ""
	}
	return p.subject(parts)
}

// subject joins the lines of one, "" when they are no clear one.
func (p *page) subject(parts []string) string {
	for i, s := range parts {
		tight := tighten(s)
		first, _ := utf8.DecodeRuneInString(s)
		switch {
		case states.MatchString(tight), isNumber.MatchString(s):
			return ""
		case i > 0 && capitals(s) && !capitals(parts[0]) && len(s) > 1 && heads.MatchString(fold.String(s)):
			return "" // the other column
		case i > 0 && i == len(parts)-1 && unicode.IsUpper(first) && strings.HasSuffix(s, "."):
			return ""
		case ended.MatchString(strings.TrimSuffix(s, ".")), i < len(parts)-1 && strings.HasSuffix(s, "."):
			return ""
		}
	}
	s := strings.TrimRight(strings.TrimSpace(strings.Join(parts, " ")), " .")
	switch {
	case !p.marked, apart(s), utf8.RuneCountInString(s) > MaxSubject, len(strings.Fields(s)) < 2, p.mixed(s):
		return ""
	}
	return s
}

// dateline is a date as it stands in a letterhead.
var dateline = regexp.MustCompile(`, ?ngay \d`)

// mixed reports whether the date of the letter stands within the subject.
func (p *page) mixed(s string) bool {
	folded := fold.String(s)
	return dateline.MatchString(folded) || len(p.dates) == 0 && loosely.MatchString(folded)
}

// apart reports whether letters of words stand apart: consonants alone.
func apart(s string) bool {
	n := 0
	for w := range strings.FieldsSeq(s) {
		if r, size := utf8.DecodeRuneInString(w); size == len(w) && unicode.IsLower(r) && !strings.ContainsRune("aeiouy", []rune(fold.String(w))[0]) {
			n++
		}
	}
	return n > 1
}
