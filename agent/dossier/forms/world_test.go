package forms

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/tooltest"
	"tram/agent/workdays"
)

var heading = Heading{Superior: "Ủy ban nhân dân tỉnh Lào Cai", Office: "Ủy ban nhân dân xã Tân Phú", Place: "Tân Phú"}

const lookup = "K3QF7-2MWPA"

func when(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("02/01 15:04 2006", text+" 2026", clock.Vietnam)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

var birth = dossier.Procedure{
	Code: code.Procedure{Number: "1.001193"}, Version: 1, Name: "Đăng ký khai sinh", From: "2026-01-01", Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3},
	Fees: []dossier.Fee{{Name: "Lệ phí đăng ký khai sinh", Amount: 8000, State: true}, {Name: "Phí cấp bản sao trích lục", Amount: 1_250_000}},
}

// taken is a dossier that was accepted on a Monday.
func taken(t testing.TB) dossier.Dossier {
	t.Helper()
	c, err := code.ParseDossier("H40.12.7-261123-0001")
	if err != nil {
		t.Fatal(err)
	}
	d := dossier.Dossier{
		ID: uuid.MustParse("01939b6e-0000-7000-8000-000000000001"), Code: c, Owner: "H40.12.7", OwnerName: "Ủy ban nhân dân xã Tân Phú",
		Procedure: birth, Subject: "Đăng ký khai sinh cho con Nguyễn Thị Bảo Ngọc", Channel: dossier.AtDesk, Sets: 1, Way: dossier.WayDesk, Book: 15, Handler: "Phạm Nam",
		Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: "Nguyễn Văn An", Number: "040090001234", Address: "Bản Nà Hẩu, xã Tân Phú", Phone: "0912345678", Email: "an@example.vn"},
		Papers: []dossier.Handed{
			{Paper: dossier.Paper{Name: "Tờ khai đăng ký khai sinh", Kind: dossier.Original, Copies: 1}, Copies: 1},
			{Paper: dossier.Paper{Name: "Giấy chứng sinh", Kind: dossier.Certified, Copies: 1}, Copies: 2},
			{Paper: dossier.Paper{Name: "Văn bản ủy quyền", Kind: dossier.Copy, Copies: 1}},
		},
		Charges: []dossier.Charge{{Fee: birth.Fees[0], Paid: when(t, "23/11 09:15"), Receipt: "AA/26-000117"}, {Fee: birth.Fees[1]}},
	}
	happen(t, &d, dossier.Filed, "23/11 09:15", "Lò Thị Hiền", "")
	happen(t, &d, dossier.Accepted, "23/11 09:15", "Lò Thị Hiền", "", "26/11 17:00")
	return d
}

// happen adds an event to a dossier; due is the date that it sets.
func happen(t testing.TB, d *dossier.Dossier, kind dossier.Kind, at, by, text string, due ...string) *dossier.Event {
	t.Helper()
	e := dossier.Event{ID: uuid.Must(uuid.NewV7()), Kind: kind, At: when(t, at), Office: d.Owner, By: by, Text: text, Learnt: when(t, at)}
	if len(due) > 0 {
		e.Due = when(t, due[0])
	}
	d.Events = append(d.Events, e)
	fold(t, d)
	return &d.Events[len(d.Events)-1]
}

func fold(t testing.TB, d *dossier.Dossier) {
	t.Helper()
	var err error
	if d.Standing, err = dossier.Fold(d.Events, d.Procedure.PaymentStops); err != nil {
		t.Fatal(err)
	}
}

// make gives the PDF of a form.
func makeForm(t testing.TB, f Form, d dossier.Dossier) PDF {
	t.Helper()
	p, err := Sheet{Form: f, Dossier: d, Heading: heading, Lookup: lookup}.PDF()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// read gives the text of each page, as poppler has it. With FORMS_SHOTS set, the
// pages are kept there as pictures to look at.
func read(t testing.TB, name string, data []byte) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name+".pdf")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("FORMS_SHOTS"); dir != "" {
		run(t, "pdftoppm", "-r", "60", "-png", path, filepath.Join(dir, name))
	}
	pages := strings.Split(string(run(t, "pdftotext", "-layout", path, "-")), "\f")
	return pages[:len(pages)-1]
}

func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(tooltest.Find(t, name, "the check of printed forms"), args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

// inOrder holds that a text has the wanted ones in their order; white space does
// not count.
func inOrder(t testing.TB, text string, want ...string) {
	t.Helper()
	squeeze := func(s string) string { return strings.Join(strings.Fields(s), " ") }
	text = squeeze(text)
	at := 0
	for _, w := range want {
		i := strings.Index(text[at:], squeeze(w))
		if i < 0 {
			t.Fatalf("%q is missing or out of order in\n%s", w, text)
		}
		at += i + len(squeeze(w))
	}
}
