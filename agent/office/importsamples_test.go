package office

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tram/agent/edxml"
	"tram/agent/problem"
)

// refusedSamples are the samples of the codec that no office sends, with the
// reason. Those that the codec warns of travel.
var refusedSamples = map[string]string{
	"document-recall.edxml": "import.no-outgoing", "document-recall-own.edxml": "import.no-outgoing", "single-s.edxml": "import.no-outgoing",
	"empty-content.edxml": "send.file-empty",
	"to-short.edxml":      "send.unknown-recipient", "to-tenant.edxml": "send.unknown-recipient",
	"id-missing.edxml": "import.already", // the one that is built for it is that of another sample
}

var codeNumber = regexp.MustCompile(`(CodeNumber>)[^<]+`)

// TestP12_EverySampleTravels: each document that the codec reads goes from
// office to office, and comes out at both with the header that it had, and with
// its files. What the codec only warns of hinders nothing.
func TestP12_EverySampleTravels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "H40.12.3", "H40.05", "H40.06", "000.00.12.H40", "H49.64.33")
	a := w.offices["H40.12.3"]
	travelled := 0
	for _, folder := range []string{"messages", "odd"} {
		paths := must(filepath.Glob(filepath.Join("..", "edxml", "testdata", folder, "*.edxml")))
		for _, path := range paths {
			name := filepath.Base(path)
			data := must(os.ReadFile(path))
			full, err := edxml.Read(bytes.NewReader(data), edxml.ReadOptions{})
			if err != nil {
				t.Fatal(name, err)
			}
			if _, is := full.Message.(*edxml.Document); !is {
				continue
			}
			// Many samples are of one document.
			id := full.Message.(*edxml.Document).ID
			own := strings.Replace(string(data), "<edXML:DocumentId>"+id, "<edXML:DocumentId>"+name, 1)
			own = codeNumber.ReplaceAllString(own, fmt.Sprintf("${1}%d", 100+travelled))
			done, err := a.importing(own)
			if err != nil {
				var codes []string
				for _, p := range problem.All(err) {
					codes = append(codes, p.Code)
				}
				if refusedSamples[name] != strings.Join(codes, " ") {
					t.Errorf("%s: %v", name, err)
				}
				continue
			}
			travelled++
			w.arrives(t, name, own, done.Document, full.Signed)
		}
	}
	if travelled < 40 {
		t.Errorf("only %d samples travelled", travelled)
	}
}

// arrives delivers a message and compares it at each recipient and at its
// sender with what was handed over.
func (w *world) arrives(t *testing.T, name, message string, sent Document, signed bool) {
	t.Helper()
	w.deliver()
	skeleton, files := unpacked(t, []byte(message))
	for _, to := range sent.To {
		b := w.offices[to.Code]
		if got := b.get(sent.ID); got.State != Arrived || len(got.Attachments) != len(files) {
			t.Fatalf("%s at %s: %+v", name, to.Code, got)
		}
		for _, n := range []*node{w.offices[sent.From.Code], b} {
			out := n.exported(sent.ID)
			if signed && string(out) != message {
				t.Errorf("%s: %s exports other bytes", name, n.id.Code)
			}
			if s, f := unpacked(t, out); s != skeleton || !slices.Equal(f, files) {
				t.Errorf("%s: %s exports another message", name, n.id.Code)
			}
		}
	}
}
