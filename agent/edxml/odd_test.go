package edxml

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// oddMessages are messages that are filed, with the warnings that each
// brings: of the message, and after "|" of unwrapping its attachments.
var oddMessages = map[string]string{
	"all-prefixed.edxml":          "",
	"base64-cdata.edxml":          "",
	"base64-lines.edxml":          "",
	"bom.edxml":                   "",
	"business-first.edxml":        "",
	"content-id-twice.edxml":      "duplicate ContentId, duplicate Attachment/ContentId",
	"content-id.edxml":            "",
	"crlf.edxml":                  "",
	"day-first.edxml":             "",
	"docx-one-entry.edxml":        "",
	"docx.edxml":                  "",
	"due-early.edxml":             "order DueDate",
	"empty-content.edxml":         "empty ContentTransferEncoded",
	"empty-response.edxml":        "",
	"entry-path.edxml":            "",
	"id-30-february.edxml":        "order DocumentId",
	"id-missing.edxml":            "missing-id DocumentId",
	"id-uuid.edxml":               "",
	"junk-pdf.edxml":              "| extension a.pdf",
	"nfd.edxml":                   "",
	"no-name.edxml":               "",
	"number-letters.edxml":        "number CodeNumber",
	"operation-44.edxml":          "code BussinessDocType",
	"organ-null.edxml":            "marker OrganId",
	"other-extension.edxml":       "| extension a.doc",
	"priority-5.edxml":            "code Priority",
	"raw-pdf.edxml":               "",
	"single-s.edxml":              "",
	"status-07.edxml":             "code StatusCode",
	"status-code-parts.edxml":     "",
	"status-early.edxml":          "order Timestamp",
	"status-response-first.edxml": "",
	"status-without-id.edxml":     "",
	"stored.edxml":                "",
	"subject-long.edxml":          "long Subject, long Content",
	"to-short.edxml":              "",
	"to-tenant.edxml":             "organ OrganId",
	"two-entry-zip.edxml":         "",
	"unaccented.edxml":            "",
	"unknown-elements.edxml":      "unknown edXMLEnvelope/edXMLHeader/MessageHeader/Mark, unknown AttachmentEncoded/Attachment/Checksum",
	"unlisted.edxml":              "unlisted Attachment",
	"wrapped-zip.edxml":           "",
	"xlink.edxml":                 "",
	"zip-checksum.edxml":          "| zip a.pdf",
	"zip-cut.edxml":               "| zip a.pdf",
}

// TestOddMessagesAreFiled: what is only odd is read, with the warnings that
// the regulation of reading names, and carried through unchanged.
func TestOddMessagesAreFiled(t *testing.T) {
	all := samples(t, "odd", len(oddMessages))
	for name, want := range oddMessages {
		t.Run(name, func(t *testing.T) {
			f, stage := read(t, all[name])
			var files []Warning
			for _, a := range f.Attachments {
				file, _ := unwrapped(t, a, stage)
				files = append(files, file.Warnings...)
			}
			got := warningList(f.Warnings)
			if len(files) > 0 {
				got += "| " + warningList(files)
			}
			if got != want {
				t.Errorf("warnings %q, want %q", got, want)
			}
			carriedThrough(t, f, stage)
		})
	}
	if len(all) != len(oddMessages) {
		t.Errorf("%d samples, %d expectations", len(all), len(oddMessages))
	}
}

func warningList(list []Warning) string {
	var out []string
	for _, w := range list {
		out = append(out, w.Code+" "+w.Field)
	}
	return strings.Join(out, ", ")
}

// carriedThrough holds that a message rebuilt from its parts is the same
// message with the same contents, and rebuilt again the same bytes.
func carriedThrough(t testing.TB, f *Full, stage *staging) {
	t.Helper()
	var first, second bytes.Buffer
	if err := Rebuild(&first, f.Skeleton, stage.received()); err != nil {
		t.Fatal(err)
	}
	again, stage2 := read(t, first.Bytes())
	if !same(again.Message, f.Message) || fmt.Sprint(again.Warnings) != fmt.Sprint(f.Warnings) || fmt.Sprint(again.Attachments) != fmt.Sprint(f.Attachments) {
		t.Errorf("rebuilt as another message:\n%+v %v %v\n%+v %v %v", again.Message, again.Warnings, again.Attachments, f.Message, f.Warnings, f.Attachments)
	}
	for i, c := range stage2.contents {
		if !bytes.Equal(c.Bytes(), stage.contents[i].Bytes()) {
			t.Errorf("content %d changed", i)
		}
	}
	if err := Rebuild(&second, again.Skeleton, stage2.received()); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("rebuilt twice, in other bytes:\n%q\n%q", first.Bytes(), second.Bytes())
	}
}

func TestOddValues(t *testing.T) {
	document := func(name string) (*Document, *Full, *staging) {
		f, stage := read(t, sample(t, "odd/"+name))
		return f.Message.(*Document), f, stage
	}
	plain, _ := read(t, sample(t, "messages/document-plain.edxml"))
	for _, name := range []string{"bom.edxml", "crlf.edxml", "day-first.edxml", "business-first.edxml", "empty-response.edxml", "xlink.edxml", "id-missing.edxml"} {
		d, _, _ := document(name)
		d.Business = nil
		if !same(d, plain.Message) {
			t.Errorf("%s reads as %+v", name, d)
		}
	}
	if d, _, _ := document("nfd.edxml"); d.Subject != "Tình hình đường liên xã" {
		t.Errorf("NFD subject %q", d.Subject)
	}
	if d, _, _ := document("organ-null.edxml"); d.Trace[0].OrganID != "" {
		t.Errorf("null organ is %q", d.Trace[0].OrganID)
	}
	if d, _, _ := document("single-s.edxml"); d.Operation() != OpRecall || d.Target() != d.ID {
		t.Errorf("single s: %+v", d.Business)
	}
	if _, f, _ := document("no-name.edxml"); f.Attachments[0].Name != "bao-cao.pdf" {
		t.Errorf("an attachment without name is %q", f.Attachments[0].Name)
	}
	if _, f, stage := document("content-id-twice.edxml"); f.Attachments[0].Content != 0 || f.Attachments[1].Content != 1 || f.Attachments[1].Name != "b.pdf" || len(stage.contents) != 2 {
		t.Errorf("attachments of the same id: %+v", f.Attachments)
	}
	if _, f, _ := document("unlisted.edxml"); len(f.Attachments) != 2 || !f.Attachments[0].Listed || f.Attachments[1].Listed {
		t.Errorf("unlisted attachment: %+v", f.Attachments)
	}
	if d, f, _ := document("unknown-elements.edxml"); !bytes.Contains(f.Skeleton, []byte(`<edXML:Mark value="7">giữ &#x1F4CE; nguyên</edXML:Mark>`)) || d.SteeringType != "1" {
		t.Error("an unknown element is not in the skeleton as received")
	}
	wrapped := map[string]bool{"raw-pdf.edxml": false, "junk-pdf.edxml": false, "docx.edxml": false, "docx-one-entry.edxml": false, "two-entry-zip.edxml": false,
		"wrapped-zip.edxml": true, "other-extension.edxml": true, "entry-path.edxml": true, "stored.edxml": true, "zip-checksum.edxml": false, "zip-cut.edxml": false}
	for name, want := range wrapped {
		_, f, stage := document(name)
		file, data := unwrapped(t, f.Attachments[0], stage)
		if raw := bytes.Equal(data, stage.contents[0].Bytes()); file.Wrapped != want || raw == want || !want && file.SHA256 != f.Attachments[0].SHA256 {
			t.Errorf("%s: wrapped %v, the content itself %v", name, file.Wrapped, raw)
		}
	}
}

func TestReadKnowsItsOffice(t *testing.T) {
	for office, want := range map[string]bool{"h40.05 ": false, "H40.06": true} {
		f, err := Read(bytes.NewReader(sample(t, "messages/document-new.edxml")), ReadOptions{Office: []string{office}})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.ContainsFunc(f.Warnings, func(w Warning) bool { return w.Code == WarnRecipient }); got != want {
			t.Errorf("office %q: %v", office, f.Warnings)
		}
	}
}

// TestRefusedMessages: what cannot be trusted is refused. The file's name begins
// with the code of the refusal.
func TestRefusedMessages(t *testing.T) {
	codes := []string{"malformed", "old-dialect", "wrong-variant", "security-report", "wrong-root", "doctype", "lacks", "no-attachment", "undecodable", "zip-bomb"}
	for name, data := range samples(t, "refused", 25) {
		want := ""
		for _, code := range codes {
			if strings.HasPrefix(name, code) {
				want = "edxml." + code
			}
		}
		err := refusal(data)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// TestWordsOfSamples: what people read about each odd and each refused message,
// in both languages, is what words.txt says.
func TestWordsOfSamples(t *testing.T) {
	var got []string
	say := func(name, vi, en string) { got = append(got, name, "  "+vi, "  "+en) }
	for name, data := range samples(t, "odd", len(oddMessages)) {
		f, stage := read(t, data)
		list := f.Warnings
		for _, a := range f.Attachments {
			file, _ := unwrapped(t, a, stage)
			list = append(list, file.Warnings...)
		}
		for i, w := range list {
			say(fmt.Sprintf("odd/%s %d", name, i+1), w.Message(i18n.Vietnamese), w.Message(i18n.English))
		}
	}
	for name, data := range samples(t, "refused", 25) {
		p := problem.From(refusal(data))
		say("refused/"+name, p.Message(i18n.Vietnamese)+" "+p.Next(i18n.Vietnamese), p.Message(i18n.English)+" "+p.Next(i18n.English))
	}
	var entries []string
	for entry := range slices.Chunk(got, 3) {
		entries = append(entries, strings.Join(entry, "\n")+"\n")
	}
	slices.Sort(entries)
	text := strings.Join(entries, "")
	if want := string(sample(t, "words.txt")); text != want {
		t.Errorf("the words are\n%s", text)
	}
}

// refusal reads a message with its attachments and returns why it is refused.
func refusal(data []byte) error {
	stage := &staging{}
	f, err := Read(bytes.NewReader(data), ReadOptions{Stage: stage})
	if err != nil {
		return err
	}
	for _, a := range f.Attachments {
		content := stage.contents[a.Content].Bytes()
		if _, err := Unwrap(bytes.NewReader(content), int64(len(content)), a.Name, 0); err != nil {
			return err
		}
	}
	return nil
}
