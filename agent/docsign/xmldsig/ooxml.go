package xmldsig

import (
	"archive/zip"
	"fmt"
	"path"
	"slices"
	"strings"
)

const (
	algRelationship    = "http://schemas.openxmlformats.org/package/2006/RelationshipTransform"
	spacePackage       = "http://schemas.openxmlformats.org/package/2006/digital-signature"
	spaceRelationships = "http://schemas.openxmlformats.org/package/2006/relationships"
	spaceTypes         = "http://schemas.openxmlformats.org/package/2006/content-types"

	typeSignature = "application/vnd.openxmlformats-package.digital-signature-xmlsignature+xml"
	typeOrigin    = "application/vnd.openxmlformats-package.digital-signature-origin"
	typesPart     = "[Content_Types].xml"
)

// Parts and relations of the package root that office programs leave unsigned
// and never show as content.
var (
	unsignedTypes = []string{
		"application/vnd.openxmlformats-package.core-properties+xml",
		"application/vnd.openxmlformats-officedocument.extended-properties+xml",
	}
	unsignedRelations = []string{
		"http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties",
		"http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail",
		"http://schemas.openxmlformats.org/package/2006/relationships/digital-signature/origin",
		"http://schemas.openxmlformats.org/officeDocument/2006/relationships/extended-properties",
	}
)

// contentTypes says how programs read each part.
type contentTypes struct{ defaults, overrides map[string]string }

func (p *pack) readTypes() (*contentTypes, error) {
	doc, err := p.xml(p.names[strings.ToLower(typesPart)])
	if err != nil {
		return nil, err
	}
	t := &contentTypes{map[string]string{}, map[string]string{}}
	for _, el := range doc.root().elements() {
		into, key := t.defaults, strings.ToLower(el.value("Extension"))
		if el.is(spaceTypes, "Override") {
			into, key = t.overrides, strings.ToLower(strings.TrimPrefix(el.value("PartName"), "/"))
		} else if !el.is(spaceTypes, "Default") {
			return nil, fmt.Errorf("%w: %s", ErrMalformed, typesPart)
		}
		if _, dup := into[key]; dup || key == "" {
			return nil, fmt.Errorf("%w: %s has two types for one part", ErrMalformed, typesPart)
		}
		into[key] = el.value("ContentType")
	}
	return t, nil
}

func (t *contentTypes) of(name string) string {
	name = strings.ToLower(name)
	if typ, ok := t.overrides[name]; ok {
		return typ
	}
	return t.defaults[strings.TrimPrefix(path.Ext(name), ".")]
}

// mayBeUnsigned knows the parts that are no content. The list of types is bound
// part by part, through the references.
func (p *pack) mayBeUnsigned(f *zip.File) bool {
	typ := p.types.of(f.Name)
	switch {
	case f.Name == typesPart, typ == typeSignature:
		return true
	case typ == typeOrigin:
		return f.UncompressedSize64 == 0
	case strings.HasPrefix(f.Name, "docProps/"):
		return slices.Contains(unsignedTypes, typ) || strings.HasPrefix(f.Name, "docProps/thumbnail.")
	}
	// The relations of the origin lead to signatures.
	dir, file := path.Split(f.Name)
	origin := p.names[strings.ToLower(path.Join(strings.TrimSuffix(dir, "_rels/"), strings.TrimSuffix(file, ".rels")))]
	return strings.HasSuffix(dir, "_rels/") && origin != nil && p.types.of(origin.Name) == typeOrigin
}

// relation is one line of a relationships part.
type relation struct{ id, typ, target, mode string }

// readRelations reads a relationships part and nothing but.
func readRelations(doc *node) ([]relation, error) {
	root := doc.root()
	children, ok := strictChildren(root)
	if !ok || root.prefix != "" || !root.is(spaceRelationships, "Relationships") || len(root.attrs) > 0 {
		return nil, fmt.Errorf("%w: relationships", errFormat)
	}
	seen := map[string]bool{}
	all := make([]relation, 0, len(children))
	for _, el := range children {
		r := relation{id: el.value("Id"), typ: el.value("Type"), target: el.value("Target"), mode: el.value("TargetMode")}
		plain := !slices.ContainsFunc(el.attrs, func(a attr) bool {
			return a.space != "" || !slices.Contains([]string{"Id", "Type", "Target", "TargetMode"}, a.local)
		})
		if r.mode == "" {
			r.mode = "Internal"
		}
		if !plain || !el.is(spaceRelationships, "Relationship") || el.prefix != "" || len(el.children) > 0 || r.id == "" || seen[r.id] {
			return nil, fmt.Errorf("%w: relationships", errFormat)
		}
		seen[r.id] = true
		all = append(all, r)
	}
	return all, nil
}

// filterRelations is the relationship transform of ISO/IEC 29500-2, 13.2.4.24:
// the relations that are named by id or type, in the order of their ids. texts
// asks for the form of xmlsec1 until 2026, and with it of LibreOffice,
// which writes an element for each white space between them. It is over the same
// relations.
func filterRelations(doc, transform *node, texts bool) (*node, []relation, error) {
	all, err := readRelations(doc)
	if err != nil {
		return nil, nil, err
	}
	ids, types := map[string]bool{}, map[string]bool{}
	names, ok := strictChildren(transform)
	for _, el := range names {
		switch {
		case el.is(spacePackage, "RelationshipReference"):
			ids[el.value("SourceId")] = true
		case el.is(spacePackage, "RelationshipsGroupReference"):
			types[el.value("SourceType")] = true
		default:
			ok = false
		}
	}
	if !ok {
		return nil, nil, fmt.Errorf("%w: relationship transform", errFormat)
	}
	kept := []relation{}
	for _, r := range all {
		if ids[r.id] || types[r.typ] {
			kept = append(kept, r)
		}
	}
	slices.SortFunc(kept, func(a, b relation) int { return strings.Compare(a.id, b.id) })
	out := &node{kind: document}
	root := &node{kind: element, local: "Relationships", space: spaceRelationships, parent: out,
		decls: []binding{{"", spaceRelationships}}}
	out.children = []*node{root}
	for _, c := range doc.root().children {
		if texts && c.kind == text {
			root.children = append(root.children, &node{kind: element, local: "text", space: spaceRelationships, parent: root})
		}
	}
	for _, r := range kept {
		root.children = append(root.children, &node{kind: element, local: "Relationship", space: spaceRelationships, parent: root,
			attrs: []attr{{local: "Id", value: r.id}, {local: "Target", value: r.target}, {local: "TargetMode", value: r.mode}, {local: "Type", value: r.typ}}})
	}
	return out, kept, nil
}

// relationsReached reports whether the relations that were left unsigned lead
// to no content. Only the root of a package has such.
func (p *pack) relationsReached(f *zip.File, covers []cover) (bool, error) {
	doc, err := p.xml(f)
	if err != nil {
		return false, err
	}
	all, err := readRelations(doc)
	if err != nil {
		return false, nil
	}
	return !slices.ContainsFunc(all, func(r relation) bool {
		signed := slices.ContainsFunc(covers, func(cov cover) bool { return slices.Contains(cov.relations, r) })
		return !signed && (f.Name != "_rels/.rels" || !slices.Contains(unsignedRelations, r.typ))
	}), nil
}
