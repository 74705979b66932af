package books

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"tram/agent/clock"
	"tram/agent/edxml"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/audit"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/storage/sqlite/sqlitetest"
)

// desk is an office with its database and its books.
type desk struct {
	*Books
	t      testing.TB
	dir    string
	db     *sqlite.DB
	blobs  *blob.Store
	office *office.Office
	now    time.Time
	seen   map[storage.ID]Followed // nil: nobody follows
}

// signers is an office whose messages name a signer.
type signers struct{ *office.Office }

func (signers) Message(context.Context, storage.ID) (*edxml.Document, error) {
	return &edxml.Document{Signer: edxml.Signer{FullName: "Nguyễn Thị Ánh Tuyết"}, Other: edxml.Other{Amount: "3"}}, nil
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{t: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 9, 0, 0, 0, clock.Vietnam)}
	d.open()
	t.Cleanup(func() {
		if err := d.db.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// open opens the stores, as after a boot.
func (d *desk) open() {
	d.t.Helper()
	var err error
	d.db, err = sqlitetest.Open(context.Background(), filepath.Join(d.dir, "office.db"), sqlite.Options{Now: func() time.Time { return d.now },
		Schemas: []sqlite.Schema{queue.Schema, audit.Schema, registry.Schema, office.Schema, office.EvidenceSchema, Schema}})
	d.fatal(err)
	d.blobs, err = blob.Open(filepath.Join(d.dir, "blobs"), blob.Options{MinFree: -1})
	d.fatal(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	d.fatal(err)
	reg, err := registry.New(d.db, &key.PublicKey, registry.Options{})
	d.fatal(err)
	cert := &x509.Certificate{}
	d.office, err = office.New(office.Options{DB: d.db, Queue: queue.New(d.db, d.blobs, queue.Options{}), Blobs: d.blobs, Registry: reg,
		Identity: &identity.Identity{Code: "H40.12", Name: "UBND xã Mỹ Hạnh", Hub: "H40", Device: key, Seal: key, SealCert: cert, Trust: identity.Trust{CA: cert, Hub: "H40"}}})
	d.fatal(err)
	d.make(signers{d.office})
}

func (d *desk) make(source Source) {
	o := Options{DB: d.db, Blobs: d.blobs, Source: source, Now: func() time.Time { return d.now },
		Heading: func() Heading { return Heading{"UBND tỉnh Tây Ninh", "UBND xã Mỹ Hạnh", "Mỹ Hạnh"} }}
	if d.seen != nil {
		o.Followed = func(context.Context, []storage.ID) (map[storage.ID]Followed, error) { return d.seen, nil }
	}
	d.Books = New(o)
}

// crash ends the program without a word, and starts it again.
func (d *desk) crash() {
	d.t.Helper()
	d.fatal(d.db.Close())
	d.open()
}

func (d *desk) fatal(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) update(fn func(tx *sqlite.Tx) error) {
	d.t.Helper()
	d.fatal(d.db.Update(d.t.Context(), fn))
}

var (
	subjects = []string{
		"Phê duyệt kế hoạch phòng, chống thiên tai và tìm kiếm cứu nạn trên địa bàn xã năm 2026",
		"V/v rà soát, thống kê hộ nghèo, hộ cận nghèo theo chuẩn nghèo đa chiều giai đoạn 2026 - 2030",
		"Mời họp giao ban tháng 6",
		"Kết quả thực hiện nhiệm vụ phát triển kinh tế - xã hội, bảo đảm quốc phòng, an ninh 6 tháng đầu năm và phương hướng, nhiệm vụ trọng tâm 6 tháng cuối năm 2026; kèm theo phụ lục số liệu thu, chi ngân sách và tiến độ giải ngân vốn đầu tư công",
		"Đề nghị cấp giấy chứng nhận quyền sử dụng đất cho ông Nguyễn Văn Ưởng, bà Trần Thị Kiều Oanh",
	}
	kinds   = []struct{ abbr, name string }{{"QĐ", "Quyết định"}, {"CV", "Công văn"}, {"GM", "Giấy mời"}, {"BC", "Báo cáo"}, {"TTr", "Tờ trình"}}
	offices = []string{"Ủy ban nhân dân tỉnh Tây Ninh", "Sở Nông nghiệp và Môi trường", "Công an xã Mỹ Hạnh", "Đảng ủy xã", "Trường Tiểu học Đức Hòa Thượng"}
)

// insert files a document as the office does, with its number in the register.
func (d *desk) insert(tx *sqlite.Tx, box office.Box, number int, day time.Time) (id storage.ID, err error) {
	id = uuid.New()
	k := kinds[number%len(kinds)]
	state, arrival, sender := office.Accepted, 0, "H40.12"
	if box == office.In {
		arrival, sender = number, "H40"
	}
	res, err := tx.Exec(`INSERT INTO documents (id, box, state, urgency, from_code, from_name, subject, number, notation, type, type_name, date, edxml_id, arrival, size, created, expires, booked)
		VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)`,
		id, string(box), string(state), sender, offices[number%len(offices)], subjects[number%len(subjects)], fmt.Sprint(number), k.abbr+"-UBND", k.abbr, k.name,
		day.Format(time.DateOnly), id.String(), arrival, day, day, day.Year())
	if err != nil {
		return id, err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return id, err
	}
	to := number % 3
	for i := range to + 1 {
		if _, err := tx.Exec(`INSERT INTO recipients (document, pos, code, code_key, name, state) VALUES (?, ?, ?, ?, ?, ?)`,
			seq, i, fmt.Sprintf("H40.%d", i), fmt.Sprintf("h40.%d", i), offices[(number+i)%len(offices)], string(state)); err != nil {
			return id, err
		}
		if box == office.In {
			break
		}
	}
	_, err = tx.Exec(`INSERT INTO events (document, step, office, at, learnt, signer, note, evidence) VALUES (?, 'accepted', '', ?, ?, '', '', '')`, seq, day, day)
	return id, err
}

// file files documents with the given numbers today.
func (d *desk) file(box office.Box, numbers ...int) (ids []storage.ID) {
	d.t.Helper()
	d.update(func(tx *sqlite.Tx) error {
		ids = nil
		for _, n := range numbers {
			id, err := d.insert(tx, box, n, d.now)
			if err != nil {
				return err
			}
			ids = append(ids, id)
		}
		return nil
	})
	return ids
}

// fileYear files n documents over the year.
func (d *desk) fileYear(box office.Box, n int) {
	d.t.Helper()
	d.update(func(tx *sqlite.Tx) error {
		for i := range n {
			if _, err := d.insert(tx, box, i+1, time.Date(2026, 1, 2, 9, 0, 0, 0, clock.Vietnam).AddDate(0, 0, i*360/n)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (d *desk) state(kind register.Kind) State {
	d.t.Helper()
	s, err := d.State(d.t.Context(), kind, 2026)
	d.fatal(err)
	return s
}

func (d *desk) print(kind register.Kind) Job {
	d.t.Helper()
	j, err := d.Print(d.t.Context(), kind, 2026, "lan")
	d.fatal(err)
	return j
}

func (d *desk) printed(kind register.Kind) Job {
	d.t.Helper()
	j, err := d.Confirm(d.t.Context(), d.print(kind).ID, "lan")
	d.fatal(err)
	return j
}

func (d *desk) sheets(kind register.Kind) []register.Sheet {
	d.t.Helper()
	p, err := d.Preview(d.t.Context(), kind, 2026, Selection{}, 1, 1000)
	d.fatal(err)
	return p.Sheets
}

// numbers are what stands in a column of the sheets, one for each row.
func values(sheets []register.Sheet, field register.Field) (list []string) {
	for _, s := range sheets {
		for _, r := range s.Rows {
			for i, c := range s.Book.Columns {
				if c.Field == field {
					list = append(list, r.Cells[i].Text)
				}
			}
		}
	}
	return list
}

func wantProblem(t testing.TB, err error, code string) {
	t.Helper()
	for _, p := range problem.All(err) {
		if err != nil && p.Code == code {
			return
		}
	}
	t.Errorf("got %v, want the problem %s", err, code)
}

func (d *desk) audited(action string) (n int) {
	d.t.Helper()
	rows, err := audit.List(d.t.Context(), d.db, 0, 1000)
	d.fatal(err)
	for _, r := range rows {
		if r.Action == action {
			n++
		}
	}
	return n
}
