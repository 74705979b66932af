package web

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/uuid"

	"tram/agent/dossier"
	"tram/agent/office"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// TestADossierOfAnotherOfficeIsSignedForOnItsPage: who it belongs to, what is asked,
// its history by office, and only what may be done about it here.
func TestADossierOfAnotherOfficeIsSignedForOnItsPage(t *testing.T) {
	b := start(t, true, fixed)
	step, err := os.ReadFile(filepath.Join("..", "dossier", "testdata", "step.json"))
	noError(t, err)
	paper := []byte("tờ khai")
	del := office.Delivery{Message: step, Head: blob.Content{Inline: step, Size: int64(len(step))}, Files: []office.MailFile{
		{Name: "to-khai.pdf", Media: "application/pdf", Content: blob.Content{Inline: paper, Size: int64(len(paper))}}}}
	del.ID, del.From, del.Header = uuid.Must(uuid.NewV7()), office.Party{Code: "H40.12.7", Name: "UBND xã Tân Phú"}, []byte("header")
	noError(t, b.db.Update(t.Context(), func(tx *sqlite.Tx) error { return b.dossiers.Mailbox().Take(tx, del) }))
	page, err := b.dossiers.List(t.Context(), dossier.Query{Tab: dossier.TabNew})
	noError(t, err)
	if len(page.Rows) != 1 || !page.Rows[0].Guest {
		t.Fatalf("%+v", page.Rows)
	}
	path := dossierPath(page.Rows[0].ID)
	v := b.as("onestop")
	res, body := v.get(path)
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.StatusCode)
	}
	for _, want := range []string{"UBND xã Tân Phú", "Kính chuyển Sở giải quyết", "to-khai.pdf", "H40.12.7-261123-0001", "/chap-nhan", "/tu-choi"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, not := range []string{"hẹn ban đầu", "Đến sau khi hồ sơ đã kết thúc", "/tra-ket-qua", "/gia-han", "Mã tra cứu"} {
		if strings.Contains(body, not) {
			t.Errorf("the page has %q", not)
		}
	}
	if res, _ := v.post(path+"/chap-nhan", nil); res.StatusCode != http.StatusSeeOther {
		t.Fatal(res.StatusCode)
	}
	d, err := b.dossiers.Get(t.Context(), page.Rows[0].ID)
	noError(t, err)
	if tr := d.Transfers[0]; tr.State != dossier.Taken || tr.TakenBy == "" || d.Book != 0 {
		t.Errorf("signed for: %+v, book %d", tr, d.Book)
	}
}
