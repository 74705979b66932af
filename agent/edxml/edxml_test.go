package edxml

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/unicode/norm"

	"tram/agent/i18n"
	"tram/agent/problem"
)

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeDocument(t testing.TB, data []byte) (*Document, []Warning) {
	t.Helper()
	msg, warnings, err := Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	d, ok := msg.(*Document)
	if !ok {
		t.Fatalf("decoded a %T", msg)
	}
	return d, warnings
}

// The samples have every element of the tree: what is read and written again
// must be the same bytes, prefixes, spelling and order included.
func TestWritesExactlyTheSampleForm(t *testing.T) {
	for _, name := range []string{"document.edxml", "status.edxml"} {
		want := sample(t, name)
		msg, warnings, err := Decode(bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		if len(warnings) > 0 {
			t.Errorf("%s: warnings %v", name, warnings)
		}
		var got bytes.Buffer
		switch m := msg.(type) {
		case *Document:
			err = EncodeDocument(&got, m)
		case *Status:
			err = EncodeStatus(&got, m)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s was not written as it was read:\n%s", name, got.Bytes())
		}
	}
}

func TestDecodeValues(t *testing.T) {
	d, _ := decodeDocument(t, sample(t, "document.edxml"))
	if d.From.ID != "H40.12.3" || d.From.Address != "Số 1 đường Mẫu & Thử" || len(d.To) != 2 {
		t.Errorf("parties: %+v %+v", d.From, d.To)
	}
	if d.Code.String() != "05/BC-UBND" || d.Date.ISO() != "2026-11-22" || d.Urgency() != 1 || d.Operation() != OpUpdate {
		t.Errorf("head: %v %v %v %v", d.Code, d.Date, d.Urgency(), d.Operation())
	}
	if at := time.Date(2026, 11, 22, 1, 30, 0, 0, time.UTC); !d.Trace[0].Time.Equal(at) {
		t.Errorf("trace time %v is not Vietnam time", d.Trace[0].Time)
	}
	if len(d.Manifest) != 2 || d.Manifest[0].ContentID != "a-0" || d.Manifest[1].Name != "phụ lục.xlsx" {
		t.Errorf("manifest: %+v", d.Manifest)
	}
	if got := ClassicID(d.From.ID, d.Date, d.Code); got != d.ID {
		t.Errorf("ClassicID = %q", got)
	}
	msg, _, err := Decode(bytes.NewReader(sample(t, "status.edxml")))
	s, ok := msg.(*Status)
	if err != nil || !ok || s.Code != StatusAccepted || s.ResponseFor.DocumentID != d.ID || s.Staff.Name != "Phạm Thị Ví Dụ" {
		t.Errorf("status: %+v %v", msg, err)
	}
}

func TestOddMessageIsReadWithWarnings(t *testing.T) {
	d, warnings := decodeDocument(t, sample(t, "odd.edxml"))
	if d.Subject != "Tình hình" || d.Operation() != OpNew || d.Business.Reason != "Thử" || d.Business.Staff.Name != "Nguyen Van A" {
		t.Errorf("document: %+v", d)
	}
	if d.Date.Raw != "30/02/2026" || d.Place != "" || d.Trace[0].OrganID != "" || d.Urgency() != 0 {
		t.Errorf("markers and raw values: %+v", d)
	}
	if len(d.Embedded) != 2 || d.Manifest[0].ContentID != d.Embedded[0].ContentID || string(d.Signature) != "<x:DigitalSignature/>" {
		t.Errorf("attachments %v %v, signature %q", d.Manifest, d.Embedded, d.Signature)
	}
	want := map[string]string{
		WarnCode + " BussinessDocType": "44", WarnCode + " Paper": "2", WarnCode + " Priority": "5",
		WarnMarker + " OrganId": "null", WarnMarker + " Place": "N/A", WarnDate + " PromulgationDate": "30/02/2026",
		WarnNumber + " CodeNumber": "74fass22", WarnOrgan + " OrganId": "vxp.saas.03", WarnUnlisted + " Attachment": "stray.pdf",
		WarnOrigin + " DocumentId": d.ID, WarnNumber + " DocumentId": d.ID,
		WarnUnknown + " edXMLEnvelope/edXMLHeader/MessageHeader/Brand": "new",
	}
	for _, w := range warnings {
		key := w.Code + " " + w.Field
		if v, ok := want[key]; !ok || v != w.Value {
			t.Errorf("unexpected warning %+v", w)
		}
		delete(want, key)
		if text := w.Message(i18n.English); strings.Contains(text, "{") || strings.HasPrefix(text, "edxml.") {
			t.Errorf("warning without words: %q", text)
		}
	}
	for key := range want {
		t.Errorf("no warning %s", key)
	}
}

// edit returns the document sample with old replaced, which must be there.
func edit(t testing.TB, pairs ...string) []byte {
	t.Helper()
	text := string(sample(t, "document.edxml"))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the sample has no %q", pairs[i])
		}
		text = strings.ReplaceAll(text, pairs[i], pairs[i+1])
	}
	return []byte(text)
}

func TestDecodeRefuses(t *testing.T) {
	status := string(sample(t, "status.edxml"))
	elements := "<a>" + strings.Repeat("<b/>", MaxElements) + "</a>"
	cases := []struct {
		name, code string
		data       []byte
	}{
		{"nothing", "edxml.malformed", nil},
		{"mismatched tag", "edxml.malformed", edit(t, "</edXML:Code>", "</edXML:Kode>")},
		{"junk before the declaration", "edxml.malformed", append([]byte("junk"), sample(t, "document.edxml")...)},
		{"blank line before the declaration", "edxml.malformed", append([]byte("\n"), sample(t, "document.edxml")...)},
		{"text after the root", "edxml.malformed", append(sample(t, "document.edxml"), "more"...)},
		{"second root", "edxml.malformed", append(sample(t, "document.edxml"), "<edXML/>"...)},
		{"unbound prefix", "edxml.malformed", edit(t, ` xmlns:edXML="`+Namespace+`"`, "")},
		{"truncated", "edxml.malformed", sample(t, "document.edxml")[:2000]},
		{"entity", "edxml.malformed", edit(t, "&amp;", "&bomb;")},
		{"other encoding", "edxml.malformed", edit(t, "UTF-8", "windows-1258")},
		{"doctype", "edxml.doctype", edit(t, `<edXML xmlns=`, `<!DOCTYPE edXML [<!ENTITY bomb "x">]><edXML xmlns=`)},
		{"old dialect", "edxml.old-dialect", []byte(`<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Header><h xmlns="http://www.e-doc.vn/Schema/"/></e:Header></e:Envelope>`)},
		{"wrong variant", "edxml.wrong-variant", []byte(`<EdXMLEnvelope xmlns="http://www.go.vn/eDoc"/>`)},
		{"security report", "edxml.security-report", []byte(`<edXMLEnvelope/>`)},
		{"wrong namespace", "edxml.wrong-root", []byte(`<edXML xmlns="urn:other"/>`)},
		{"no header", "edxml.lacks", []byte(`<edXML xmlns="` + Namespace + `"/>`)},
		{"no sender", "edxml.lacks", edit(t, "H40.12.3</edXML:OrganId>\n          <edXML:OrganizationInCharge>", "null</edXML:OrganId>\n          <edXML:OrganizationInCharge>")},
		{"no recipient", "edxml.lacks", edit(t, "edXML:To>", "edXML:Too>")},
		{"no code", "edxml.lacks", edit(t, "<edXML:CodeNumber>05<", "<edXML:CodeNumber><", "<edXML:CodeNotation>BC-UBND<", "<edXML:CodeNotation><")},
		{"no subject", "edxml.lacks", edit(t, "edXML:Subject>", "edXML:Subjekt>")},
		{"reference without attachment", "edxml.no-attachment", edit(t, "</edXML>\n", `<AttachmentEncoded><Attachment><ContentId>cid:a-0</ContentId></Attachment></AttachmentEncoded></edXML>`)},
		{"status without sender", "edxml.lacks", []byte(strings.ReplaceAll(status, "H40.05<", "<"))},
		{"status without code", "edxml.lacks", []byte(strings.ReplaceAll(status, ">03<", "><"))},
		{"status for nothing", "edxml.lacks", []byte(strings.NewReplacer(">05/BC-UBND<", "><", ">H40.12.3,2026/11/22,05/BC-UBND<", "><").Replace(status))},
		{"too deep", "edxml.too-deep", []byte(strings.Repeat("<a>", MaxDepth+1))},
		{"too many", "edxml.too-many", []byte(elements)},
		{"too large", "edxml.too-large", bytes.Repeat([]byte(" "), MaxMessage+1)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			msg, _, err := Decode(bytes.NewReader(c.data))
			var p *problem.Problem
			if !errors.As(err, &p) || p.Code != c.code {
				t.Fatalf("Decode = %v, %v; want %s", msg, err, c.code)
			}
			if text := p.Message(i18n.Vietnamese); strings.Contains(text, "{") || strings.HasPrefix(text, "problem.") {
				t.Errorf("no words for a person: %q", text)
			}
		})
	}
}

func TestDecodeTolerates(t *testing.T) {
	crlf := bytes.ReplaceAll(sample(t, "document.edxml"), []byte("\n"), []byte("\r\n"))
	bom := append([]byte("\xEF\xBB\xBF"), sample(t, "document.edxml")...)
	want, _ := decodeDocument(t, sample(t, "document.edxml"))
	for name, data := range map[string][]byte{"CRLF": crlf, "BOM": bom} {
		if got, _ := decodeDocument(t, data); !reflect.DeepEqual(got, want) {
			t.Errorf("%s changed the document", name)
		}
	}
	nfd, _ := decodeDocument(t, []byte(norm.NFD.String(string(sample(t, "document.edxml")))))
	if nfd.Subject != want.Subject {
		t.Error("an NFD subject was not normalised")
	}
	noID, warnings := decodeDocument(t, edit(t, "<edXML:DocumentId>H40.12.3,2026/11/22,05/BC-UBND</edXML:DocumentId>", ""))
	if noID.ID != want.ID || !slices.ContainsFunc(warnings, func(w Warning) bool { return w.Code == WarnMissingID }) {
		t.Errorf("a missing DocumentId became %q, %v", noID.ID, warnings)
	}
}

func TestEncodeRefuses(t *testing.T) {
	cases := []struct {
		name, code string
		spoil      func(*Document)
	}{
		{"no subject", "edxml.incomplete", func(d *Document) { d.Subject = " " }},
		{"marker", "edxml.incomplete", func(d *Document) { d.Place = "N/A" }},
		{"no signer", "edxml.incomplete", func(d *Document) { d.Signer.FullName = "" }},
		{"no recipient", "edxml.value", func(d *Document) { d.To = nil }},
		{"no attachment", "edxml.value", func(d *Document) { d.Manifest = nil }},
		{"priority", "edxml.value", func(d *Document) { d.Other.Priority = "4" }},
		{"raw date", "edxml.value", func(d *Document) { d.Date = Date{Raw: "30/02/2026"} }},
		{"no time", "edxml.value", func(d *Document) { d.Trace[0].Time = time.Time{} }},
		{"same content id", "edxml.value", func(d *Document) { d.Manifest[1].ContentID = d.Manifest[0].ContentID }},
		{"control character", "edxml.character", func(d *Document) { d.Subject = "a\x00b" }},
		{"not UTF-8", "edxml.character", func(d *Document) { d.Content = "\xff" }},
	}
	for _, c := range cases {
		d, _ := decodeDocument(t, sample(t, "document.edxml"))
		c.spoil(d)
		var out bytes.Buffer
		err := EncodeDocument(&out, d)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != c.code || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written; want %s", c.name, err, out.Len(), c.code)
		}
	}
	if err := EncodeStatus(&bytes.Buffer{}, &Status{Code: StatusReturned}); err == nil {
		t.Error("an empty status was written")
	}
}

func TestMarkersAreNotWritten(t *testing.T) {
	d, _ := decodeDocument(t, sample(t, "document.edxml"))
	d.Signer.Position, d.To[0].Name, d.ToPlaces, d.TaskCodes = "N/A", "null", []string{"null", "Lưu: VT"}, []string{"n/a"}
	var out bytes.Buffer
	if err := EncodeDocument(&out, d); err != nil {
		t.Fatal(err)
	}
	again, warnings := decodeDocument(t, out.Bytes())
	if len(warnings) > 0 || again.Signer.Position != "" || again.To[0].Name != "" || !slices.Equal(again.ToPlaces, []string{"Lưu: VT"}) || again.TaskCodes != nil {
		t.Errorf("%v, %+v", warnings, again)
	}
}

func TestDates(t *testing.T) {
	for in, want := range map[string]string{
		"2026/11/22": "2026-11-22", "22/11/2026": "2026-11-22", "2026-11-22": "2026-11-22", " 2026/01/05 ": "2026-01-05",
		"": "", "2015/02/30": "2015/02/30", "hôm nay": "hôm nay",
	} {
		if d, _ := ParseDate(in); d.ISO() != want {
			t.Errorf("ParseDate(%q) = %q, want %q", in, d.ISO(), want)
		}
	}
	late := time.Date(2026, 12, 31, 20, 0, 0, 0, time.UTC)
	if got := DateOf(late).String(); got != "2027/01/01" {
		t.Errorf("the day in Vietnam is %s", got)
	}
}

func TestKinds(t *testing.T) {
	all := Kinds()
	if len(all) != 29 {
		t.Fatalf("%d types, NĐ 30 has 29", len(all))
	}
	seen := map[string]bool{}
	for _, k := range all {
		if seen[k.Abbr] || seen[k.Name] || !norm.NFC.IsNormalString(k.Abbr+k.Name) {
			t.Errorf("%v stands twice or is not NFC", k)
		}
		seen[k.Abbr], seen[k.Name] = true, true
	}
	for in, want := range map[string]string{"cv": "Công văn", "QĐ": "Quyết định", "qd": "Quyết định", "qyd": "Quy định", "TTR": "Tờ trình", "DA": "Dự án", "đa": "Đề án", "xx": "", "": ""} {
		if k, _ := KindByAbbr(in); k.Name != want {
			t.Errorf("KindByAbbr(%q) = %q, want %q", in, k.Name, want)
		}
	}
	if k, ok := KindByName("QUYẾT ĐỊNH (cá biệt)"); !ok || k.Abbr != "QĐ" {
		t.Errorf("KindByName = %v %v", k, ok)
	}
}
