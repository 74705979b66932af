package pdf

import (
	"fmt"
	"maps"
	"slices"
)

// Change is a kind of difference between two states of a file.
type Change string

// Kinds of change. The first four show a reader nothing new about the
// document; content means that what was there is no longer what it was.
const (
	Signature  Change = "signature"  // a signature field was added or signed
	TimeStamp  Change = "timestamp"  // a time stamp over the file was added
	Proof      Change = "proof"      // certificates and revocation data
	Metadata   Change = "metadata"   // title, dates and the like
	Form       Change = "form"       // a field was filled in, added or changed
	Annotation Change = "annotation" // a note, stamp or drawing on a page
	Page       Change = "page"       // a page was added
	Content    Change = "content"    // pages or the document's structure were changed
)

// comparer holds two states of one file.
type comparer struct {
	a, b    *File
	changed map[int]bool // numbers of objects that are not the same
	frame   map[int]bool // catalog and page tree of a, which are compared key by key
	known   map[int]bool // other objects whose change was looked at
	content map[int]bool // objects of a that make up what is seen on its pages
	any     map[int]bool // all objects of a that are in use
	found   map[Change]bool
}

// Compare tells how the state b of a file differs from its earlier state a,
// sorted by name.
func Compare(a, b *File) ([]Change, error) {
	c := &comparer{a: a, b: b, changed: map[int]bool{}, frame: map[int]bool{}, known: map[int]bool{}, found: map[Change]bool{}}
	if !Equal(a.trailer["Root"], b.trailer["Root"]) || !Equal(a.trailer["Encrypt"], b.trailer["Encrypt"]) || !continues(a, b) {
		return []Change{Content}, nil
	}
	for _, step := range []func() error{c.differences, c.walk, c.catalog, c.pages, c.form} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	c.rest()
	return slices.Sorted(maps.Keys(c.found)), nil
}

// continues reports whether b was made by adding to a.
func continues(a, b *File) bool {
	last := a.sections[0].Offset
	return slices.ContainsFunc(b.sections, func(s Section) bool { return s.Offset == last })
}

// differences finds the objects that are not the same.
func (c *comparer) differences() error {
	moved := map[int]bool{}
	for num, e := range c.b.entries {
		if c.a.entries[num] != e {
			moved[num] = true
		}
	}
	for num := range c.a.entries {
		if _, ok := c.b.entries[num]; !ok {
			moved[num] = true
		}
	}
	for num, e := range c.b.entries {
		if e.Stream != 0 && moved[e.Stream] {
			moved[num] = true
		}
	}
	for num := range moved {
		x, err := c.a.Get(Ref{num, c.a.entries[num].Gen})
		if err != nil {
			return err
		}
		y, err := c.b.Get(Ref{num, c.b.entries[num].Gen})
		if err != nil {
			return err
		}
		if !Equal(x, y) {
			c.changed[num] = true
		}
	}
	return nil
}

// Keys that are not followed when what is seen is looked for.
var (
	asideAlways  = []Name{"Metadata", "DSS", "StructTreeRoot", "Extensions"}
	asideContent = []Name{"Metadata", "DSS", "StructTreeRoot", "Extensions", "AcroForm", "Perms"}
	asidePages   = []Name{"Annots", "Metadata"}
)

// walk finds the objects of a that are in use, and those that make up what is
// seen: all but form, notes, proof and words for machines.
func (c *comparer) walk() error {
	_, nodes, err := c.a.pages()
	if err != nil {
		return err
	}
	c.frame = nodes
	if c.any, err = c.a.reach(asideAlways, nil, nil); err != nil {
		return err
	}
	if c.content, err = c.a.reach(asideContent, asidePages, nodes); err != nil {
		return err
	}
	if r, ok := c.a.trailer["Root"].(Ref); ok {
		c.frame[r.Num] = true
	}
	return nil
}

// reach walks from the catalog. It does not follow the keys given of the
// catalog, nor those given of the nodes of the page tree.
func (f *File) reach(catalog, pages []Name, nodes map[int]bool) (map[int]bool, error) {
	root, ok := f.trailer["Root"].(Ref)
	if !ok {
		return nil, fmt.Errorf("%w: Root", ErrMalformed)
	}
	seen := map[int]bool{root.Num: true}
	todo := []Ref{root}
	push := func(r Ref) {
		if !seen[r.Num] {
			seen[r.Num] = true
			todo = append(todo, r)
		}
	}
	for len(todo) > 0 {
		ref := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		o, err := f.Get(ref)
		if err != nil {
			return nil, err
		}
		if len(seen) > MaxEntries {
			return nil, ErrLimit
		}
		skip := []Name(nil)
		if ref == root {
			skip = catalog
		} else if nodes[ref.Num] {
			skip = pages
		}
		d, ok := o.(Dict)
		if !ok || skip == nil {
			Refs(o, push)
			continue
		}
		for key, v := range d {
			if !slices.Contains(skip, key) {
				Refs(v, push)
			}
		}
	}
	return seen, nil
}

// note marks the objects behind references as looked at.
func (c *comparer) note(list ...Object) {
	for _, o := range list {
		if r, ok := o.(Ref); ok {
			c.known[r.Num] = true
		}
	}
}

// catalog compares the catalogs key by key.
func (c *comparer) catalog() error {
	x, err := c.a.Root()
	if err != nil {
		return err
	}
	y, err := c.b.Root()
	if err != nil {
		return err
	}
	c.note(x["AcroForm"], y["AcroForm"])
	for _, key := range differingKeys(x, y) {
		switch key {
		case "AcroForm": // compared by itself
		case "DSS":
			c.found[Proof] = true
		case "Metadata", "Version", "Extensions", "StructTreeRoot", "MarkInfo", "Lang":
			c.found[Metadata] = true
		default:
			c.found[Content] = true
		}
	}
	for _, o := range []Object{x["Metadata"], c.a.trailer["Info"], c.b.trailer["Info"]} {
		if r, ok := o.(Ref); ok && c.changed[r.Num] && !c.content[r.Num] {
			c.known[r.Num] = true
			c.found[Metadata] = true
		}
	}
	if r, ok := x["DSS"].(Ref); ok && c.changed[r.Num] {
		c.found[Proof] = true
	}
	return nil
}

func differingKeys(x, y Dict) []Name {
	var keys []Name
	for k, v := range x {
		if w, ok := y[k]; !ok || !Equal(v, w) {
			keys = append(keys, k)
		}
	}
	for k := range y {
		if _, ok := x[k]; !ok {
			keys = append(keys, k)
		}
	}
	return keys
}

// quiet are the keys of a page that change nothing about how it looks.
var quiet = []Name{"Annots", "Parent", "Tabs", "LastModified", "Metadata", "StructParents"}

// pages compares the page trees: each page of a must be there in b, in the
// same order and with the same content.
func (c *comparer) pages() error {
	before, _, err := c.a.pages()
	if err != nil {
		return err
	}
	after, _, err := c.b.pages()
	if err != nil {
		return err
	}
	next := 0
	for _, p := range after {
		if next == len(before) || before[next].ref != p.ref {
			c.found[Page] = true
			continue
		}
		if err := c.page(before[next], p); err != nil {
			return err
		}
		next++
	}
	if next < len(before) {
		c.found[Content] = true
	}
	return nil
}

func (c *comparer) page(x, y page) error {
	for _, key := range differingKeys(x.dict, y.dict) {
		if !slices.Contains(quiet, key) {
			c.found[Content] = true
		}
	}
	c.note(x.dict["Annots"], y.dict["Annots"])
	before, err := c.a.Array(x.dict["Annots"])
	if err != nil {
		return err
	}
	after, err := c.b.Array(y.dict["Annots"])
	if err != nil {
		return err
	}
	had := map[Ref]bool{}
	for _, o := range before {
		if r, ok := o.(Ref); ok {
			had[r] = true
		}
	}
	kept := 0
	for _, o := range after {
		r, ok := o.(Ref)
		if ok && had[r] {
			kept++
			if !c.changed[r.Num] {
				continue
			}
		}
		if !ok && slices.ContainsFunc(before, func(b Object) bool { return Equal(b, o) }) {
			continue
		}
		if err := c.annotation(o); err != nil {
			return err
		}
	}
	if kept < len(had) {
		c.found[Annotation] = true
	}
	return nil
}

// annotation looks at a new or changed annotation of b. Those of fields are
// looked at with the form.
func (c *comparer) annotation(o Object) error {
	c.note(o)
	d, err := c.b.Dict(o)
	if err != nil {
		return err
	}
	if d["Subtype"] != Name("Widget") {
		c.found[Annotation] = true
		return nil
	}
	if _, isRef := o.(Ref); !isRef {
		c.found[Form] = true
		return nil
	}
	fields, err := c.fieldsOf(c.b)
	if err != nil {
		return err
	}
	if _, ok := fields[o.(Ref)]; !ok {
		c.found[Form] = true // a widget of no field
	}
	return nil
}

func (c *comparer) fieldsOf(f *File) (map[Ref]Field, error) {
	list, err := f.Fields()
	if err != nil {
		return nil, err
	}
	all := make(map[Ref]Field, len(list))
	for _, one := range list {
		all[one.Ref] = one
	}
	return all, nil
}

// form compares the interactive forms.
func (c *comparer) form() error {
	x, err := c.a.Form()
	if err != nil {
		return err
	}
	y, err := c.b.Form()
	if err != nil {
		return err
	}
	before, err := c.fieldsOf(c.a)
	if err != nil {
		return err
	}
	after, err := c.fieldsOf(c.b)
	if err != nil {
		return err
	}
	c.note(x["Fields"], y["Fields"])
	filled := slices.ContainsFunc(slices.Collect(maps.Values(before)), func(f Field) bool { return f.Type != "Sig" })
	for _, key := range differingKeys(x, y) {
		if key != "Fields" && key != "SigFlags" && (filled || (key != "DR" && key != "DA")) {
			c.found[Form] = true
		}
	}
	for ref := range before {
		if _, ok := after[ref]; !ok {
			c.found[Form] = true
		}
	}
	for ref, f := range after {
		old, had := before[ref]
		if had && !c.changed[ref.Num] && Equal(old.Value, f.Value) {
			continue
		}
		c.note(ref)
		if err := c.field(old, f, had); err != nil {
			return err
		}
	}
	return nil
}

// field looks at a new or changed field.
func (c *comparer) field(old, f Field, had bool) error {
	if f.Type != "Sig" || (had && old.Type != "Sig") {
		c.found[Form] = true
		return nil
	}
	if had && old.Value != nil {
		// Signed before: nothing of it may change.
		if Equal(old.Value, f.Value) {
			c.found[Annotation] = true
		} else {
			c.found[Content] = true
		}
		return nil
	}
	value, err := c.b.Dict(f.Value)
	if err != nil {
		return err
	}
	switch {
	case value == nil:
		c.found[Form] = true // a place to sign that nobody signed
	case value["SubFilter"] != Name("ETSI.RFC3161"):
		c.found[Signature] = true
	case visible(f.Dict):
		c.found[Annotation] = true // anybody can have a time stamp made
	default:
		c.found[TimeStamp] = true
	}
	return nil
}

// visible reports whether a widget covers any of its page.
func visible(d Dict) bool {
	rect, ok := d["Rect"]
	if !ok {
		return false
	}
	box, ok := rect.(Array)
	return !ok || slices.ContainsFunc(box, func(o Object) bool { return !Equal(o, box[0]) })
}

// rest looks at the changed objects that nothing above has explained.
func (c *comparer) rest() {
	for num := range c.changed {
		switch {
		case c.frame[num]:
		case c.content[num] && c.addsFonts(num):
			c.found[Form] = true
		case c.content[num]: // also one that was named and did not exist
			c.found[Content] = true
		case c.known[num]:
		case c.any[num]:
			c.found[Form] = true
		}
	}
}

// addsFonts reports whether the change of an object is no more than new names
// for fonts. Some signers add theirs to a dictionary that form and pages share.
// A page that named such a font before it was there would now look different:
// the change counts as one that is seen.
func (c *comparer) addsFonts(num int) bool {
	before, err := c.a.Get(Ref{num, c.a.entries[num].Gen})
	if err != nil {
		return false
	}
	after, err := c.b.Get(Ref{num, c.b.entries[num].Gen})
	if err != nil {
		return false
	}
	x, ok := before.(Dict)
	y, ok2 := after.(Dict)
	if !ok || !ok2 || y.Ambiguous() {
		return false
	}
	for _, key := range differingKeys(x, y) {
		if _, had := x[key]; had {
			return false
		}
		font, err := c.b.Dict(y[key])
		if err != nil || font["Type"] != Name("Font") {
			return false
		}
	}
	return true
}

// Inside reports whether an object, or a cross-reference section, begins
// between two offsets.
func (f *File) Inside(from, to int64) error {
	for _, s := range f.sections {
		if s.Offset >= from && s.Offset < to {
			return fmt.Errorf("%w: cross-reference section inside a signature", ErrMalformed)
		}
		for num, e := range s.Entries {
			if e.InUse && e.Offset >= from && e.Offset < to {
				return fmt.Errorf("%w: object %d inside a signature", ErrMalformed, num)
			}
		}
	}
	return nil
}
