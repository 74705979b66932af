package edxml

import (
	"bytes"
	"errors"
	"testing"

	"tram/agent/problem"
)

// seeds adds every sample.
func seeds(f *testing.F) {
	f.Helper()
	for folder, least := range map[string]int{"": 3, "messages": 20, "odd": 40, "refused": 25} {
		for name, data := range samples(f, folder, least) {
			if name != "zip-bomb.edxml" { // its size only slows the search
				f.Add(data)
			}
		}
	}
	for _, content := range []string{"UEsDBA==", "<![CDATA[UEs]]>DBA==<!-- > -->", "\xEF\xBB\xBFUE&#13;sD<?p ?>BA<e a='>'/>==", "</x:ContentTransferEncoded><x:ContentTransferEncoded/><x:ContentTransferEncoded>"} {
		f.Add([]byte(smallest + content + smallestEnd))
	}
}

// smallest is the shortest document with an attachment, which a fuzzer changes
// at the places that matter.
const (
	smallest = `<x:edXML xmlns:x="` + Namespace + `"><x:edXMLEnvelope><x:edXMLHeader><x:MessageHeader>` +
		`<x:From><x:OrganId>A</x:OrganId></x:From><x:To><x:OrganId>B</x:OrganId></x:To><x:Code><x:CodeNumber>1</x:CodeNumber></x:Code><x:Subject>s</x:Subject>` +
		`</x:MessageHeader></x:edXMLHeader><x:edXMLBody><x:edXMLManifest><x:Reference><x:ContentId>c</x:ContentId></x:Reference></x:edXMLManifest></x:edXMLBody></x:edXMLEnvelope>` +
		`<x:AttachmentEncoded><x:Attachment><x:ContentId>c</x:ContentId><x:ContentTransferEncoded>`
	smallestEnd = `</x:ContentTransferEncoded></x:Attachment></x:AttachmentEncoded></x:edXML>`
)

func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, warnings, err := Decode(bytes.NewReader(data))
		if len(warnings) > MaxWarnings {
			t.Fatalf("%d warnings", len(warnings))
		}
		if err != nil {
			return
		}
		// What the writer takes must be read back as the same value.
		var out bytes.Buffer
		switch m := msg.(type) {
		case *Document:
			err = EncodeDocument(&out, m)
		case *Status:
			err = EncodeStatus(&out, m)
		}
		if err != nil {
			return
		}
		again, _, err := Decode(&out)
		if err != nil || !same(again, msg) {
			t.Fatalf("read back as %+v, %v; was %+v", again, err, msg)
		}
	})
}

func TestSeedsAreRead(t *testing.T) {
	f, stage := read(t, []byte(smallest+"UEsDBA=="+smallestEnd))
	if len(f.Attachments) != 1 || stage.contents[0].String() != "PK\x03\x04" {
		t.Errorf("%+v", f)
	}
}

// FuzzRead holds the reader of full messages to the reader of headers, which
// sees the same bytes without a splitter before it.
func FuzzRead(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		stage := &staging{}
		full, err := Read(bytes.NewReader(data), ReadOptions{Stage: stage, MaxAttachment: 1 << 20, MaxAttachments: 16})
		for _, c := range stage.contents {
			if c.closed != 1 {
				t.Fatal("a content was not closed once")
			}
		}
		msg, _, plain := Decode(bytes.NewReader(data))
		if err == nil {
			if plain != nil || !same(msg, full.Message) || len(full.Warnings) > MaxWarnings {
				t.Fatalf("without the splitter: %+v, %v", msg, plain)
			}
			return
		}
		var p *problem.Problem
		if !errors.As(err, &p) {
			t.Fatalf("a refusal without words: %v", err)
		}
		switch p.Code {
		case "edxml.no-attachment", "edxml.undecodable", "edxml.attachment-large", "edxml.attachments-many":
		default:
			if plain == nil {
				t.Fatalf("refused only with the splitter: %v", err)
			}
		}
	})
}

// FuzzRebuild: what is read can be rebuilt, to the same message.
func FuzzRebuild(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		stage := &staging{}
		full, err := Read(bytes.NewReader(data), ReadOptions{Stage: stage})
		if err != nil {
			return
		}
		carriedThrough(t, full, stage)
		if refs, err := Carried(full.Skeleton); err != nil || len(refs) != full.Contents {
			t.Fatalf("%d places of %d are found again: %v", len(refs), full.Contents, err)
		}
		var files [][]byte
		for _, a := range full.Attachments[:manifestLength(full.Message)] {
			content := stage.contents[a.Content].Bytes()
			file, err := Unwrap(bytes.NewReader(content), int64(len(content)), a.Name, 1<<20)
			if err != nil {
				return
			}
			r, err := file.Open()
			if err != nil {
				t.Fatal(err)
			}
			var plain bytes.Buffer
			if _, err := plain.ReadFrom(r); err != nil {
				t.Fatal(err)
			}
			files = append(files, plain.Bytes())
		}
		written, err := write(full, files)
		if err != nil {
			return
		}
		again, stage := read(t, written)
		for i, a := range again.Attachments {
			if _, plain := unwrapped(t, a, stage); !bytes.Equal(plain, files[i]) {
				t.Fatalf("attachment %q changed", a.Name)
			}
		}
	})
}
