package office

import (
	"encoding/json"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/sync/wire"
)

func TestWhatIsToldIsKeptForReadersOfEachLanguage(t *testing.T) {
	vi, en := i18n.Vietnamese, i18n.English
	for _, c := range []struct {
		name   string
		w      wording
		vi, en string
	}{
		{"nothing", wording{}, "", ""},
		{"somebody's words", written("Sai thẩm quyền"), "Sai thẩm quyền", "Sai thẩm quyền"},
		{"somebody's words that begin as a message does", written(saidMark + `{"code":"office.failed.expired"}`),
			`{"code":"office.failed.expired"}`, `{"code":"office.failed.expired"}`},
		{"a message", said("office.failed.expired"), i18n.T(vi, "office.failed.expired"), i18n.T(en, "office.failed.expired")},
		{"a refusal", refusal(wire.CodeNotAllowed, ""), i18n.T(vi, "office.refused.18"), i18n.T(en, "office.refused.18")},
		{"a refusal of a later version", refusal(200, "no\x00pe"),
			"Trung tâm từ chối (mã 200). no�pe", "The hub refused it (code 200). no�pe"},
		{"a message about a message", (&rejection{reason: "message", args: i18n.Args{"why": i18n.Say("problem.edxml.lacks", i18n.Args{"element": "Subject"})}}).words(),
			"Gói tin edXML không vào sổ được: Gói tin edXML thiếu Subject nên không vào sổ được.",
			"The edXML message cannot be filed: The edXML message lacks Subject and cannot be filed."},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept, err := c.w.kept()
			if err != nil {
				t.Fatal(err)
			}
			w := readWording(kept)
			if w.in(vi) != c.vi || w.in(en) != c.en || w.text != c.vi {
				t.Errorf("kept as %q: %q, %q", kept, w.in(vi), w.in(en))
			}
		})
	}
	if w := readWording("Hết thời hạn."); w.in(en) != "Hết thời hạn." {
		t.Errorf("a text of an earlier version became %q", w.in(en))
	}
}

// The local interface hands problems on as JSON.
func TestAReasonInAProblemIsSaidInTheReadersLanguage(t *testing.T) {
	p := problem.New(problem.Conflict, "accept.returned", "", i18n.Args{"reason": said("office.reject.key")})
	raw, err := json.Marshal(p.Args)
	if err != nil {
		t.Fatal(err)
	}
	var args i18n.Args
	if err := json.Unmarshal(raw, &args); err != nil {
		t.Fatal(err)
	}
	over := problem.New(problem.Conflict, "accept.returned", "", args)
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		want := i18n.T(lang, "office.reject.key")
		if !strings.Contains(p.Message(lang), want) || over.Message(lang) != p.Message(lang) {
			t.Errorf("%s: %q, and on the other side %q", lang, p.Message(lang), over.Message(lang))
		}
	}
}

func FuzzWording(f *testing.F) {
	f.Add("Sai thẩm quyền")
	f.Add(saidMark + `{"code":"office.failed.expired","args":{"a":{"code":"b"}}}`)
	f.Add(saidMark + saidMark + `{`)
	f.Fuzz(func(t *testing.T, text string) {
		kept, err := written(text).kept()
		if err != nil {
			t.Fatal(err)
		}
		if w := readWording(kept); w.said != nil || w.text != strings.TrimLeft(text, saidMark) {
			t.Fatalf("somebody's words %q became %+v", text, w)
		}
		w := readWording(text) // whatever is in the database
		again, err := w.kept()
		if err != nil {
			t.Fatal(err)
		}
		if back := readWording(again); (back.said == nil) != (w.said == nil) {
			t.Fatalf("%q became %+v", text, back)
		}
	})
}
