package hotfolder

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tram/agent/connector/connectortest"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
)

func TestSidecars(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for _, k := range []struct {
		name, text string
		codes      []string // faults
		files      []string // names; nil: that of the sidecar
	}{
		{"smallest", `{"to":["H40.15"],"subject":"x"}`, nil, nil},
		{"with a byte order mark", "\ufeff{}", nil, nil},
		{"all of it", `{"to":["H40.15","H40.16"],"subject":"Báo cáo","urgency":"hoa-toc","type":"BC","number":"12","notation":"BC-UBND","date":"2026-11-23",
			"signer":"A","position":"B","content":"C","classification":"","copied":true,"files":[{"name":"a.pdf","size":3,"sha256":"` + sum + `"},{"name":"b.pdf"}]}`,
			nil, []string{"a.pdf", "b.pdf"}},
		{"no JSON", "to: H40.15", []string{"hotfolder.sidecar"}, nil},
		{"half", `{"to":["H40.15"`, []string{"hotfolder.sidecar"}, nil},
		{"empty", "", []string{"hotfolder.sidecar"}, nil},
		{"two", `{} {}`, []string{"hotfolder.sidecar"}, nil},
		{"a list", `[]`, []string{"hotfolder.sidecar"}, nil},
		{"unknown field", `{"den":"H40.15"}`, []string{"hotfolder.sidecar"}, nil},
		{"one recipient as a text", `{"to":"H40.15"}`, []string{"hotfolder.sidecar"}, nil},
		{"UTF-16", "\xff\xfe{\x00}\x00", []string{"hotfolder.sidecar-encoding"}, nil},
		{"windows-1258", "{\"subject\":\"B\xe1o c\xe1o\"}", []string{"hotfolder.sidecar-encoding"}, nil},
		{"too large", `{"subject":"` + strings.Repeat("x", maxSidecar) + `"}`, []string{"hotfolder.sidecar-large"}, nil},
		{"urgency", `{"urgency":"gấp"}`, []string{"hotfolder.sidecar-urgency"}, nil},
		{"paths and messages", `{"files":[{"name":"../a"},{"name":"c:\\a"},{"name":""},{"name":"a.edxml"},{"name":"x.tram.json"},{"name":".a"},{"name":"a.tmp"}]}`,
			slices.Repeat([]string{"hotfolder.sidecar-name"}, 7), nil},
		{"twice", `{"files":[{"name":"Tệp.pdf"},{"name":"te` + "\u0302\u0323" + `p.pdf"}]}`, []string{"hotfolder.sidecar-twice"}, nil},
		{"sums", `{"files":[{"name":"a","size":-1},{"name":"b","sha256":"0a"},{"name":"c","sha256":"` + strings.Repeat("zz", 32) + `"}]}`,
			slices.Repeat([]string{"hotfolder.sidecar-sum"}, 3), nil},
		{"too many files", `{"files":[` + strings.Repeat(`{"name":"a"},`, office.MaxFiles) + `{"name":"b"}]}`, []string{"send.too-many-files"}, nil},
		{"all faults at once", `{"urgency":"x","files":[{"name":"/"}]}`, []string{"hotfolder.sidecar-urgency", "hotfolder.sidecar-name"}, nil},
	} {
		t.Run(k.name, func(t *testing.T) {
			s, err := decodeSidecar([]byte(k.text), "a.pdf.tram.json")
			if len(k.codes) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, f := range s.Files {
					names = append(names, f.Name)
				}
				if want := k.files; !slices.Equal(names, want) && !(want == nil && slices.Equal(names, []string{"a.pdf"})) {
					t.Errorf("files %q", names)
				}
				return
			}
			var codes []string
			for _, p := range problem.All(err) {
				codes = append(codes, p.Code)
				if p.Next(i18n.Vietnamese) == "" || p.Next(i18n.English) == "" {
					t.Errorf("%s says nothing of what to do", p.Code)
				}
			}
			if !slices.Equal(codes, k.codes) {
				t.Errorf("%v, want %q", err, k.codes)
			}
		})
	}
}

func TestADraftIsWhatTheSidecarSays(t *testing.T) {
	s, err := decodeSidecar([]byte(`{"to":["H40.15"],"subject":"Báo cáo","urgency":"thuong-khan","type":"BC","number":"12","notation":"BC-UBND",
		"date":"2026-11-23","signer":"A","position":"B","content":"C","classification":"Mật","copied":true}`), "a.tram.json")
	if err != nil {
		t.Fatal(err)
	}
	got, want := s.draft(), office.Draft{
		To: []string{"H40.15"}, Subject: "Báo cáo", Urgency: office.ThuongKhan, Type: "BC", Number: "12", Notation: "BC-UBND", Date: "2026-11-23",
		Signer: "A", Position: "B", Content: "C", Classification: "Mật", Copied: true,
	}
	if a, b := must(json.Marshal(got)), must(json.Marshal(want)); !bytes.Equal(a, b) {
		t.Errorf("got %s", a)
	}
}

// FuzzSidecar holds that whatever a sidecar contains, it is a draft with files of
// the folder itself, or a problem that a person can read in both languages.
func FuzzSidecar(f *testing.F) {
	f.Add([]byte(`{"to":["H40.15"],"subject":"x","files":[{"name":"a.pdf","size":1,"sha256":""}]}`), "a")
	f.Add([]byte("\ufeff{}"), "công văn.pdf")
	f.Add([]byte(`{"files":[{"name":"../x"}]}`), "")
	f.Fuzz(func(t *testing.T, data []byte, own string) {
		s, err := decodeSidecar(data, own+sidecarExt)
		if err != nil {
			for _, p := range problem.All(err) {
				for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
					if m := p.Message(lang); m == "" || m == "problem."+p.Code || !utf8.ValidString(m) {
						t.Errorf("%s has no words: %q", p.Code, m)
					}
				}
				if p.Code == "internal" {
					t.Errorf("not for people: %v", err)
				}
			}
			return
		}
		if len(s.Files) == 0 || len(s.Files) > office.MaxFiles {
			t.Errorf("%d files", len(s.Files))
		}
		for _, n := range s.Files {
			if n.Name == "" || strings.ContainsAny(n.Name, "/\\\x00") || n.Name == "." || n.Name == ".." {
				t.Errorf("file %q", n.Name)
			}
		}
		if s.draft().Urgency > office.HoaToc {
			t.Error("urgency")
		}
	})
}

// FuzzNames holds that names which are made of other names fit every file system
// and keep apart what is apart.
func FuzzNames(f *testing.F) {
	f.Add("công văn.pdf", 2)
	f.Add(longName, 3)
	f.Add("\xff\xfe.edxml", 1)
	f.Fuzz(func(t *testing.T, name string, n int) {
		if name == "" || len(name) > maxName || strings.ContainsAny(name, "/\x00") {
			return
		}
		n = 1 + n&0xff
		got := numbered(name, n, 0)
		if n == 1 && got != name {
			t.Errorf("%q became %q", name, got)
		}
		if len(got) > maxName || n > 1 && got == name || utf8.ValidString(name) && !utf8.ValidString(got) {
			t.Errorf("%q numbered %d is %q", name, n, got)
		}
		if w := word(name, maxNamePart); len(w) > maxNamePart || strings.ContainsFunc(w, func(r rune) bool { return r > '~' || r <= ' ' || r == '/' }) {
			t.Errorf("%q as a word is %q", name, w)
		}
	})
}

func TestIsWhole(t *testing.T) {
	edx := string(connectortest.EdXML(connectortest.Office, connectortest.Other, "A", "x"))
	zip := "PK\x03\x04" + strings.Repeat("x", 100) + "PK\x05\x06" + strings.Repeat("\x00", 18)
	for _, k := range []struct {
		name, content string
		whole         bool
	}{
		{"a.edxml", edx, true},
		{"a.EDXML", edx + "\r\n<!-- hết -->\n", true},
		{"a.edxml", edx[:len(edx)-2], false},
		{"a.edxml", edx[:len(edx)/2], false},
		{"a.edxml", edx[:200], false},
		{"a.edxml", strings.Repeat("\x00", 9000), false},
		{"a.edxml", strings.Repeat("\x00", 9000) + "</edXML>", false},
		{"a.edxml", edx[:len(edx)-60] + strings.Repeat("\x00", 700), false},
		{"a.edxml", "<x/>", true},
		{"a.edxml", "không phải XML", true}, // the office says why not
		{"a.edxml", "\xff\xfe<\x00x\x00>\x00", true},
		{"a.pdf", "%PDF-1.7\n%%EOF\n", true},
		{"a.pdf", "%PDF-1.7\n", false},
		{"a.docx", zip, true},
		{"a.docx", zip[:60], false},
		{"a.txt", "x", true},
		{"a.txt", "", false},
		{"a.bin", "x" + strings.Repeat("\x00", 600), false},
		{"a.bin", "x" + strings.Repeat("\x00", 60), true},
	} {
		got, err := isWhole(k.name, strings.NewReader(k.content), int64(len(k.content)))
		if err != nil || got != k.whole {
			t.Errorf("%s of %d bytes %.20q: whole %v, %v", k.name, len(k.content), k.content, got, err)
		}
	}
}

// A status is given to the document that it names; one that names none is set
// aside.
func TestStatusesAreTakenOver(t *testing.T) {
	status := func(about string) []byte {
		var b bytes.Buffer
		err := edxml.EncodeStatus(&b, &edxml.Status{
			From: edxml.Organ{ID: connectortest.Office, Name: "UBND xã Mẫu"}, Code: edxml.StatusAccepted, Time: moment,
			ResponseFor: edxml.ResponseFor{OrganID: connectortest.Other, DocumentID: about},
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	s := newStation(t, -1)
	if err := s.look(0); err != nil {
		t.Fatal(err)
	}
	write(t, s.drop("tt.edxml"), status("khong-co"))
	s.looks()
	if names := s.names(rejectDir); !slices.Equal(names, []string{"tt.edxml", "tt.edxml.loi.txt"}) {
		t.Errorf("set aside: %q", names)
	}
	o := newOutbox(t, -1)
	if err := o.c.Collect(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.set["settle"] = "0s"
	if err := o.c.Close(); err != nil {
		t.Fatal(err)
	}
	o.open()
	write(t, (&station{tree: o.tree}).drop("tt.edxml"), status("co"))
	var failed error
	for range 4 {
		failed = errors.Join(failed, o.c.Collect(t.Context()))
	}
	if names := o.names(doneDir); failed != nil || !slices.Equal(names, []string{"tt.edxml"}) {
		t.Errorf("handed over: %q, %v", names, failed)
	}
}
