package register

import "strings"

// A page is drawn as texts and rules first and turned into PDF or SVG after,
// so that both show the same and tests can look at where things stand. The
// origin is the upper left corner.
type page struct {
	width, height mpt
	texts         []drawnText
	rules         []rule
}

// drawnText is one line of text; y is its baseline.
type drawnText struct {
	x, y mpt
	face face
	size mpt
	text string
}

// rule is a straight line.
type rule struct{ x1, y1, x2, y2, weight mpt }

// Weights of rules.
const (
	hairline mpt = 500
	firm     mpt = 1_000
)

// rise is from the top of a line of text to its baseline, mark above capitals
// included.
func rise(size mpt) mpt { return size * 92 / 100 }

// put writes text at a baseline, aligned in room.
func (p *page) put(text string, f face, size, x, y, room mpt, align Align) {
	if text == "" {
		return
	}
	if align == Center {
		x += (room - width(text, f, size)) / 2
	}
	p.texts = append(p.texts, drawnText{x, y, f, size, text})
}

// block writes lines from top downwards and returns where they end.
func (p *page) block(lines []string, f face, size, x, top, room mpt, align Align) mpt {
	for _, line := range lines {
		p.put(line, f, size, x, top+rise(size), room, align)
		top += leading(size)
	}
	return top
}

// middle writes lines centred between top and bottom.
func (p *page) middle(lines []string, f face, size, x, top, bottom, room mpt) {
	high := mpt(len(lines)) * leading(size)
	p.block(lines, f, size, x, top+(bottom-top-high)/2, room, Center)
}

// dots fills room with dots to write on, up to its right edge.
func (p *page) dots(size, x, y, room mpt) {
	line := strings.Repeat("…", max(0, int(room/width("…", regular, size))))
	p.put(line, regular, size, x+room-width(line, regular, size), y, 0, Left)
}

func (p *page) across(x1, x2, y, weight mpt) { p.rules = append(p.rules, rule{x1, y, x2, y, weight}) }
func (p *page) down(x, y1, y2, weight mpt)   { p.rules = append(p.rules, rule{x, y1, x, y2, weight}) }

func (p *page) box(x, y, w, h, weight mpt) {
	p.across(x, x+w, y, weight)
	p.across(x, x+w, y+h, weight)
	p.down(x, y, y+h, weight)
	p.down(x+w, y, y+h, weight)
}

// fit breaks text at the largest of sizes at which it takes at most lines
// lines; at the smallest, the rest is cut.
func fit(text string, f face, sizes []mpt, room mpt, lines int) ([]string, mpt) {
	text = printable(Clean(text))
	if runes := []rune(text); len(runes) > maxOnSheet {
		text = string(runes[:maxOnSheet])
	}
	for i, size := range sizes {
		broken := wrap(text, f, size, room)
		if len(broken) <= lines && widest(broken, f, size) <= room {
			return broken, size
		}
		if i == len(sizes)-1 {
			if len(broken) > lines {
				broken = append(broken[:lines-1], shorten(broken[lines-1], f, size, room))
			}
			return broken, size
		}
	}
	return nil, 0
}

// shorten ends a line with Omission.
func shorten(line string, f face, size, room mpt) string {
	runes := []rune(line)
	for len(runes) > 0 && width(string(runes)+" "+Omission, f, size) > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + " " + Omission
}

func widest(lines []string, f face, size mpt) mpt {
	most := mpt(0)
	for _, line := range lines {
		most = max(most, width(line, f, size))
	}
	return most
}
