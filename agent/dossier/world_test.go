package dossier

import (
	"context"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/dossier/code"
	"tram/agent/workdays"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// monday is when the tests begin: 09:00 in Vietnam, 23 November 2026.
var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, clock.Vietnam)

var (
	hien = Actor{Person: "hien", Name: "Lò Thị Hiền", Roles: Desk}
	nam  = Actor{Person: "nam", Name: "Phạm Nam", Roles: Officer}
	boss = Actor{Person: "chutich", Name: "Trần Văn Chủ", Roles: Leader}
	gate = Actor{Person: "cong-dvc", Name: "Cổng dịch vụ công", Roles: Public, App: "cong-dvc"}
)

// birth is a procedure with a day to decide in, wed one that is decided at once.
var birth = Procedure{
	Code: code.Procedure{Number: "1.001193"}, Version: 1, Name: "Đăng ký khai sinh", Field: Field{code.Field{Owner: "G15", Name: "HT01"}, "Hộ tịch"},
	From: "2026-01-01", Papers: []Paper{{Name: "Tờ khai đăng ký khai sinh", Kind: Original, Copies: 1, Required: true}, {Name: "Giấy chứng sinh", Kind: Original, Copies: 1, Required: true},
		{Name: "Văn bản ủy quyền", Kind: Certified, Copies: 1}},
	Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3}, Fees: []Fee{{Name: "Lệ phí đăng ký khai sinh", Amount: 8000, State: true}},
	Results: []string{"Giấy khai sinh"}, Legal: "Quyết định 2228/QĐ-BTP",
}

// desk is a Store on a disk of its own, with a clock that stands.
type desk struct {
	*Store
	t      *testing.T
	dir    string
	db     *sqlite.DB
	clock  time.Time
	unsure bool
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), clock: monday}
	d.start()
	t.Cleanup(func() { _ = d.db.Close() })
	_, err := d.TakeCatalogue(t.Context(), Catalogue{Origin: "H40", Version: 1, Procedures: []Procedure{birth}}, "it")
	noError(t, err)
	return d
}

func (d *desk) start() {
	d.t.Helper()
	var err error
	d.db, err = sqlitetest.Open(context.Background(), filepath.Join(d.dir, "tram.db"), sqlite.Options{Schemas: []sqlite.Schema{audit.Schema, Schema}, Now: d.now})
	noError(d.t, err)
	blobs, err := blob.Open(filepath.Join(d.dir, "blobs"), blob.Options{})
	noError(d.t, err)
	d.Store, err = New(d.t.Context(), Options{
		DB: d.db, Blobs: blobs, Code: "H40.12.7", Name: "UBND xã Tân Phú", Now: d.now,
		Unsure: func() bool { return d.unsure },
	})
	noError(d.t, err)
}

func (d *desk) now() time.Time { return d.clock }

// at sets the clock to a time of the day and month, "25/11 16:40" of 2026.
func (d *desk) at(text string) {
	d.t.Helper()
	d.clock = when(d.t, text)
}

func when(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.ParseInLocation("02/01 15:04 2006", text+" 2026", clock.Vietnam)
	noError(t, err)
	return at
}

// filing is a complete one of a citizen.
func filing() Filing {
	return Filing{
		Procedure: birth.Code, Applicant: Applicant{Kind: Citizen, Name: "Nguyễn Văn An", Number: "040090001234", Phone: "0912345678", Address: "Bản Nà Hẩu"},
		Channel: AtDesk, Copies: []int{1, 1, 0}, Files: []Upload{{Paper: 0, Name: "to-khai.pdf", Media: "application/pdf", Body: strings.NewReader("tờ khai")}},
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func body(text string) io.Reader { return strings.NewReader(text) }
