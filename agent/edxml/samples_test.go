package edxml

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/tooltest"
)

// TestSamplesRoundTrip: every kind of document and every status is read
// without a warning, rebuilt to the same bytes, and written strictly to a
// message that reads as the same.
func TestSamplesRoundTrip(t *testing.T) {
	for name, data := range samples(t, "messages", 20) {
		t.Run(name, func(t *testing.T) {
			f, stage := read(t, data)
			if len(f.Warnings) > 0 {
				t.Errorf("warnings: %v", f.Warnings)
			}
			var rebuilt bytes.Buffer
			if err := Rebuild(&rebuilt, f.Skeleton, stage.received()); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(rebuilt.Bytes(), data) {
				t.Errorf("rebuilt as\n%s", rebuilt.Bytes())
			}
			var files [][]byte
			for _, a := range f.Attachments {
				file, plain := unwrapped(t, a, stage)
				if !file.Wrapped || len(file.Warnings) > 0 || !a.Listed {
					t.Errorf("%s: %+v", a.Name, file)
				}
				files = append(files, plain)
			}
			written, err := write(f, files)
			if err != nil {
				t.Fatal(err)
			}
			again, stage := read(t, written)
			if !same(again.Message, f.Message) || len(again.Warnings) > 0 {
				t.Errorf("read again as %+v, %v", again.Message, again.Warnings)
			}
			for i, a := range again.Attachments {
				if file, plain := unwrapped(t, a, stage); !file.Wrapped || !bytes.Equal(plain, files[i]) || a.ContentType != zipType {
					t.Errorf("attachment %d came back as %q", i, plain)
				}
			}
		})
	}
}

// TestSamplesCoverAllKinds: no kind of message and no status is missing among
// the samples.
func TestSamplesCoverAllKinds(t *testing.T) {
	operations, codes := map[Operation]bool{}, map[StatusCode]bool{}
	reply, dossier, without := false, false, false
	for _, data := range samples(t, "messages", 20) {
		f, _ := read(t, data)
		switch m := f.Message.(type) {
		case *Document:
			operations[m.Operation()] = true
			without = without || m.Business == nil
			reply = reply || len(m.ResponseFor) > 0 && len(m.TaskCodes) > 0
			dossier = dossier || m.ApplicationType == "MCDT_DT" && m.Other.ReferenceCodes != ""
		case *Status:
			codes[m.Code] = true
		}
	}
	if len(operations) != 4 || len(codes) != 9 || !reply || !dossier || !without {
		t.Errorf("operations %v, statuses %v, reply %v, dossier %v, without operation %v", operations, codes, reply, dossier, without)
	}
}

func TestSampleValues(t *testing.T) {
	document := func(name string) *Document {
		f, _ := read(t, sample(t, "messages/"+name))
		return f.Message.(*Document)
	}
	if d := document("document-recall.edxml"); d.Operation() != OpRecall || d.Target() != "H40.12.3,2026/11/22,05/BC-UBND" {
		t.Errorf("recall of %q", d.Target())
	}
	if d := document("document-recall-own.edxml"); d.Target() != d.ID {
		t.Errorf("recall without target is of %q", d.Target())
	}
	if d := document("document-update.edxml"); d.Target() == "" || d.Business.Update.Receivers[1] != (Receiver{"H40.07", "0"}) {
		t.Errorf("update %+v", d.Business)
	}
	if d := document("document-replace.edxml"); d.Target() != "" || len(d.Business.Replacements) != 2 || len(d.Business.Replacements[0].OrganIDs) != 2 {
		t.Errorf("replacement %+v", d.Business)
	}
	if d := document("document-urgent.edxml"); d.Urgency() != 3 || len(d.To) != 3 || len(d.Manifest) != 3 {
		t.Errorf("urgent document %+v", d)
	}
	f, _ := read(t, sample(t, "messages/status-13.edxml"))
	if s := f.Message.(*Status); s.From.ID != "H40.12.3" || s.ResponseFor.OrganID != "H40.05" || !strings.HasPrefix(s.ResponseFor.DocumentID, s.From.ID) {
		t.Errorf("status 13 goes from the sender to the receiver: %+v", s)
	}
	for name, want := range map[string]bool{"document-signed.edxml": true, "document-dummy-signature.edxml": false, "document-new.edxml": false} {
		if f, _ := read(t, sample(t, "messages/"+name)); f.Signed != want {
			t.Errorf("%s: Signed = %v", name, f.Signed)
		}
	}
}

// TestP12_WrittenMessagesAreWellFormed: another parser reads what is written.
func TestP12_WrittenMessagesAreWellFormed(t *testing.T) {
	xmllint := tooltest.Find(t, "xmllint", "the check that what we write is well-formed XML")
	dir := t.TempDir()
	var names []string
	keep := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, path)
	}
	for _, folder := range []string{"messages", "odd"} {
		for name, data := range samples(t, folder, 20) {
			f, stage := read(t, data)
			var rebuilt bytes.Buffer
			if err := Rebuild(&rebuilt, f.Skeleton, stage.received()); err != nil {
				t.Fatal(err)
			}
			keep(folder+"-rebuilt-"+name, rebuilt.Bytes())
			var files [][]byte
			for _, a := range f.Attachments[:min(len(f.Attachments), manifestLength(f.Message))] {
				_, plain := unwrapped(t, a, stage)
				files = append(files, plain)
			}
			if written, err := write(f, files); err == nil {
				keep(folder+"-written-"+name, written)
			} else if folder == "messages" {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if out, err := exec.Command(xmllint, append([]string{"--noout", "--huge"}, names...)...).CombinedOutput(); err != nil {
		t.Errorf("xmllint: %v\n%s", err, out)
	}
}

func manifestLength(m Message) int {
	if d, ok := m.(*Document); ok {
		return len(d.Manifest)
	}
	return 0
}
