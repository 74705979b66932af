package code

import (
	"errors"
	"testing"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// refused holds that err is the problem, with words in both languages.
func refused(t *testing.T, err error, want string) {
	t.Helper()
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != want {
		t.Fatalf("got %v, want problem %s", err, want)
	}
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		if p.Message(lang) == "problem."+want || p.Next(lang) == "" {
			t.Errorf("%s: it does not say what to do: %q, %q", lang, p.Message(lang), p.Next(lang))
		}
	}
}

func TestDossierCodes(t *testing.T) {
	day := func(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }
	for _, c := range []struct {
		text   string
		agency string
		day    time.Time
		number int
		key    string
		fault  string
	}{
		{text: "000.00.04.H40-230414-0002", agency: "000.00.04.H40", day: day(2023, 4, 14), number: 2, key: "000.00.04.H40-230414-0002"},
		{text: "H40.12-230414-0002", agency: "H40.12", day: day(2023, 4, 14), number: 2, key: "H40.12-230414-0002"},
		{text: " h40.12-260101-00017 ", agency: "h40.12", day: day(2026, 1, 1), number: 17, key: "H40.12-260101-00017"},
		{text: "H37.DN.001-991231-123456", agency: "H37.DN.001", day: day(2099, 12, 31), number: 123456, key: "H37.DN.001-991231-123456"},
		{text: "001.00.20.JB2-240229-0001", agency: "001.00.20.JB2", day: day(2024, 2, 29), number: 1, key: "001.00.20.JB2-240229-0001"},
		{text: "999.010.01.H22-700101-9999", agency: "999.010.01.H22", day: day(2070, 1, 1), number: 9999, key: "999.010.01.H22-700101-9999"},
		{text: "28.22.H17-260601-0001", agency: "28.22.H17", day: day(2026, 6, 1), number: 1, key: "28.22.H17-260601-0001"},
		{text: "", fault: "dossier-code.form"},
		{text: "H40.12-230414", fault: "dossier-code.form"},
		{text: "H40.12-230414-002", fault: "dossier-code.form"},
		{text: "H40.12-230414-1234567", fault: "dossier-code.form"},
		{text: "H40.12-2023041-0002", fault: "dossier-code.form"},
		{text: "H40.12–230414–0002", fault: "dossier-code.form"},
		{text: "H40.12.34.56.78.90.12.34.56.78.90.12.34.56.78.90.12.34-230414-0002", fault: "dossier-code.form"},
		{text: "vxp.saas.03-230414-0002", fault: "dossier-code.agency"},
		{text: "H40.12-A-230414-0002", fault: "dossier-code.agency"},
		{text: "H40.12-230229-0002", fault: "dossier-code.day"},
		{text: "H40.12-231301-0002", fault: "dossier-code.day"},
		{text: "H40.12-230414-0000", fault: "dossier-code.number"},
	} {
		t.Run(c.text, func(t *testing.T) {
			d, err := ParseDossier(c.text)
			if c.fault != "" {
				refused(t, err, c.fault)
				return
			}
			if err != nil || d.Agency != c.agency || !d.Day.Equal(c.day) || d.Number != c.number || d.Key() != c.key {
				t.Fatalf("%+v, %s, %v", d, d.Key(), err)
			}
			again, err := ParseDossier(d.String())
			if err != nil || again != d {
				t.Errorf("written as %q it reads as %+v, %v", d, again, err)
			}
		})
	}
}

func TestNewDossierCodes(t *testing.T) {
	day := time.Date(2026, 11, 26, 23, 30, 0, 0, time.FixedZone("+07:00", 7*3600))
	for _, c := range []struct {
		name   string
		form   Form
		agency string
		day    time.Time
		number int
		want   string
		fault  string
	}{
		{"new form", New, "H40.12", day, 2, "H40.12-261126-0002", ""},
		{"old form", Old, "000.00.04.H40", day, 10_000, "000.00.04.H40-261126-10000", ""},
		{"the day is that of the zone it comes in", New, "H40", day.Add(time.Hour), 1, "H40-261127-0001", ""},
		{"and of no other", New, "H40", day.Add(time.Hour).UTC(), 1, "H40-261126-0001", ""},
		{"the other form", Old, "H40.12", day, 1, "", "dossier-code.agency-form"},
		{"no form", "", "H40.12", day, 1, "", "dossier-code.agency-form"},
		{"an odd agency", New, "vxp.saas.03", day, 1, "", "dossier-code.agency-form"},
		{"a dead clock", New, "H40.12", time.Unix(0, 0), 1, "", "dossier-code.year"},
		{"number 0", New, "H40.12", day, 0, "", "dossier-code.number"},
		{"the day is full", New, "H40.12", day, MaxNumber + 1, "", "dossier-code.number"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := NewDossier(c.form, c.agency, c.day, c.number)
			if c.fault != "" {
				refused(t, err, c.fault)
				return
			}
			if err != nil || d.String() != c.want {
				t.Fatalf("%s, %v", d, err)
			}
			if read, err := ParseDossier(c.want); err != nil || read.Key() != d.Key() {
				t.Errorf("it reads as %v, %v", read, err)
			}
		})
	}
}

func TestDossierCodesAsText(t *testing.T) {
	var d Dossier
	if err := d.UnmarshalText([]byte("H40.12-230414-0002")); err != nil || d.Number != 2 {
		t.Fatalf("%+v, %v", d, err)
	}
	if text, err := d.MarshalText(); err != nil || string(text) != "H40.12-230414-0002" {
		t.Fatalf("%s, %v", text, err)
	}
	if err := d.UnmarshalText(nil); err != nil || !d.IsZero() || d.String() != "" {
		t.Fatalf("nothing reads as %v, %v", d, err)
	}
}

func TestProcedureAndFieldCodes(t *testing.T) {
	for _, c := range []struct {
		text, number, agency string
		ok                   bool
	}{
		{"1.000656", "1.000656", "", true}, {" 2.001406 ", "2.001406", "", true},
		{"1.000656.000.00.00.H29", "1.000656", "000.00.00.H29", true},
		{"", "", "", false}, {"1000656", "", "", false}, {"1.00656", "", "", false}, {"1.000656.", "", "", false},
		{"1.000656.H29.12", "", "", false}, {"1.000656-000.00.00.H29", "", "", false},
	} {
		p, err := ParseProcedure(c.text)
		if !c.ok {
			refused(t, err, "dossier-code.procedure")
			continue
		}
		if err != nil || p.Number != c.number || p.Agency != c.agency {
			t.Errorf("%q: %+v, %v", c.text, p, err)
		}
		if again, err := ParseProcedure(p.String()); err != nil || again != p {
			t.Errorf("%q is written %q", c.text, p)
		}
	}
	for text, want := range map[string]Field{"G03-GD10": {"G03", "GD10"}, "G09-LD01 ": {"G09", "LD01"}, "h40-x": {"h40", "x"}, "": {}, "G3-GD10": {}, "G03GD10": {}, "G03-": {}, "G03-ĐĐ": {}} {
		f, err := ParseField(text)
		if want == (Field{}) {
			refused(t, err, "dossier-code.field")
			continue
		}
		if again, err2 := ParseField(f.String()); err != nil || err2 != nil || f != want || again != f {
			t.Errorf("%q: %+v, %v", text, f, err)
		}
	}
	if (Procedure{}).String() != "" || (Field{}).String() != "" {
		t.Error("none is not written as nothing")
	}
}

func FuzzCodes(f *testing.F) {
	for _, s := range []string{"H40.12-230414-0002", "000.00.04.H40-230414-0002", "1.000656.000.00.00.H29", "G03-GD10", "10", "x\xff-000000-0000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseDossier(s); err == nil {
			if again, err := ParseDossier(d.String()); err != nil || again != d || len(d.String()) > MaxDossier {
				t.Errorf("%q is written %q: %v", s, d, err)
			}
		}
		if p, err := ParseProcedure(s); err == nil {
			if again, err := ParseProcedure(p.String()); err != nil || again != p {
				t.Errorf("%q is written %q: %v", s, p, err)
			}
		}
		if v, err := ParseField(s); err == nil {
			if again, err := ParseField(v.String()); err != nil || again != v {
				t.Errorf("%q is written %q: %v", s, v, err)
			}
		}
		if v, err := ParseStatus(s); err == nil && !v.Valid() {
			t.Errorf("%q is status %d", s, v)
		}
	})
}
