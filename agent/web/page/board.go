package page

import (
	"html/template"
	"slices"
)

// Section is a part of a board, a page of sections with facts, lists, commands
// and forms, under a heading of its own.
type Section struct {
	Title, Text string
	Secret      string // what is shown this once
	Bar         bool
	Percent     int
	Facts       []Fact
	Notices     []Notice
	Grid        Grid
	Commands    []string // to be typed as they are
	Forms       []Form
}

// Notice is something that is to be known, with what mends it.
type Notice struct{ Tone, Text, Fix, Href, Link, Since string }

// Grid is a table. Without rows it says Empty; without a caption there is none.
type Grid struct {
	Caption, Empty string
	Head           []string
	Rows           [][]Cell
}

// Cell is one place in a Grid.
type Cell struct {
	Text, Href string
	Tag        Tag
	Note       string
	Whole      bool // is not broken where there is room
}

// Form is what can be asked for. Get says that it changes nothing.
type Form struct {
	Action     string
	Get, Files bool
	Inputs     []Input
	Buttons    []Button
	Links      []Option // beside the buttons; Chosen ones are files
}

// Button sends a form; the empty Tone is the main one.
type Button = struct{ Text, Name, Value, Tone string }

// Input is a field of a Form. Kind is "text", "number", "password", "list",
// "select", "check", "file" or "hidden".
type Input struct {
	ID, Name, Kind     string
	Label, Hint, Value string
	Error, Accept      string // Accept is what files are offered, packages by default
	Checked            bool
	Options            []Option
}

// Described ties hint and error to the field.
func (i Input) Described() template.HTMLAttr {
	refs := ""
	if i.Hint != "" {
		refs = i.ID + "-hint"
	}
	if i.Error != "" {
		refs += " " + i.ID + "-err"
	}
	if refs == "" {
		return ""
	}
	attr := ` aria-describedby="` + template.HTMLEscapeString(refs) + `"`
	if i.Error != "" {
		attr += ` aria-invalid="true"`
	}
	return template.HTMLAttr(attr)
}

// Mistakes ties problems to the inputs that they name, by name or prefix and the
// name; others are said on top.
func (v *Visit) Mistakes(err error, inputs []Input, prefix string) []FieldError {
	var errs []FieldError
	for _, p := range Problems(err) {
		id := "main"
		if i := slices.IndexFunc(inputs, func(in Input) bool {
			return in.Kind != "hidden" && (in.Name == p.Field || prefix != "" && in.Name == prefix+p.Field)
		}); i >= 0 {
			id = inputs[i].ID
			inputs[i].Error = v.Whole(p)
		}
		errs = append(errs, FieldError{id, v.Whole(p)})
	}
	return errs
}
