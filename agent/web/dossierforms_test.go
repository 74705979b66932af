package web

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/dossier/forms"
	"tram/agent/workdays"
	"tram/storage/audit"
)

func formHeading() forms.Heading {
	return forms.Heading{Superior: "Ủy ban nhân dân tỉnh Lào Cai", Office: us.Name, Place: "Tân Phú"}
}

// received is a dossier that the one-stop desk of a box took in.
func (b *box) received() dossier.Dossier {
	b.t.Helper()
	store := b.dossiers.Store
	p := dossier.Procedure{Code: code.Procedure{Number: "1.001193"}, Version: 1, Name: "Đăng ký khai sinh", Field: dossier.Field{Code: code.Field{Owner: "G15", Name: "HT01"}, Name: "Hộ tịch"},
		From: "2026-01-01", Papers: []dossier.Paper{{Name: "Tờ khai", Kind: dossier.Original, Copies: 1, Required: true}}, Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3}, Results: []string{"Giấy khai sinh"}}
	_, err := store.TakeCatalogue(b.t.Context(), dossier.Catalogue{Origin: "H40", Version: 1, Procedures: []dossier.Procedure{p}}, "it")
	noError(b.t, err)
	d, err := store.Receive(b.t.Context(), dossier.Filing{Procedure: p.Code, Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: "Nguyễn Văn An"}, Channel: dossier.AtDesk, Copies: []int{1}},
		dossier.Actor{Person: "onestop", Name: "Nguyễn Thị onestop", Roles: dossier.Desk})
	noError(b.t, err)
	return d
}

// logged counts the entries of the audit log with an action.
func (b *box) logged(action string) (n int) {
	b.t.Helper()
	rows, err := audit.List(b.t.Context(), b.db, 0, 1000)
	noError(b.t, err)
	for _, r := range rows {
		if r.Action == action {
			n++
		}
	}
	return n
}

func TestFormsOfADossierAreShownAndNoted(t *testing.T) {
	b := start(t, false, fixed)
	d := b.received()
	path := "/mot-cua/" + d.ID.String() + "/mau/"
	v := b.as("onestop")
	for _, n := range []string{"01", "1", "06"} {
		res, body := v.get(path + n)
		if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/pdf" || !strings.HasPrefix(body, "%PDF-") || !strings.HasPrefix(res.Header.Get("Content-Disposition"), "inline;") ||
			res.Header.Get("Cache-Control") != "private, no-store" {
			t.Errorf("form %s: %d %v", n, res.StatusCode, res.Header)
		}
	}
	if n := b.logged("dossier.open"); n != 3 {
		t.Errorf("%d of 3 looks are in the log", n)
	}
	for _, n := range []string{"02", "05", "07", "08", "0", "-1", "x", "01?lan=2", "01?lan=x", "01?lan=0"} {
		if res, _ := v.get(path + n); res.StatusCode != http.StatusNotFound {
			t.Errorf("form %s gave %d", n, res.StatusCode)
		}
	}
	for _, id := range []string{"khong-phai-id", "01939b6e-0000-7000-8000-000000000001"} {
		if res, _ := v.get("/mot-cua/" + id + "/mau/01"); res.StatusCode != http.StatusNotFound {
			t.Errorf("a form of %s gave %d", id, res.StatusCode)
		}
	}
	res, _ := v.post(path+"01", nil)
	if res.StatusCode != http.StatusSeeOther || res.Header.Get("Location") != path+"01" {
		t.Fatalf("printing gave %d to %s", res.StatusCode, res.Header.Get("Location"))
	}
	d, err := b.dossiers.Get(t.Context(), d.ID)
	noError(t, err)
	last := d.Events[len(d.Events)-1]
	if last.Kind != dossier.Printed || last.Text != "01 · 2025.1" || last.By != "Nguyễn Thị onestop" {
		t.Errorf("printing is noted as %+v", last)
	}
	if res, _ := v.post(path+"02", nil); res.StatusCode != http.StatusNotFound {
		t.Errorf("printing what is not there gave %d", res.StatusCode)
	}
}

func TestTheReceiptOnThePageIsTheSameAsBefore(t *testing.T) {
	now, set := settable(noon)
	b := start(t, false, now)
	d := b.received()
	v := b.as("onestop")
	_, first := v.get("/mot-cua/" + d.ID.String() + "/mau/01")
	set(noon.Add(3 * time.Hour))
	v.post("/mot-cua/"+d.ID.String()+"/mau/01", nil)
	if _, again := v.get("/mot-cua/" + d.ID.String() + "/mau/01"); again != first {
		t.Error("the receipt differs three hours later")
	}
}

func TestTheBookOfDossiersIsChosenAndMade(t *testing.T) {
	b := start(t, false, fixed)
	b.received()
	v := b.as("leader")
	res, body := v.get("/mot-cua/so-theo-doi")
	if res.StatusCode != http.StatusOK || !strings.Contains(body, `value="2026"`) || !strings.Contains(body, "Sổ theo dõi hồ sơ") {
		t.Fatalf("the page gave %d", res.StatusCode)
	}
	for _, c := range []struct{ query, start, media, name string }{
		{"nam=2026&dang=pdf", "%PDF-", "application/pdf", `inline; filename="so-theo-doi-ho-so-2026.pdf"`},
		{"nam=2026&tu=1/1/26&den=31-12-2026&dang=xlsx", "PK", exportTypes["xlsx"], `attachment; filename="so-theo-doi-ho-so-2026.xlsx"`},
	} {
		res, body := v.get("/mot-cua/so-theo-doi/tep?" + c.query)
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(body, c.start) || res.Header.Get("Content-Type") != c.media || res.Header.Get("Content-Disposition") != c.name {
			t.Errorf("%s: %d %v", c.query, res.StatusCode, res.Header)
		}
	}
	if n := b.logged("dossier.book"); n != 2 {
		t.Errorf("%d of 2 books are in the log", n)
	}
	left, err := filepath.Glob(filepath.Join(b.uploads, "*"))
	noError(t, err)
	if len(left) > 0 {
		t.Errorf("files of the book are left: %v", left)
	}
	for query, want := range map[string][]string{
		"nam=26&dang=pdf":                               {`href="#nam"`, "“26” không phải là năm"},
		"nam=2026&tu=31/2/26&dang=pdf":                  {`href="#tu"`, `value="31/2/26"`},
		"nam=2026&tu=1/1/2025&dang=xlsx":                {`href="#tu"`, "không thuộc năm 2026"},
		"nam=2026&tu=02/03/2026&den=010326&dang=pdf":    {`href="#den"`, "sớm hơn"},
		"nam=x&tu=a&den=b&dang=pdf":                     {`href="#nam"`, `href="#tu"`, `href="#den"`},
		"nam=" + url.QueryEscape(`"><b>`) + "&dang=pdf": {"&#34;&gt;&lt;b&gt;"},
	} {
		res, body := v.get("/mot-cua/so-theo-doi/tep?" + query)
		if res.StatusCode != http.StatusUnprocessableEntity {
			t.Errorf("%s gave %d", query, res.StatusCode)
		}
		for _, w := range want {
			if !strings.Contains(body, w) {
				t.Errorf("%s: the page lacks %q", query, w)
			}
		}
	}
	if res, _ := v.get("/mot-cua/so-theo-doi/tep?nam=2026&dang=docx"); res.StatusCode != http.StatusNotFound {
		t.Errorf("another file gave %d", res.StatusCode)
	}
	if err := os.RemoveAll(b.uploads); err != nil {
		t.Fatal(err)
	}
	if res, body := v.get("/mot-cua/so-theo-doi/tep?nam=2026&dang=pdf"); res.StatusCode != http.StatusInternalServerError || bytes.HasPrefix([]byte(body), []byte("%PDF")) {
		t.Errorf("without a place to write a book gave %d", res.StatusCode)
	}
}

func TestThePageOfTheBookFitsBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	b.everyWindow("leader", func(c *chrome, _ string) {
		c.See("dossier-book", "/mot-cua/so-theo-doi")
		c.See("dossier-book-mistakes", "/mot-cua/so-theo-doi/tep?nam=26&tu=31/2/26&den=x&dang=pdf")
	})
}
