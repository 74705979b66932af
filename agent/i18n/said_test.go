package i18n

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAMessageIsKeptAndSaidInTheReadersLanguage(t *testing.T) {
	inner := Say("office.refused.18")
	for _, c := range []struct {
		name   string
		said   *Said
		vi, en string
	}{
		{"plain", Say("office.failed.expired"), T(Vietnamese, "office.failed.expired"), T(English, "office.failed.expired")},
		{"text and number", Say("office.refused.other", Args{"code": 1000000, "text": "“x”"}),
			"Trung tâm từ chối (mã 1.000.000). “x”", "The hub refused it (code 1,000,000). “x”"},
		{"a message in a message", Say("office.status.unsent", Args{"reason": inner}),
			T(Vietnamese, "office.status.unsent", Args{"reason": T(Vietnamese, "office.refused.18")}),
			T(English, "office.status.unsent", Args{"reason": T(English, "office.refused.18")})},
		{"nothing", nil, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw, err := json.Marshal(c.said)
			if err != nil {
				t.Fatal(err)
			}
			var read *Said
			if err := json.Unmarshal(raw, &read); err != nil {
				t.Fatal(err)
			}
			for _, s := range []*Said{c.said, read} {
				if vi, en := s.Text(Vietnamese), s.Text(English); vi != c.vi || en != c.en {
					t.Errorf("said %q and %q, want %q and %q", vi, en, c.vi, c.en)
				}
			}
		})
	}
}

func FuzzSaid(f *testing.F) {
	f.Add([]byte(`{"code":"office.status.unsent","args":{"reason":{"code":"office.refused.18"},"n":1e6}}`))
	f.Add([]byte(`{"code":1}`))
	f.Add([]byte(`{"args":{"a":` + strings.Repeat(`{"args":{"a":`, 20) + `1` + strings.Repeat(`}}`, 20) + `}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s Said
		if json.Unmarshal(raw, &s) != nil {
			return
		}
		text := s.Text(English)
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		var back Said
		if err := json.Unmarshal(again, &back); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if len(s.Args) == 1 && back.Text(English) != text { // with several, one may stand in another's value
			t.Fatalf("said %q, then %q", text, back.Text(English))
		}
	})
}
