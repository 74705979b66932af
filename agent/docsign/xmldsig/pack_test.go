package xmldsig

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

// member of a package in the order of the archive.
type member struct{ name, data string }

func zipped(t testing.TB, members []member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		f, err := w.Create(m.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(m.data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func checkPack(t testing.TB, data []byte) (Packaging, []Signature, error) {
	t.Helper()
	return CheckPackage(bytes.NewReader(data), int64(len(data)))
}

const (
	wordType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
	relsType = "application/vnd.openxmlformats-package.relationships+xml"
	office   = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	sigPart  = "_xmlsignatures/sig1.xml"
)

func relationships(lines ...string) string {
	return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n" + `<Relationships xmlns="` + spaceRelationships + `">` + strings.Join(lines, "") + `</Relationships>`
}

func line(id, typ, target string) string {
	return `<Relationship Id="` + id + `" Type="` + typ + `" Target="` + target + `"/>`
}

// docx is a small text document, unsigned.
func docx() []member {
	return []member{
		{"[Content_Types].xml", `<Types xmlns="` + spaceTypes + `"><Default Extension="rels" ContentType="` + relsType + `"/><Default Extension="xml" ContentType="application/xml"/>` +
			`<Default Extension="sigs" ContentType="` + typeOrigin + `"/><Default Extension="png" ContentType="image/png"/>` +
			`<Override PartName="/word/document.xml" ContentType="` + wordType + `"/><Override PartName="/` + sigPart + `" ContentType="` + typeSignature + `"/>` +
			`<Override PartName="/docProps/core.xml" ContentType="` + unsignedTypes[0] + `"/></Types>`},
		{"_rels/.rels", relationships(line("rId1", office+"/officeDocument", "word/document.xml"), line("rId2", unsignedRelations[0], "docProps/core.xml"),
			line("rId3", unsignedRelations[2], "_xmlsignatures/origin.sigs"))},
		{"docProps/core.xml", `<coreProperties/>`},
		{"word/document.xml", `<w:document xmlns:w="urn:w"><w:t>Chi 100 đồng</w:t></w:document>`},
		{"word/_rels/document.xml.rels", relationships(line("rId2", office+"/hyperlink", "http://example.invalid/"), "\n", line("rId1", office+"/image", "media/a.png"))},
		{"word/media/a.png", "ảnh"},
		{"_xmlsignatures/origin.sigs", ""},
		{"_xmlsignatures/_rels/origin.sigs.rels", relationships(line("rId1", "http://schemas.openxmlformats.org/package/2006/relationships/digital-signature/signature", "sig1.xml"))},
	}
}

func relationTransform(ids ...string) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(`<m:RelationshipReference xmlns:m="` + spacePackage + `" SourceId="` + id + `"></m:RelationshipReference>`)
	}
	return `<ds:Transform Algorithm="` + algRelationship + `">` + b.String() + `</ds:Transform>`
}

// docxReferences are what an office program signs of docx.
func docxReferences() []string {
	return []string{
		ref("/word/document.xml?ContentType=" + wordType),
		ref("/word/media/a.png?ContentType=image/png"),
		ref("/_rels/.rels?ContentType="+relsType, relationTransform("rId1"), inclusive),
		ref("/word/_rels/document.xml.rels?ContentType="+relsType, relationTransform("rId1", "rId2"), inclusive),
	}
}

func (s signer) packageSignature(refs []string) string {
	objects := `<ds:Object Id="package"><ds:Manifest>` + strings.Join(refs, "") + `</ds:Manifest><ds:SignatureProperties><ds:SignatureProperty Id="time" Target="#sig">` +
		`<m:SignatureTime xmlns:m="` + spacePackage + `"><m:Format>YYYY-MM-DDThh:mm:ssTZD</m:Format><m:Value>2026-11-21T02:30:12Z</m:Value></m:SignatureTime>` +
		`</ds:SignatureProperty></ds:SignatureProperties></ds:Object>`
	return s.template(inclusive, refTyped("#package", "http://www.w3.org/2000/09/xmldsig#Object"), objects)
}

// signPack signs the parts of a package and puts the signature into it.
func (s signer) signPack(t testing.TB, members []member, name, signature string) []member {
	t.Helper()
	data := zipped(t, append(members[:len(members):len(members)], member{name, signature}))
	p, err := openPack(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return append(members[:len(members):len(members)], member{name, s.signIn(t, signature, p)})
}

func (s signer) docx(t testing.TB) []member {
	return s.signPack(t, docx(), sigPart, s.packageSignature(docxReferences()))
}

func odt() []member {
	return []member{
		{"mimetype", "application/vnd.oasis.opendocument.text"},
		{"content.xml", `<office:document-content xmlns:office="urn:o"><text>Chi 100 đồng</text></office:document-content>`},
		{"Pictures/a b.png", "ảnh"},
		{"META-INF/manifest.xml", `<manifest/>`},
	}
}

func (s signer) odt(t testing.TB) []member {
	refs := ref("mimetype") + ref("content.xml", inclusive) + ref("Pictures/a%20b.png") + ref("META-INF/manifest.xml", inclusive)
	return s.signPack(t, odt(), odfSignatures, `<document-signatures xmlns="urn:oasis:names:tc:opendocument:xmlns:digitalsignature:1.0">`+s.template(inclusive, refs, "")+`</document-signatures>`)
}

// edited returns the members with one changed.
func edited(t testing.TB, members []member, name, old, with string) []member {
	t.Helper()
	out := make([]member, len(members))
	found := false
	for i, m := range members {
		if out[i] = m; m.name == name {
			found = true
			out[i].data = replaceOnce(t, m.data, old, with)
		}
	}
	if !found {
		t.Fatalf("no member %s", name)
	}
	return out
}

func without(members []member, name string) []member {
	var out []member
	for _, m := range members {
		if m.name != name {
			out = append(out, m)
		}
	}
	return out
}

func TestSignedPackagesHold(t *testing.T) {
	for kind, s := range map[string]signer{"RSA": rsaSigner(t, 2048), "ECDSA": ecSigner(t)} {
		for want, members := range map[Packaging][]member{OOXML: s.docx(t), ODF: s.odt(t)} {
			got, all, err := checkPack(t, zipped(t, members))
			if err != nil || got != want || len(all) != 1 {
				t.Fatalf("%s %s: %s, %d signatures, %v", kind, want, got, len(all), err)
			}
			if all[0].Fault != "" || all[0].Scope != Whole {
				t.Errorf("%s %s: fault %q, scope %d: %s", kind, want, all[0].Fault, all[0].Scope, all[0].Detail)
			}
			if want == OOXML && (all[0].SignedAt.Unix() != 1795228212 || all[0].ID != sigPart+"#sig") {
				t.Errorf("signed at %v, id %s", all[0].SignedAt, all[0].ID)
			}
		}
	}
	for name, members := range map[string][]member{"docx": docx(), "zip": {{"a.txt", "a"}}} {
		if _, all, err := checkPack(t, zipped(t, members)); err != nil || len(all) != 0 {
			t.Errorf("unsigned %s: %v %v", name, all, err)
		}
	}
}

// LibreOffice signs relations through a transform that writes an element for
// each white space between them.
func TestRelationsAsXmlsecOnceWroteThemHold(t *testing.T) {
	doc := mustParse(t, docx()[4].data)
	transform := mustParse(t, `<a xmlns:ds="`+spaceDsig+`">`+relationTransform("rId1", "rId2")+`</a>`).root().elements()[0]
	for texts, want := range map[bool]string{
		false: `<Relationships xmlns="` + spaceRelationships + `"><Relationship Id="rId1" Target="media/a.png" TargetMode="Internal" Type="` + office + `/image"></Relationship>` +
			`<Relationship Id="rId2" Target="http://example.invalid/" TargetMode="Internal" Type="` + office + `/hyperlink"></Relationship></Relationships>`,
		true: `<Relationships xmlns="` + spaceRelationships + `"><text></text><Relationship Id="rId1" Target="media/a.png" TargetMode="Internal" Type="` + office + `/image"></Relationship>` +
			`<Relationship Id="rId2" Target="http://example.invalid/" TargetMode="Internal" Type="` + office + `/hyperlink"></Relationship></Relationships>`,
	} {
		out, kept, err := filterRelations(doc, transform, texts)
		if err != nil || len(kept) != 2 {
			t.Fatal(kept, err)
		}
		if got := canonicalString(t, out, method{}, nil); got != want {
			t.Errorf("texts %t: got\n%s\nwant\n%s", texts, got, want)
		}
	}
}

func TestP6_NoHostilePackageHoldsForTheWhole(t *testing.T) {
	s := ecSigner(t)
	d, o := s.docx(t), s.odt(t)
	rels := "word/_rels/document.xml.rels"
	refs := docxReferences()
	signed := func(refs ...string) []member { return s.signPack(t, docx(), sigPart, s.packageSignature(refs)) }
	decoy := s.signPack(t, docx(), sigPart, strings.Replace(s.packageSignature(refs), `</ds:Manifest>`, `</ds:Manifest></ds:Object><ds:Object Id="decoy"><a></a>`, 1))
	decoy = edited(t, decoy, sigPart, `<ds:Object Id="package">`, `<ds:Object>`)
	for name, tc := range map[string]struct {
		members []member
		fault   Fault
		gaps    string
	}{
		"docx: text changed":               {edited(t, d, "word/document.xml", "100", "900"), FaultHash, ""},
		"docx: picture changed":            {edited(t, d, "word/media/a.png", "ả", "a"), FaultHash, ""},
		"docx: part removed":               {without(d, "word/media/a.png"), FaultHash, ""},
		"docx: relation turned":            {edited(t, d, rels, "media/a.png", "media/b.png"), FaultHash, ""},
		"docx: relation made external":     {edited(t, d, rels, `media/a.png"`, `media/a.png" TargetMode="External"`), FaultHash, ""},
		"docx: type of a part changed":     {edited(t, d, typesPart, wordType, "application/vnd.ms-word.document.macroEnabled.main+xml"), FaultHash, ""},
		"docx: part added":                 {append(d[:len(d):len(d)], member{"word/an.xml", "<a/>"}), "", "parts"},
		"docx: relation added":             {edited(t, d, rels, `<Relationship Id="rId1"`, line("rId9", office+"/aFChunk", "an.htm")+`<Relationship Id="rId1"`), "", "parts"},
		"docx: root relation added":        {edited(t, d, "_rels/.rels", `<Relationship Id="rId2"`, line("rId9", office+"/officeDocument", "an.xml")+`<Relationship Id="rId2"`), "", "parts"},
		"docx: relation of two meanings":   {edited(t, d, rels, `<Relationship Id="rId1"`, line("rId1", office+"/image", "media/b.png")+`<Relationship Id="rId1"`), FaultFormat, ""},
		"docx: relations not signed":       {signed(refs[0], refs[1]), "", "parts"},
		"docx: type not signed":            {signed(ref("/word/document.xml"), refs[1], refs[2], refs[3]), "", "parts"},
		"docx: relation left out":          {signed(refs[0], refs[1], refs[2], ref("/"+rels+"?ContentType="+relsType, relationTransform("rId1"), inclusive)), "", "parts"},
		"docx: manifest in another Object": {decoy, FaultMissing, ""},
		"docx: XSLT over a part":           {signed(refs[0], refs[1], refs[2], refs[3], ref("/word/document.xml?ContentType="+wordType, "http://www.w3.org/TR/1999/REC-xslt-19991116")), FaultUnsupported, ""},
		"docx: part that is no XML":        {signed(refs[0], refs[1], refs[2], refs[3], ref("/word/media/a.png?ContentType=image/png", inclusive)), FaultFormat, ""},
		"odt: text changed":                {edited(t, o, "content.xml", "100", "900"), FaultHash, ""},
		"odt: comment in the text":         {edited(t, o, "content.xml", "100", "1<!-- -->00"), "", "comment"},
		"odt: script added":                {append(o[:len(o):len(o)], member{"Basic/script-lb.xml", "<a/>"}), "", "parts"},
		"odt: part removed":                {without(o, "Pictures/a b.png"), FaultHash, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, all, err := checkPack(t, zipped(t, tc.members))
			if err != nil || len(all) != 1 {
				t.Fatalf("%d signatures, %v", len(all), err)
			}
			got := all[0]
			if got.Fault != tc.fault || tc.fault == "" && joined(got.Gaps) != tc.gaps {
				t.Errorf("fault %q, gaps %q (%s); want %q, %q", got.Fault, joined(got.Gaps), got.Detail, tc.fault, tc.gaps)
			}
			if got.Fault == "" && got.Scope == Whole && tc.gaps != "" {
				t.Error("holds for the whole package")
			}
		})
	}
}

func TestP9_PartsAreNotReadOverAndOver(t *testing.T) {
	s := ecSigner(t)
	refs := docxReferences()
	for range 1000 {
		refs = append(refs, ref("/word/media/b.png?ContentType=image/png"))
	}
	members := append(docx(), member{"word/media/b.png", strings.Repeat("\x00", 1<<20)}, member{sigPart, valued(s.packageSignature(refs))})
	members[len(members)-1].data = strings.Replace(members[len(members)-1].data, `"#package"`, `""`, 1)
	if _, _, err := checkPack(t, zipped(t, members)); err != nil {
		t.Errorf("a manifest that nothing signs was read: %v", err)
	}
	members[len(members)-1].data = valued(s.template(inclusive, strings.Join(refs, ""), ""))
	if _, all, err := checkPack(t, zipped(t, members)); !isError(err, ErrLimit) {
		t.Errorf("%.300v, error is %v", all, err)
	}
}

func TestP9_HostileArchivesAreRefused(t *testing.T) {
	d := ecSigner(t).docx(t)
	good := zipped(t, d)
	bomb := bytes.Clone(good)
	binary.LittleEndian.PutUint32(bomb[bytes.LastIndex(bomb, []byte("PK\x01\x02"))+24:], MaxUnpacked)
	many := make([]member, MaxParts)
	for i := range many {
		many[i] = member{"a/" + numbered("%", i%7) + strings.Repeat("x", i%200) + string(rune('a'+i%26)) + numbered("%", 1) + strings.Repeat("y", i/200), ""}
	}
	longer := bytes.Clone(good)
	binary.LittleEndian.PutUint32(longer[bytes.LastIndex(longer, []byte("PK\x01\x02"))+24:], 3) // the declared size of the signature
	renamed := bytes.Clone(good)
	copy(renamed[bytes.Index(renamed, []byte("word/document.xml")):], "word/documenz.xml") // in the local header alone
	for name, tc := range map[string]struct {
		data []byte
		want error
	}{
		"names that differ in case": {zipped(t, append(d[:len(d):len(d)], member{"Word/Document.xml", "<a/>"})), ErrMalformed},
		"name twice":                {zipped(t, append(d[:len(d):len(d)], member{"word/document.xml", "<a/>"})), ErrMalformed},
		"name upwards":              {zipped(t, append(d[:len(d):len(d)], member{"../a", "a"})), ErrMalformed},
		"absolute name":             {zipped(t, append(d[:len(d):len(d)], member{"/a", "a"})), ErrMalformed},
		"two types":                 {zipped(t, edited(t, d, typesPart, "<Override ", `<Override PartName="/Word/document.xml" ContentType="a"/><Override `)), ErrMalformed},
		"data before":               {append([]byte("#!/bin/sh\n"), good...), ErrMalformed},
		"data after":                {append(bytes.Clone(good), 0), ErrMalformed},
		"local name differs":        {renamed, ErrMalformed},
		"larger than declared":      {longer, ErrMalformed},
		"bomb":                      {bomb, ErrLimit},
		"too many":                  {zipped(t, append(many, d...)), ErrLimit},
		"cut":                       {good[:len(good)-30], ErrMalformed},
		"empty":                     {nil, ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			if _, all, err := checkPack(t, tc.data); !isError(err, tc.want) {
				t.Errorf("%v, error %v, want %v", all, err, tc.want)
			}
		})
	}
}
