package web

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/workdays"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/sqlite"
)

// dossierDesk is the real dossiers of a box.
type dossierDesk struct {
	*dossier.Store
	t      *testing.T
	clock  *backdated
	unsure atomic.Bool
}

// backdated is a clock that a test puts back for what happened before.
type backdated struct {
	now func() time.Time
	by  atomic.Int64
}

func (b *backdated) time() time.Time { return b.now().Add(-time.Duration(b.by.Load())) }

var (
	atDesk  = dossier.Actor{Person: "onestop", Name: "Nguyễn Thị onestop", Roles: dossier.Desk | dossier.Officer}
	atWork  = dossier.Actor{Person: "staff", Name: "Nguyễn Thị staff", Roles: dossier.Officer}
	asBoss  = dossier.Actor{Person: "leader", Name: "Nguyễn Thị leader", Roles: dossier.Leader}
	catalog = []dossier.Procedure{birth, certify, permit}
)

// The procedures of the tests: one with papers of all kinds, one that is decided at
// once, one that takes long.
var (
	birth = dossier.Procedure{
		Code: code.Procedure{Number: "1.001193"}, Version: 1, Name: "Thủ tục đăng ký khai sinh", Field: dossier.Field{Code: code.Field{Owner: "G15", Name: "HT01"}, Name: "Hộ tịch"},
		From: "2026-01-01", Papers: []dossier.Paper{{Name: "Tờ khai đăng ký khai sinh", Kind: dossier.Original, Copies: 1, Required: true}, {Name: "Giấy chứng sinh", Kind: dossier.Original, Copies: 1, Required: true},
			{Name: "Văn bản ủy quyền", Kind: dossier.Certified, Copies: 1}},
		Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 3}, Fees: []dossier.Fee{{Name: "Lệ phí đăng ký khai sinh", Amount: 8000, State: true}},
		Results: []string{"Giấy khai sinh"}, Legal: "Quyết định 2228/QĐ-BTP",
	}
	certify = dossier.Procedure{
		Code: code.Procedure{Number: "2.000815"}, Version: 1, Name: "Chứng thực bản sao từ bản chính", Field: dossier.Field{Code: code.Field{Owner: "G15", Name: "CT01"}, Name: "Chứng thực"},
		From: "2026-01-01", Papers: []dossier.Paper{{Name: "Bản chính giấy tờ", Kind: dossier.Original, Copies: 1, Required: true}}, Limit: workdays.Rule{Unit: workdays.SameDay, CutOff: "15:00"},
		Fees: []dossier.Fee{{Name: "Phí chứng thực", Amount: 2000}}, Results: []string{"Bản sao chứng thực"}, Legal: "Nghị định 23/2015/NĐ-CP",
	}
	permit = dossier.Procedure{
		Code: code.Procedure{Number: "1.009994"}, Version: 1, Name: "Cấp giấy phép xây dựng nhà ở riêng lẻ", Field: dossier.Field{Code: code.Field{Owner: "G17", Name: "XD03"}, Name: "Xây dựng"},
		From: "2026-01-01", Papers: []dossier.Paper{{Name: "Đơn đề nghị cấp giấy phép xây dựng", Kind: dossier.Original, Copies: 1, Required: true}, {Name: "Bản vẽ thiết kế", Kind: dossier.Digital, Copies: 2, Required: true}},
		Limit: workdays.Rule{Unit: workdays.WorkingDays, N: 15}, PaymentStops: true, Fees: []dossier.Fee{{Name: "Lệ phí cấp giấy phép", Amount: 75000, State: true}}, Results: []string{"Giấy phép xây dựng"}, Legal: "Nghị định 175/2024/NĐ-CP",
	}
)

func dossiersOver(t *testing.T, db *sqlite.DB, clock *backdated, carrier dossier.Carrier) *dossierDesk {
	t.Helper()
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"), blob.Options{MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	k := &dossierDesk{t: t, clock: clock}
	k.Store, err = dossier.New(context.Background(), dossier.Options{DB: db, Blobs: blobs, Code: us.Code, Name: us.Name, Now: clock.time, Unsure: k.unsure.Load, Carrier: carrier})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// take fills the catalogue.
func (k *dossierDesk) take() {
	k.t.Helper()
	_, err := k.TakeCatalogue(context.Background(), dossier.Catalogue{Origin: "H40", Version: 1, Procedures: catalog}, "it")
	noError(k.t, err)
}

// any is a dossier that is being worked on.
func (k *dossierDesk) any() storage.ID {
	k.t.Helper()
	page, err := k.List(context.Background(), dossier.Query{Tab: dossier.TabOpen, Limit: 1})
	noError(k.t, err)
	if len(page.Rows) == 0 {
		k.take()
		return k.taken(birth, "Nguyễn Văn An").ID
	}
	return page.Rows[0].ID
}

// filing is a complete one of a citizen.
func (k *dossierDesk) filing(p dossier.Procedure, name string) dossier.Filing {
	f := dossier.Filing{Procedure: p.Code, Applicant: dossier.Applicant{Kind: dossier.Citizen, Name: name, Number: "040090001234", Phone: "0912345678", Address: "Bản Nà Hẩu", Agent: "Lý Thị Mai"}, Channel: dossier.AtDesk,
		Files: []dossier.Upload{{Paper: 0, Name: "1-to-khai.pdf", Media: "application/pdf", Body: strings.NewReader("tờ khai")}}}
	for _, paper := range p.Papers {
		n := 0
		if paper.Required {
			n = paper.Copies
		}
		f.Copies = append(f.Copies, n)
	}
	return f
}

func (k *dossierDesk) taken(p dossier.Procedure, name string) dossier.Dossier {
	k.t.Helper()
	d, err := k.Receive(context.Background(), k.filing(p, name), atDesk)
	noError(k.t, err)
	return d
}

// did checks an act and gives its dossier.
func (k *dossierDesk) did(d dossier.Dossier, err error) dossier.Dossier {
	k.t.Helper()
	noError(k.t, err)
	return d
}

// days before the box's time are what happens in fn.
func (k *dossierDesk) before(days int, fn func()) {
	k.clock.by.Store(int64(time.Duration(days) * 24 * time.Hour))
	fn()
	k.clock.by.Store(0)
}

// seeded are dossiers in every state, by a name.
func (k *dossierDesk) seed() map[string]dossier.Dossier {
	k.t.Helper()
	k.take()
	ctx := context.Background()
	all := map[string]dossier.Dossier{"new": k.did(k.File(ctx, k.filing(birth, "Hoàng Văn Thụ"), dossier.Actor{Person: "cong", Name: "Cổng dịch vụ công", Roles: dossier.Public, App: "cong"}))}
	k.before(17, func() {
		all["late"] = k.taken(birth, "Nguyễn Văn An")
		all["stopped"] = k.taken(birth, "Trần Thị Bình")
		all["apology"], all["apology-back"] = k.taken(birth, "Triệu Thị Sen"), k.taken(permit, "Hà Văn Tú")
	})
	k.before(14, func() {
		all["late"] = k.did(k.Start(ctx, all["late"].ID, "Nguyễn Thị staff", atDesk, 0))
		all["stopped"] = k.did(k.Stop(ctx, all["stopped"].ID, "Người nộp trùng hồ sơ", "Nghị định 118/2025/NĐ-CP", asBoss, 0))
		all["overdue-end"] = k.taken(birth, "Lê Thị Cúc")
	})
	k.before(4, func() {
		all["overdue-end"] = k.did(k.Finish(ctx, all["overdue-end"].ID, dossier.Result{Name: "Giấy khai sinh", Number: "112/2026", Date: "2026-11-17"}, nil, atWork, 0))
		all["returned"] = k.taken(birth, "Phạm Văn Dũng")
		company := k.filing(permit, "Công ty TNHH Xây dựng Minh Sơn và các cộng sự")
		company.Applicant.Kind = dossier.Organisation
		all["waiting"] = k.did(k.Receive(ctx, company, atDesk))
		all["payment"] = k.taken(permit, "Vàng A Páo")
		all["wish"] = k.taken(permit, "Giàng Thị Mỷ")
	})
	k.before(3, func() {
		d := all["returned"]
		d = k.did(k.Start(ctx, d.ID, "Nguyễn Thị staff", atDesk, 0))
		d = k.did(k.Finish(ctx, d.ID, dossier.Result{Name: "Giấy khai sinh", Number: "113/2026", Date: "2026-11-18"}, []dossier.Upload{{Name: "giay-khai-sinh.pdf", Media: "application/pdf", Body: strings.NewReader("kết quả")}}, atWork, 0))
		all["returned"] = k.did(k.Return(ctx, d.ID, "Phạm Văn Dũng", atDesk, 0))
		all["waiting"] = k.did(k.AskSupplement(ctx, all["waiting"].ID, "- Bản vẽ thiết kế (bản điện tử, 2 bản)\nBản vẽ thiếu mặt cắt móng.", "Nghị định 175/2024/NĐ-CP", atWork, 0))
		all["payment"] = k.did(k.AskPayment(ctx, all["payment"].ID, "Lệ phí cấp giấy phép", atWork, 0))
		all["wish"] = k.did(k.AskWithdrawal(ctx, all["wish"].ID, "Đổi thiết kế", atDesk, 0))
		all["working"] = k.taken(permit, "Đặng Văn Giang")
		all["working"] = k.did(k.Start(ctx, all["working"].ID, "Nguyễn Thị staff", atDesk, 0))
	})
	all["apology"] = k.did(k.PrepareApology(ctx, all["apology"].ID, "2026-11-25", "Chúng tôi xin lỗi: phải xác minh nơi sinh tại bệnh viện huyện.", atDesk, 0))
	all["apology-back"] = k.did(k.PrepareApology(ctx, all["apology-back"].ID, "2026-12-15", "Chúng tôi xin lỗi.", atDesk, 0))
	all["apology-back"] = k.did(k.SendApologyBack(ctx, all["apology-back"].ID, "Nêu rõ lý do chậm: bản vẽ thiếu mặt cắt móng.", asBoss, 0))
	all["received"] = k.taken(birth, "Bùi Thị Hoa")
	all["done"] = k.did(k.Finish(ctx, k.taken(certify, "Mai Văn Khoa").ID, dossier.Result{Name: "Bản sao chứng thực"}, nil, atWork, 0))
	f := k.filing(birth, "Đỗ Văn Lâm")
	f.Copies, f.Files = []int{1, 0, 0}, nil
	all["lacking"] = k.did(k.ReceiveLacking(ctx, f, "- Giấy chứng sinh (bản chính, 1 bản)", "", atDesk))
	all["refused"] = k.did(k.TurnAway(ctx, f, "Không thuộc thẩm quyền của xã.", "Luật Hộ tịch, Điều 13", atDesk))
	all["handed"] = k.did(k.HandOn(ctx, all["working"].ID, []dossier.Hand{{To: directory[1].Code, Name: directory[1].Name, Task: dossier.Consult, Note: "Xin ý kiến về quy hoạch.", Deadline: "2026-11-27"}}, atWork, 0))
	return all
}
