package forms

import (
	"rsc.io/qr"

	"tram/agent/clock"
	"tram/agent/register"
	"tram/agent/typeset"
)

// set lays the form out by its template.
func (v *values) set(t Template) []typeset.Page {
	f := typeset.NewFlow()
	f.Size = bodySize
	h := v.Heading
	l := typeset.Letterhead{Superior: h.Superior, Office: h.Office, Nation: law.Nation, Motto: law.Motto, Number: t.Number}
	if t.From == "desk" {
		l.Superior, l.Office = h.Office, h.Desk
	}
	if !v.date.IsZero() {
		l.Date = register.DateLine(typeset.Printable(typeset.Clean(h.Place)), v.date.In(clock.Vietnam))
	}
	f.Letterhead(l)
	f.Text(t.Title, typeset.Bold, titleSize, typeset.Center)
	f.Gap(typeset.MM(30))
	for _, b := range t.Blocks {
		if b.When == "" || v.text[b.When] != "" {
			v.block(f, b)
		}
	}
	f.Number()
	foot(f.Pages, t)
	return f.Pages
}

const (
	titleSize typeset.Length = 14_000
	bodySize  typeset.Length = 12_000
	footSize  typeset.Length = 8_000
)

// gap is below a line.
var gap = typeset.MM(15)

// foot names the template at the foot of each page.
func foot(pages []typeset.Page, t Template) {
	text := footer(t)
	for i := range pages {
		p := &pages[i]
		p.Put(text, typeset.Italic, footSize, typeset.PageLeft, p.Height-typeset.MM(110), p.Width-typeset.PageLeft-typeset.PageRight, typeset.Left)
	}
}

func footer(t Template) string {
	return fill(law.Footer, "form", string(t.Form), "version", t.Version)
}

func (v *values) block(f *typeset.Flow, b block) {
	switch {
	case b.Field != "":
		v.field(f, b)
	case b.Table != "":
		v.table(f, b)
	case b.Sign != nil:
		v.sign(f, b.Sign)
	case b.Code != "":
		v.code(f, b)
	default:
		face, align := typeset.Regular, typeset.Left
		switch {
		case b.Bold:
			face = typeset.Bold
		case b.Italic:
			face = typeset.Italic
		}
		if b.Center {
			align = typeset.Center
		}
		f.Text(v.fill(b.Text), face, bodySize, align)
		f.Gap(gap)
	}
}

// fill puts values in for {names}; one that is empty becomes dots to write on.
func (v *values) fill(text string) string {
	pairs := make([]string, 0, 2*len(v.text))
	for k, value := range v.text {
		if value = typeset.Clean(value); value == "" {
			value = "…………"
		}
		pairs = append(pairs, k, value)
	}
	return fill(text, pairs...)
}

func (v *values) field(f *typeset.Flow, b block) {
	value := typeset.Clean(v.text[b.Value])
	if value == "" && b.Dots == 0 {
		return
	}
	if b.Bold {
		f.Text(b.Field+": "+value, typeset.Bold, bodySize, typeset.Left)
		f.Gap(gap)
		return
	}
	f.Field(b.Field, value, b.Dots)
}

func (v *values) table(f *typeset.Flow, b block) {
	list := v.tables[b.Table]
	if len(list) == 0 {
		if b.Empty != "" {
			f.Text(b.Empty, typeset.Italic, bodySize, typeset.Left)
			f.Gap(gap)
		}
		return
	}
	columns, header, rows := make([]typeset.TableColumn, len(b.Columns)), make([]string, len(b.Columns)), make([][]string, len(list))
	for i, c := range b.Columns {
		columns[i].Width, header[i] = c.Width, c.Title
		if c.Center {
			columns[i].Align = typeset.Center
		}
	}
	for n, row := range list {
		rows[n] = make([]string, len(b.Columns))
		for i, c := range b.Columns {
			rows[n][i] = row[c.Value]
		}
	}
	f.Table(columns, header, rows)
	f.Gap(typeset.MM(25))
}

// Heights of the row of signatures: all of it, and from its top to the names.
var (
	signHeight = typeset.MM(390)
	signNames  = typeset.MM(300)
)

func (v *values) sign(f *typeset.Flow, list []signer) {
	f.Gap(typeset.MM(15))
	f.Need(signHeight)
	room := typeset.PageRoom / typeset.Length(len(list))
	for i, s := range list {
		x := typeset.PageLeft + typeset.Length(i)*room
		y := f.Page().Block([]string{s.Title}, typeset.Bold, bodySize, x, f.Y, room, typeset.Center)
		f.Page().Block([]string{s.Hint}, typeset.Italic, 12_000, x, y, room, typeset.Center)
		if s.Name != "" && v.text[s.Name] != "" {
			lines, size := typeset.Fit(v.text[s.Name], typeset.Bold, []typeset.Length{12_000, 11_000, 10_000}, room-typeset.MM(40), 4)
			f.Page().Block(lines, typeset.Bold, size, x, f.Y+signNames, room, typeset.Center)
		}
	}
	f.Y += signHeight
}

// qrSide is the side of the QR code, qrQuiet what is kept free around it: four
// modules.
var (
	qrSide  = typeset.MM(260)
	qrQuiet = typeset.MM(40)
)

// code sets the dossier's code in readable type, the word for looking it up, and a
// QR code with both.
func (v *values) code(f *typeset.Flow, b block) {
	f.Need(qrSide + qrQuiet)
	f.Gap(typeset.MM(10))
	x, top, p := typeset.PageLeft+typeset.PageRoom-qrSide, f.Y, f.Page()
	square(p, v.fill(b.QR), x, top)
	room := typeset.PageRoom - qrSide - qrQuiet
	y := top + typeset.MM(25)
	lines, size := typeset.Fit(b.Code+": "+v.text["code"], typeset.Bold, []typeset.Length{14_000, 13_000, 12_000}, room, 2)
	y = p.Block(lines, typeset.Bold, size, typeset.PageLeft, y, room, typeset.Left) + gap
	if lookup := v.text["lookup"]; lookup != "" {
		y = p.Block([]string{b.Lookup + ": " + lookup}, typeset.Bold, titleSize, typeset.PageLeft, y, room, typeset.Left) + gap
		p.Block(typeset.Wrap(b.Hint, typeset.Italic, 11_000, room), typeset.Italic, 11_000, typeset.PageLeft, y, room, typeset.Left)
	}
	f.Y = top + qrSide + qrQuiet
}

// square draws text as a QR code: each run of dark modules is a rule as thick as a
// module. Text that is too long for one has none.
func square(p *typeset.Page, text string, x, y typeset.Length) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return
	}
	module := qrSide / typeset.Length(code.Size)
	for row := range code.Size {
		for col := 0; col < code.Size; col++ {
			from := col
			for col < code.Size && code.Black(col, row) {
				col++
			}
			if col > from {
				p.Across(x+typeset.Length(from)*module, x+typeset.Length(col)*module, y+typeset.Length(row)*module+module/2, module)
			}
		}
	}
}
