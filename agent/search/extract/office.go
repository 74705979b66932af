package extract

import (
	"archive/zip"
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"
)

// maxParts is how many parts of an office file are read.
const maxParts = 4000

// grammar says where in the XML of a kind of office file its text is.
type grammar struct {
	parts []string        // patterns of the names of parts, in the order of reading
	text  map[string]bool // tags that hold text; nil: all below body
	body  string
	lines map[string]bool // tags that end a line
	gaps  map[string]bool // tags that stand for white space
}

func set(names string) map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq(names) {
		m[name] = true
	}
	return m
}

// grammars by a part that only files of this kind have.
var grammars = map[string]grammar{
	"word/document.xml": {
		parts: []string{"word/document.xml", "word/header*.xml", "word/footer*.xml", "word/footnotes.xml", "word/endnotes.xml", "word/comments.xml"},
		text:  set("w:t w:delText"), lines: set("/w:p"), gaps: set("w:tab w:br w:cr w:noBreakHyphen"),
	},
	"xl/workbook.xml": {
		parts: []string{"xl/sharedStrings.xml", "xl/worksheets/*.xml", "xl/comments*.xml"},
		text:  set("t v"), lines: set("/si /row /c"),
	},
	"ppt/presentation.xml": {
		parts: []string{"ppt/slides/*.xml", "ppt/notesSlides/*.xml"},
		text:  set("a:t"), lines: set("/a:p"), gaps: set("a:br a:tab"),
	},
	"content.xml": {
		parts: []string{"content.xml"}, body: "office:body",
		lines: set("/text:p /text:h /table:table-cell /table:table-row"), gaps: set("text:s text:tab text:line-break"),
	},
}

// officeText reads OOXML and ODF.
func officeText(r io.ReaderAt, size int64, out *sink) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	for _, f := range z.File {
		if g, ok := grammars[f.Name]; ok {
			return g.read(z, out)
		}
	}
	return fmt.Errorf("%w: no office file", ErrUnreadable)
}

func (g grammar) read(z *zip.Reader, out *sink) error {
	left, parts := int64(MaxExpanded), 0
	for _, pattern := range g.parts {
		for _, f := range matching(z, pattern) {
			if parts++; parts > maxParts || left <= 0 {
				out.part = true
				return nil
			}
			if err := g.part(f, &left, out); errors.Is(err, errEnough) {
				return nil
			} else if err != nil {
				out.part = true // the other parts may be good
			}
			out.newline()
		}
	}
	return nil
}

// matching lists the parts with a name like pattern, by length and then by name,
// so that slide 10 comes after slide 9.
func matching(z *zip.Reader, pattern string) (list []*zip.File) {
	for _, f := range z.File {
		if ok, err := path.Match(pattern, f.Name); err == nil && ok {
			list = append(list, f)
		}
	}
	slices.SortStableFunc(list, func(a, b *zip.File) int {
		if len(a.Name) != len(b.Name) {
			return len(a.Name) - len(b.Name)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// counted counts what is read and ends at a limit.
type counted struct {
	r    io.Reader
	left *int64
}

func (c counted) Read(p []byte) (int, error) {
	if *c.left <= 0 {
		return 0, fmt.Errorf("%w: too large", ErrUnreadable)
	}
	n, err := c.r.Read(p[:min(int64(len(p)), *c.left)])
	*c.left -= int64(n)
	return n, err
}

func (g grammar) part(f *zip.File, left *int64, out *sink) error {
	body, err := f.Open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	defer body.Close()
	p := &part{grammar: g, out: out}
	s := &scanner{in: bufio.NewReader(counted{body, left}), tag: p.tag, text: p.letter}
	return s.run()
}

// part follows one part of an office file.
type part struct {
	grammar
	out    *sink
	inside int  // how deep in text
	number bool // the cell holds an index of a shared string
	legacy bool // the run is in a font of TCVN 5712
}

func (p *part) tag(name, attributes string) error {
	open := !strings.HasPrefix(name, "/")
	plain := strings.TrimPrefix(name, "/")
	holds := p.text[plain] || p.text == nil && plain == p.body
	switch {
	case holds && open:
		p.inside++
	case holds && !open:
		p.inside = max(0, p.inside-1)
	case p.lines[name]:
		p.out.newline()
	case p.gaps[plain] && open:
		p.out.rune(' ')
	case name == "c":
		p.number = strings.Contains(attributes, `t="s"`)
	case name == "w:r":
		p.legacy = false
	case name == "w:rFonts":
		p.legacy = isTCVN3(attribute(attributes, "w:ascii"))
	}
	if plain == "v" && p.number && open {
		p.inside = 0
	}
	return nil
}

func (p *part) letter(c rune) error {
	if p.inside == 0 {
		return nil
	}
	if p.legacy {
		p.out.write(fromTCVN3(string(c)))
	} else {
		p.out.rune(c)
	}
	return enough(p.out)
}

// attribute is the value of an attribute of a tag.
func attribute(attributes, name string) string {
	_, after, ok := strings.Cut(attributes, name+"=")
	if !ok {
		return ""
	}
	quoted, err := strconv.QuotedPrefix(after)
	if err != nil {
		return ""
	}
	return strings.Trim(quoted, `"`)
}
