package dossier

import (
	"testing"

	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
)

// TestTheNationalPortalHasTheTimesOfTheEvents: whatever is synchronised later bears
// the times at which it happened, and can be written in the format.
func TestTheNationalPortalHasTheTimesOfTheEvents(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	src := d.National()
	start, err := src.End(ctx)
	noError(t, err)
	news := src.News()
	x, err := d.Receive(ctx, filing(), hien)
	noError(t, err)
	<-news
	d.at("25/11 08:00")
	_, err = d.AskSupplement(ctx, x.ID, "Thiếu văn bản ủy quyền", "", hien, 0)
	noError(t, err)
	d.at("01/12 09:30")
	_, err = d.Supplement(ctx, x.ID, []int{1, 1, 1}, nil, "", hien, 0)
	noError(t, err)
	d.at("02/12 16:00")
	_, err = d.Finish(ctx, x.ID, Result{Name: "Giấy khai sinh"}, nil, nam, 0)
	noError(t, err)
	list, next, err := src.Changed(ctx, start, 10)
	noError(t, err)
	if len(list) != 1 || list[0].Code != x.Code.String() {
		t.Fatalf("changes: %+v", list)
	}
	if again, same, err := src.Changed(ctx, next, 10); err != nil || len(again) != 0 || same != next {
		t.Fatalf("after the last: %v %q %v", again, same, err)
	}
	item, err := src.Dossier(ctx, x.ID)
	noError(t, err)
	h := item.HoSo
	if h.TrangThaiHoSo != code.Done || !h.NgayTiepNhan.Equal(monday) || !h.NgayKetThucXuLy.Equal(when(t, "02/12 16:00")) || !h.NgayHenTra.Equal(when(t, "03/12 17:00")) {
		t.Fatalf("%+v", h)
	}
	if b := h.DanhSachHoSoBoSung; len(b) != 1 || !b[0].NgayHenTraTruoc.Equal(when(t, "27/11 17:00")) || !b[0].NgayHenTraMoi.Equal(when(t, "03/12 17:00")) {
		t.Fatalf("supplements: %+v", b)
	}
	if _, err := h.Encode(); err != nil {
		t.Fatal(err)
	}
	raw, err := dongbo.EncodeProgress(item.TienDo)
	noError(t, err)
	steps, _, err := dongbo.DecodeProgress(raw)
	noError(t, err)
	want := []code.Status{code.Registered, code.Received, code.Supplement, code.Received, code.Done}
	if len(steps) != len(want) {
		t.Fatalf("%d steps", len(steps))
	}
	for i, s := range steps {
		if s.TrangThai != want[i] {
			t.Errorf("step %d: status %d, want %d", i, s.TrangThai, want[i])
		}
	}
	noError(t, src.Synced(ctx, dongbo.Receipt{ID: x.ID, Revision: item.Revision, Via: "truc", At: d.clock}))
	noError(t, src.Synced(ctx, dongbo.Receipt{ID: x.ID, Revision: item.Revision, Via: "truc", At: d.clock}))
}
