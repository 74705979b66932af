package register

import (
	"slices"
	"testing"
	"time"
)

func TestNumbersBelowTenHaveALeadingZero(t *testing.T) {
	for n, want := range map[int]string{1: "01", 5: "05", 9: "09", 10: "10", 15: "15", 128: "128", 3000: "3000"} {
		if got := Number(n); got != want {
			t.Errorf("%d is written %q, want %q", n, got, want)
		}
	}
	for want, got := range map[string]string{
		"15/QĐ-UBND": Code(15, Notation("QĐ", "UBND")), "05/BNV-VP": Code(5, Notation("", "BNV", "VP")), "12/UBND-VX": Code(12, Notation("UBND", "VX")),
		"30/2020/NĐ-CP": Code(30, "2020/"+Notation("NĐ", "CP")),
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestDateLinesFollowTheDecree(t *testing.T) {
	for want, day := range map[string][2]int{
		"ngày 05 tháng 01 năm 2026": {5, 1}, "ngày 28 tháng 02 năm 2026": {28, 2}, "ngày 29 tháng 6 năm 2026": {29, 6}, "ngày 01 tháng 3 năm 2026": {1, 3},
		"ngày 10 tháng 10 năm 2026": {10, 10}, "ngày 31 tháng 12 năm 2026": {31, 12},
	} {
		date := time.Date(2026, time.Month(day[1]), day[0], 0, 0, 0, 0, time.UTC)
		if got := DateLine("", date); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if got := DateLine("Mỹ Hạnh", date); got != "Mỹ Hạnh, "+want {
			t.Errorf("with a place: %q", got)
		}
	}
	if got := Day(time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)); got != "05/01/2026" || Day(time.Time{}) != "" {
		t.Errorf("Day gave %q, %q", got, Day(time.Time{}))
	}
}

func TestGapsAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		numbers []int
		want    []Range
	}{
		"none at all":     {nil, nil},
		"unbroken":        {[]int{1, 2, 3}, nil},
		"the first":       {[]int{2}, []Range{{1, 1}}},
		"several":         {[]int{1, 4, 5, 9}, []Range{{2, 3}, {6, 8}}},
		"out of order":    {[]int{5, 1, 3}, []Range{{2, 2}, {4, 4}}},
		"given twice":     {[]int{1, 2, 2, 4}, []Range{{3, 3}}},
		"below one":       {[]int{0, -3, 1, 2}, nil},
		"a whole quarter": {[]int{1, 900}, []Range{{2, 899}}},
	} {
		if got := Gaps(c.numbers); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if a, b := (Range{7, 7}).String(), (Range{7, 12}).String(); a != "07" || b != "07–12" {
		t.Errorf("ranges are written %q and %q", a, b)
	}
}

func TestSeriesAreThoseOfTheDecree(t *testing.T) {
	for name, c := range map[string]struct {
		a, b    Numbered
		perType bool
		same    bool
	}{
		"one series for all":                     {Numbered{Type: "QĐ"}, Numbered{Type: ""}, false, true},
		"one for each type":                      {Numbered{Type: "QĐ"}, Numbered{Type: "TB"}, true, false},
		"one type, written differently":          {Numbered{Type: "QyĐ"}, Numbered{Type: "QYĐ"}, true, true},
		"legal documents apart from others":      {Numbered{Type: "QĐ", Legal: true}, Numbered{Type: "QĐ"}, true, false},
		"each legal type apart, always":          {Numbered{Type: "QĐ", Legal: true}, Numbered{Type: "NQ", Legal: true}, false, false},
		"copies share one":                       {Numbered{Type: "SY"}, Numbered{Type: "TrS"}, true, true},
		"copies apart from documents":            {Numbered{Type: "SL"}, Numbered{Type: "QĐ"}, false, false},
		"a board with the office's seal":         {Numbered{Type: "TB", Body: "BCH"}, Numbered{Type: "TB"}, false, false},
		"one board's documents share its series": {Numbered{Type: "TB", Body: "BCH"}, Numbered{Type: "KH", Body: "bch"}, false, true},
	} {
		if got := OutgoingSeries(2026, c.a, c.perType) == OutgoingSeries(2026, c.b, c.perType); got != c.same {
			t.Errorf("%s: same series is %v", name, got)
		}
	}
	if OutgoingSeries(2026, Numbered{}, false) == OutgoingSeries(2027, Numbered{}, false) {
		t.Error("a new year has a new series")
	}
	if IncomingSeries(2026) == OutgoingSeries(2026, Numbered{}, false) {
		t.Error("what comes in and what goes out share a series")
	}
}

func TestCodesAreComparedAsWritten(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"15/QĐ-UBND", " 15 / qđ-ubnd", true}, {"15/QĐ-UBND", "15/QD-UBND", false}, {"15/QyĐ-HĐ", "15/QYĐ-HĐ", true},
		{"15/\u0110\u00C2", "15/\u0110A\u0302", true}, {"15/QĐ", "16/QĐ", false},
	} {
		if SameCode(c.a, c.b) != c.same {
			t.Errorf("%q and %q: same is not %v", c.a, c.b, c.same)
		}
	}
	for code, want := range map[string][2]string{"30/2020/NĐ-CP": {"30", "2020/NĐ-CP"}, "12a / QĐ": {"12a", "QĐ"}, "không số": {"không số", ""}} {
		if n, notation := SplitCode(code); n != want[0] || notation != want[1] {
			t.Errorf("%q splits into %q and %q", code, n, notation)
		}
	}
}
