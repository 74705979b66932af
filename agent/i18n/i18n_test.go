package i18n

import (
	"regexp"
	"slices"
	"testing"
)

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func TestEveryMessageHasBothLanguages(t *testing.T) {
	if len(catalogue) < 20 {
		t.Fatalf("only %d messages: the catalogue did not load", len(catalogue))
	}
	for key, m := range catalogue {
		if m.Vi == "" || m.En == "" {
			t.Errorf("%s: a language is missing", key)
		}
		vi, en := placeholder.FindAllString(m.Vi, -1), placeholder.FindAllString(m.En, -1)
		slices.Sort(vi)
		slices.Sort(en)
		if !slices.Equal(slices.Compact(vi), slices.Compact(en)) {
			t.Errorf("%s: placeholders differ: %v and %v", key, vi, en)
		}
	}
}

func TestT(t *testing.T) {
	if got := T(English, "no.such.key"); got != "no.such.key" {
		t.Errorf("unknown key gave %q", got)
	}
	if got := Parse("en_US.UTF-8"); got != English {
		t.Errorf("Parse gave %q", got)
	}
	if got := Parse(""); got != Vietnamese {
		t.Errorf("Parse of nothing gave %q", got)
	}
}
