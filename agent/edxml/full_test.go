package edxml

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tram/agent/problem"
)

// TestFullMessageIsWrittenInTheNationalForm: base64 on one line of a zip with
// one deflated entry <uuid>.<ext>, and the same bytes each time.
func TestFullMessageIsWrittenInTheNationalForm(t *testing.T) {
	d, _ := decodeDocument(t, sample(t, "document.edxml"))
	files := [][]byte{[]byte("%PDF-1.7 báo cáo"), packed(t, "1.xml", "1", "2.xml", "2")}
	written, err := write(&Full{Message: d}, files)
	if err != nil {
		t.Fatal(err)
	}
	twice, err := write(&Full{Message: d}, files)
	if err != nil || !bytes.Equal(written, twice) {
		t.Error("the same message was written in other bytes")
	}
	text := regexp.MustCompile(`>([A-Za-z0-9+/=]{40,})</edXML:ContentTransferEncoded>`).FindAllSubmatch(written, -1)
	if len(text) != 2 {
		t.Fatalf("%d contents on one line in\n%s", len(text), written)
	}
	for i, want := range []string{`\.pdf`, `\.xlsx`} {
		content, err := base64.StdEncoding.DecodeString(string(text[i][1]))
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
		if err != nil || len(z.File) != 1 || z.File[0].Method != zip.Deflate {
			t.Fatalf("attachment %d: %v", i, err)
		}
		name := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}` + want + `$`)
		if !name.MatchString(z.File[0].Name) {
			t.Errorf("attachment %d: entry %q", i, z.File[0].Name)
		}
	}
	f, stage := read(t, written)
	for i, a := range f.Attachments {
		file, plain := unwrapped(t, a, stage)
		if !bytes.Equal(plain, files[i]) || !file.Wrapped || a.Name != d.Manifest[i].Name || a.Description != d.Manifest[i].Description {
			t.Errorf("attachment %d: %+v %q", i, a, plain)
		}
	}
	if !strings.Contains(string(written), "      <ContentId>cid:a-0</ContentId>\n      <AttachmentName>báo cáo.pdf</AttachmentName>\n      <Description>Bản chính</Description>\n      <ContentType>application/zip</ContentType>\n") {
		t.Errorf("attachments are written as\n%s", written[bytes.Index(written, []byte("<AttachmentEncoded>")):])
	}
}

// TestStrictWriterRefuses: what the writer of full messages refuses, on top of
// TestEncodeRefuses, before a byte is written.
func TestStrictWriterRefuses(t *testing.T) {
	known := func(code string) bool { return code != "H40.06" && code != "000.00.12.H40" }
	only := func(codes ...string) func(*Document) {
		return func(d *Document) {
			d.To, d.Business = d.To[:0:0], nil
			for _, c := range codes {
				d.To = append(d.To, Organ{ID: c})
			}
		}
	}
	cases := []struct {
		name, code string
		assurance  Assurance
		spoil      func(*Document)
	}{
		{"not declared", "edxml.not-declared", Assurance{Known: known}, only("H40.05")},
		{"unknown recipient", "edxml.unknown-office", Assurance{known, true}, only("H40.05", "000.00.12.H40")},
		{"unknown sender", "edxml.unknown-office", Assurance{known, true}, func(d *Document) { d.From.ID = "H40.06" }},
		{"unknown added recipient", "edxml.unknown-office", Assurance{known, true}, func(d *Document) { d.To = d.To[:1] }},
		{"no directory", "edxml.unknown-office", Assurance{NotSecret: true}, only("H40.05")},
		{"incomplete", "edxml.incomplete", Assurance{known, true}, func(d *Document) { d.Subject = "" }},
		{"no attachment", "edxml.value", Assurance{known, true}, func(d *Document) { d.Manifest = nil }},
		{"priority", "edxml.value", Assurance{known, true}, func(d *Document) { d.Other.Priority = "5" }},
		{"year of five digits", "edxml.value", Assurance{known, true}, func(d *Document) { d.Date = Date{Day: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} }},
		{"paper", "edxml.value", Assurance{known, true}, func(d *Document) { d.Business.Paper = "2" }},
		{"receiver type", "edxml.value", Assurance{known, true}, func(d *Document) { d.Business.Update.Receivers[0].Type = "2" }},
	}
	for _, c := range cases {
		d, _ := decodeDocument(t, sample(t, "document.edxml"))
		c.spoil(d)
		before := *d
		var out bytes.Buffer
		err := EncodeFull(&out, d, []func() (io.ReadCloser, error){opener(nil), opener(nil)}, c.assurance)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != c.code || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written; want %s", c.name, err, out.Len(), c.code)
		}
		if !reflect.DeepEqual(*d, before) {
			t.Errorf("%s: the document was changed", c.name)
		}
	}
}

// TestRebuildAddsAttachments: a message whose files travelled beside it becomes
// a full one, all else unchanged.
func TestRebuildAddsAttachments(t *testing.T) {
	plain := sample(t, "document.edxml")
	prefixed := []byte(strings.NewReplacer("edXML:", "q:", "xmlns:edXML=", "xmlns:q=", `<edXML xmlns=`, `<q:edXML xmlns:q=`, "</edXML>", "</q:edXML>").Replace(string(plain)))
	for name, skeleton := range map[string][]byte{
		"default namespace": plain, "prefix": prefixed, "byte order mark": append([]byte(byteOrderMark), plain...),
		"more after the root": append(bytes.Clone(plain), "<!-- </edXML> -->\n"...),
	} {
		var out bytes.Buffer
		files := []Content{{Open: opener([]byte("%PDF-1.7")), Plain: true}, {Open: opener(packed(t, "u.xlsx", "PK bảng"))}}
		if err := Rebuild(&out, skeleton, files); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		f, stage := read(t, out.Bytes())
		want, _, err := Decode(bytes.NewReader(skeleton))
		if err != nil || !same(f.Message, want) || len(f.Warnings) > 0 || len(f.Attachments) != 2 {
			t.Fatalf("%s: %+v, %v, %v", name, f, f.Warnings, err)
		}
		if file, data := unwrapped(t, f.Attachments[0], stage); !file.Wrapped || string(data) != "%PDF-1.7" {
			t.Errorf("%s: a file came back as %q", name, data)
		}
		if file, data := unwrapped(t, f.Attachments[1], stage); !file.Wrapped || string(data) != "PK bảng" {
			t.Errorf("%s: a content came back as %q", name, data)
		}
		head, tail, _ := bytes.Cut(out.Bytes(), []byte("  <AttachmentEncoded"))
		_, tail, _ = bytes.Cut(tail, []byte("</AttachmentEncoded>\n"))
		if !bytes.Equal(append(bytes.Clone(head), tail...), skeleton) {
			t.Errorf("%s: the rest of the message was changed", name)
		}
	}
}

// TestRebuildWrapsFiles: a place of a skeleton takes a file as well as a content
// as it travelled, also where only the manifest has its name.
func TestRebuildWrapsFiles(t *testing.T) {
	for _, name := range []string{"odd/raw-pdf.edxml", "odd/no-name.edxml", "odd/empty-content.edxml", "odd/all-prefixed.edxml"} {
		f, _ := read(t, sample(t, name))
		var out bytes.Buffer
		if err := Rebuild(&out, f.Skeleton, []Content{{Open: opener([]byte("%PDF-1.7 mới")), Plain: true}}); err != nil {
			t.Fatal(err)
		}
		again, stage := read(t, out.Bytes())
		file, data := unwrapped(t, again.Attachments[0], stage)
		if !file.Wrapped || string(data) != "%PDF-1.7 mới" || len(file.Warnings) > 0 || !same(again.Message, f.Message) {
			t.Errorf("%s: %q, %v", name, data, file.Warnings)
		}
	}
}

func TestRebuildRefuses(t *testing.T) {
	broken := errors.New("file is gone")
	gone := Content{Open: func() (io.ReadCloser, error) { return nil, broken }}
	halfway := Content{Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken))), nil
	}, Plain: true}
	skeleton := sample(t, "messages/document-plain.edxml")
	for name, contents := range map[string][]Content{"none": nil, "too many": {gone, gone}} {
		var out bytes.Buffer
		if err := Rebuild(&out, skeleton, contents); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
		if err := Rebuild(&out, sample(t, "document.edxml"), contents[:len(contents)/2]); err == nil || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes", name, err, out.Len())
		}
	}
	for name, content := range map[string]Content{"gone": gone, "halfway": halfway} {
		if err := Rebuild(io.Discard, skeleton, []Content{content}); !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Rebuild(failingWriter{broken}, skeleton, []Content{{Open: opener(make([]byte, 1<<20))}}); !errors.Is(err, broken) {
		t.Errorf("disk: %v", err)
	}
	for name, code := range map[string]string{"malformed-mismatched-tag": "edxml.malformed", "doctype-entities": "edxml.doctype", "wrong-root": "edxml.wrong-root"} {
		err := Rebuild(io.Discard, sample(t, "refused/"+name+".edxml"), nil)
		if !errors.Is(err, &problem.Problem{Code: code}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var out bytes.Buffer
	status := sample(t, "status.edxml")
	if err := Rebuild(&out, status, nil); err != nil || !bytes.Equal(out.Bytes(), status) {
		t.Errorf("a status is its skeleton: %v", err)
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }
