package typeset

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// Page is drawn as texts and rules first and turned into PDF or SVG after, so
// that both show the same and tests can look at where things stand. The origin
// is the upper left corner.
type Page struct {
	Width, Height Length
	Texts         []Text
	Rules         []Rule
}

// Text is one line of text; Y is its baseline.
type Text struct {
	X, Y Length
	Face Face
	Size Length
	Text string
}

// Rule is a straight line.
type Rule struct{ X1, Y1, X2, Y2, Weight Length }

// Weights of rules.
const (
	Hairline Length = 500
	Firm     Length = 1_000
)

// Align says where text stands in its column.
type Align int

// The alignments.
const (
	Left Align = iota
	Center
)

// Leading is from one baseline to the next; stacked marks as in Ế and Ậ need it.
func Leading(size Length) Length { return size * 118 / 100 }

// Rise is from the top of a line of text to its baseline, mark above capitals
// included.
func Rise(size Length) Length { return size * 92 / 100 }

// Put writes text at a baseline, aligned in room.
func (p *Page) Put(text string, f Face, size, x, y, room Length, align Align) {
	if text == "" {
		return
	}
	if align == Center {
		x += (room - Width(text, f, size)) / 2
	}
	p.Texts = append(p.Texts, Text{x, y, f, size, text})
}

// Block writes lines from top downwards and returns where they end.
func (p *Page) Block(lines []string, f Face, size, x, top, room Length, align Align) Length {
	for _, line := range lines {
		p.Put(line, f, size, x, top+Rise(size), room, align)
		top += Leading(size)
	}
	return top
}

// Middle writes lines centred between top and bottom.
func (p *Page) Middle(lines []string, f Face, size, x, top, bottom, room Length) {
	high := Length(len(lines)) * Leading(size)
	p.Block(lines, f, size, x, top+(bottom-top-high)/2, room, Center)
}

// Dots fills room with dots to write on, up to its right edge.
func (p *Page) Dots(size, x, y, room Length) {
	line := strings.Repeat("…", max(0, int(room/Width("…", Regular, size))))
	p.Put(line, Regular, size, x+room-Width(line, Regular, size), y, 0, Left)
}

// Across draws a level rule, Down an upright one.
func (p *Page) Across(x1, x2, y, weight Length) {
	p.Rules = append(p.Rules, Rule{x1, y, x2, y, weight})
}

// Down draws an upright rule.
func (p *Page) Down(x, y1, y2, weight Length) { p.Rules = append(p.Rules, Rule{x, y1, x, y2, weight}) }

// Box draws the four sides of a box.
func (p *Page) Box(x, y, w, h, weight Length) {
	p.Across(x, x+w, y, weight)
	p.Across(x, x+w, y+h, weight)
	p.Down(x, y, y+h, weight)
	p.Down(x+w, y, y+h, weight)
}

// SVG writes the page as SVG, in millimetres outside and points inside. Its text
// is set in Times New Roman or what is as wide.
func (p Page) SVG() []byte {
	var b bytes.Buffer
	outer := func(l Length) float64 { return l.Points() * 25.4 / 72 }
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%.1fmm" height="%.1fmm" viewBox="0 0 %.3f %.3f" role="img">`,
		outer(p.Width), outer(p.Height), p.Width.Points(), p.Height.Points())
	for _, r := range p.Rules {
		fmt.Fprintf(&b, `<line x1="%.3f" y1="%.3f" x2="%.3f" y2="%.3f" stroke="currentColor" stroke-width="%.2f"/>`,
			r.X1.Points(), r.Y1.Points(), r.X2.Points(), r.Y2.Points(), r.Weight.Points())
	}
	for _, t := range p.Texts {
		style := ""
		switch t.Face {
		case Bold:
			style = ` font-weight="bold"`
		case Italic:
			style = ` font-style="italic"`
		}
		fmt.Fprintf(&b, `<text x="%.3f" y="%.3f" font-family="'Times New Roman', 'Liberation Serif', Tinos, serif" font-size="%.2f"%s fill="currentColor">`,
			t.X.Points(), t.Y.Points(), t.Size.Points(), style)
		_ = xml.EscapeText(&b, []byte(t.Text)) // a buffer takes everything
		b.WriteString(`</text>`)
	}
	b.WriteString(`</svg>`)
	return b.Bytes()
}
