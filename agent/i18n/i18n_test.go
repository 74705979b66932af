package i18n

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math"
	"regexp"
	"slices"
	"testing"
	"time"
)

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

func TestEveryMessageHasBothLanguages(t *testing.T) {
	keys := Keys()
	if len(keys) < 20 {
		t.Fatalf("only %d messages: the catalogue did not load", len(keys))
	}
	for _, key := range keys {
		m, _ := catalogue.get(key)
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

// TestTheFilesAreFoundAsJSONHasThem: nothing is left out, nothing is cut.
func TestTheFilesAreFoundAsJSONHasThem(t *testing.T) {
	names, err := fs.Glob(files, "messages/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("%v: %v", names, err)
	}
	total := 0
	for _, name := range names {
		data, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		var whole map[string]message
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&whole); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		total += len(whole)
		for key, want := range whole {
			if m, ok := catalogue.get(key); !ok || m != want {
				t.Errorf("%s: %q is %+v, want %+v", name, key, m, want)
			}
		}
	}
	if got := len(Keys()); got != total {
		t.Errorf("%d keys are known, %d are in the files", got, total)
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		mustLoad(files)
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

func TestCountsHaveTheirThousandsApart(t *testing.T) {
	for _, tt := range []struct {
		n      int64
		vi, en string
	}{
		{0, "0", "0"}, {2026, "2026", "2026"}, {9_999, "9999", "9999"}, {10_000, "10.000", "10,000"}, {11_000, "11.000", "11,000"},
		{1_234_567, "1.234.567", "1,234,567"}, {-9_999, "-9999", "-9999"}, {-100_000, "-100.000", "-100,000"},
		{math.MinInt64, "-9.223.372.036.854.775.808", "-9,223,372,036,854,775,808"},
	} {
		if vi, en := Count(Vietnamese, tt.n), Count(English, tt.n); vi != tt.vi || en != tt.en {
			t.Errorf("%d: %q and %q, want %q and %q", tt.n, vi, en, tt.vi, tt.en)
		}
	}
}

func TestSpansAreToTheMinute(t *testing.T) {
	for d, want := range map[time.Duration][2]string{
		-time.Hour: {"chưa đầy 1 phút", "less than a minute"}, time.Second: {"chưa đầy 1 phút", "less than a minute"}, 59 * time.Minute: {"59 phút", "59 min"},
		2 * time.Hour: {"2 giờ", "2 h"}, 126 * time.Minute: {"2 giờ 6 phút", "2 h 6 min"}, 50 * time.Hour: {"2 ngày", "2 days"},
	} {
		if vi, en := Span(Vietnamese, d), Span(English, d); vi != want[0] || en != want[1] {
			t.Errorf("%v: %q, %q", d, vi, en)
		}
	}
}
