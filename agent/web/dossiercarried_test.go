package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/office"
)

// carrying is an incoming document that carries a dossier of another one-stop desk.
func (b *box) carrying(state office.State) office.Document {
	b.t.Helper()
	c, err := code.ParseDossier("H40.17-261120-0042")
	noError(b.t, err)
	return b.office.add(office.Document{Box: office.In, From: office.Party{Code: "H40.17", Name: "UBND phường Thanh Sơn"}, Subject: "Hồ sơ đăng ký khai sinh", Number: c.String(), Notation: "MCDT",
		TypeName: "Công văn", Date: "2026-11-20", State: state, Created: noon, Dossier: c}, "to-khai.pdf", "%PDF-1.4 to khai",
		"H40.17-261120-0042.DongBoHoSoMC.json", `{"MaHoSo": "H40.17-261120-0042", "MaTTHC": "1.001193", "TenTTHC": "Thủ tục đăng ký khai sinh", "ChuHoSo": "Đinh Thị Lan",
			"LoaiDoiTuong": "1", "SoDienThoai": "0987000111", "KenhThucHien": "2", "TrangThaiHoSo": "2"}`)
}

// TestADossierThatADocumentCarriesIsTakenIn: the form has what the message says, and
// what is taken in keeps the code that its office has given it.
func TestADossierThatADocumentCarriesIsTakenIn(t *testing.T) {
	b := start(t, true, fixed)
	b.dossiers.take()
	open := b.carrying(office.Arrived)
	if _, body := b.as("lan").get(boxPath(open)); !strings.Contains(body, "Tiếp nhận văn bản trước") {
		t.Error("it does not say that the document comes first")
	}
	d := b.carrying(office.Accepted)
	v := b.as("onestop")
	address := receptionPath + "?van-ban=" + d.ID.String()
	if _, body := b.as("lan").get(boxPath(d)); !strings.Contains(body, `href="`+address+`"`) {
		t.Error("the document does not lead to the form")
	}
	res, _ := v.get(address)
	if got, want := res.Header.Get("Location"), receptionPath+"/1.001193?van-ban="+d.ID.String(); got != want {
		t.Fatalf("the form is at %q, want %q", got, want)
	}
	_, body := v.get(res.Header.Get("Location"))
	for _, want := range []string{"Đinh Thị Lan", "0987000111", "UBND phường Thanh Sơn", d.ID.String()} {
		if !strings.Contains(body, want) {
			t.Errorf("the form lacks %q", want)
		}
	}
	if strings.Contains(body, "/tu-choi") {
		t.Error("the form turns away what the document can return")
	}
	form := reception(url.Values{"van-ban": {d.ID.String()}, "name": {"Đinh Thị Lan"}})
	res, body = v.formTo(receptionPath, form)
	if res.StatusCode != http.StatusSeeOther {
		t.Fatalf("taking it in gave %d: %s", res.StatusCode, body)
	}
	got, ok, err := b.dossiers.CarriedBy(t.Context(), d.ID)
	noError(t, err)
	if !ok || !got.Guest || got.Code != d.Dossier || got.Owner != "H40.17" || len(got.Files) != 2 || got.Status != code.Received || got.Transfers[0].State != dossier.Taken {
		t.Errorf("taken in as %+v", got)
	}
	if _, body := b.as("lan").get(boxPath(d)); !strings.Contains(body, `href="`+dossierPath(got.ID)+`"`) {
		t.Error("the document does not lead to the dossier")
	}
	if res, body := v.formTo(receptionPath, reception(url.Values{"once": {"another"}, "van-ban": {open.ID.String()}})); res.StatusCode != http.StatusConflict || !strings.Contains(body, "chưa được tiếp nhận") {
		t.Errorf("of an open document: %d", res.StatusCode)
	}
	if res, _ := v.get(receptionPath + "?van-ban=khong-co"); res.StatusCode != http.StatusNotFound {
		t.Errorf("of no document: %d", res.StatusCode)
	}
}
