package pdf

import "fmt"

// Limits of what is walked.
const (
	// MaxFields is the largest number of form fields.
	MaxFields = 20000
	// MaxPages is the largest number of pages.
	MaxPages = 100000
)

// Field is a node of the form, with what it inherits.
type Field struct {
	Ref   Ref
	Dict  Dict
	Name  string // full name, parts joined by dots
	Type  Name   // FT
	Value Object // V, not resolved
}

// Root is the document catalog.
func (f *File) Root() (Dict, error) {
	d, err := f.Dict(f.trailer["Root"])
	if err == nil && (d == nil || d.Ambiguous()) {
		err = fmt.Errorf("%w: catalog", ErrMalformed)
	}
	return d, err
}

// Form is the dictionary of the interactive form, nil without one.
func (f *File) Form() (Dict, error) {
	root, err := f.Root()
	if err != nil {
		return nil, err
	}
	d, err := f.Dict(root["AcroForm"])
	if err == nil && d.Ambiguous() {
		err = fmt.Errorf("%w: form", ErrMalformed)
	}
	return d, err
}

// Fields are the nodes of the form, parents first.
func (f *File) Fields() ([]Field, error) {
	form, err := f.Form()
	if err != nil {
		return nil, err
	}
	top, err := f.Array(form["Fields"])
	if err != nil {
		return nil, err
	}
	w := fieldWalk{f: f, seen: map[Ref]bool{}}
	err = w.kids(top, Field{}, 0)
	return w.all, err
}

type fieldWalk struct {
	f    *File
	seen map[Ref]bool
	all  []Field
}

func (w *fieldWalk) kids(list Array, parent Field, depth int) error {
	if depth > MaxDepth {
		return ErrLimit
	}
	for _, o := range list {
		ref, ok := o.(Ref)
		if !ok {
			return fmt.Errorf("%w: field that is no object of its own", ErrMalformed)
		}
		if w.seen[ref] || len(w.all) == MaxFields {
			return fmt.Errorf("%w: fields in a circle or too many", ErrMalformed)
		}
		w.seen[ref] = true
		if err := w.field(ref, parent, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *fieldWalk) field(ref Ref, parent Field, depth int) error {
	d, err := w.f.Dict(ref)
	if err != nil || d == nil {
		return err
	}
	if d.Ambiguous() {
		return fmt.Errorf("%w: field %d", ErrMalformed, ref.Num)
	}
	here := Field{Ref: ref, Dict: d, Name: parent.Name, Type: parent.Type, Value: parent.Value}
	if t, ok := d["T"].(String); ok {
		if here.Name != "" {
			here.Name += "."
		}
		here.Name += Text(t.Bytes)
	}
	kind, err := w.f.Resolve(d["FT"])
	if err != nil {
		return err
	}
	if t, ok := kind.(Name); ok {
		here.Type = t
	}
	if v, ok := d["V"]; ok {
		here.Value = v
	}
	w.all = append(w.all, here)
	kids, err := w.f.Array(d["Kids"])
	if err != nil {
		return err
	}
	return w.kids(kids, here, depth+1)
}

// Text reads a text string: UTF-16 with its mark, else one byte a character.
func Text(b []byte) string {
	if len(b) < 2 || b[0] != 0xfe || b[1] != 0xff {
		out := make([]rune, len(b))
		for i, c := range b {
			out[i] = rune(c)
		}
		return string(out)
	}
	var out []rune
	for i := 2; i+1 < len(b); i += 2 {
		out = append(out, rune(b[i])<<8|rune(b[i+1]))
	}
	return string(out)
}

// page is a leaf of the page tree with what it inherits.
type page struct {
	ref  Ref
	dict Dict
}

// inherited are the page attributes that a node of the tree may hold.
var inherited = []Name{"Resources", "MediaBox", "CropBox", "Rotate"}

// pages walks the page tree. nodes are the numbers of all its objects.
func (f *File) pages() (list []page, nodes map[int]bool, err error) {
	root, err := f.Root()
	if err != nil {
		return nil, nil, err
	}
	nodes = map[int]bool{}
	err = f.pageNode(root["Pages"], Dict{}, 0, nodes, &list)
	return list, nodes, err
}

func (f *File) pageNode(o Object, above Dict, depth int, nodes map[int]bool, list *[]page) error {
	ref, ok := o.(Ref)
	if !ok || nodes[ref.Num] || depth > MaxDepth || len(*list) == MaxPages {
		return fmt.Errorf("%w: page tree", ErrMalformed)
	}
	nodes[ref.Num] = true
	d, err := f.Dict(ref)
	if err != nil {
		return err
	}
	if d == nil || d.Ambiguous() {
		return fmt.Errorf("%w: page tree", ErrMalformed)
	}
	own := Dict{}
	for _, key := range inherited {
		if v, ok := d[key]; ok {
			own[key] = v
		} else if v, ok := above[key]; ok {
			own[key] = v
		}
	}
	kids, ok := d["Kids"]
	if !ok {
		for key, v := range d {
			own[key] = v
		}
		*list = append(*list, page{ref, own})
		return nil
	}
	children, err := f.Array(kids)
	if err != nil {
		return err
	}
	for _, kid := range children {
		if err := f.pageNode(kid, own, depth+1, nodes, list); err != nil {
			return err
		}
	}
	return nil
}
