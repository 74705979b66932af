package dongbo

import (
	"errors"
	"reflect"
	"regexp"
	"strings"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Years that a time can have.
const (
	leastYear = 1900
	mostYear  = 2999
)

// enums are the numbers that have a name here, with the highest of each.
var enums = map[reflect.Type]int64{
	reflect.TypeFor[code.Status](): int64(code.Returned),
	reflect.TypeFor[Kenh]():        int64(BuuChinh),
	reflect.TypeFor[DoiTuong]():    int64(ToChuc),
}

// money is an amount in đồng.
var money = regexp.MustCompile(`^\d{1,15}$`)

// maxShown bounds foreign text in messages, in runes.
const maxShown = 80

func shown(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if control(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")))
	if len(runes) > maxShown {
		return string(runes[:maxShown]) + "…"
	}
	return string(runes)
}

// need notes a member that is not there.
func (w *writer) need(there bool, field string) {
	if !there {
		w.fault("missing", field, nil)
	}
}

// coded holds a member against the grammar of its codes; one that is not there
// is no fault.
func coded[T any](w *writer, text, field string, parse func(string) (T, error)) {
	if strings.TrimSpace(text) == "" {
		return
	}
	_, err := parse(text)
	var p *problem.Problem
	if errors.As(err, &p) {
		named := *p
		named.Field = field
		w.faults = append(w.faults, &named)
	}
}

// check says what of a dossier may not be written so.
func (h HoSo) check(w *writer) {
	w.need(strings.TrimSpace(h.MaHoSo) != "", "MaHoSo")
	w.need(strings.TrimSpace(h.MaTTHC) != "", "MaTTHC")
	w.need(h.TrangThaiHoSo != 0, "TrangThaiHoSo")
	coded(w, h.MaHoSo, "MaHoSo", code.ParseDossier)
	coded(w, h.MaTTHC, "MaTTHC", code.ParseProcedure)
	coded(w, h.MaLinhVuc, "MaLinhVuc", code.ParseField)
	switch h.TrangThaiHoSo { // others may come before it is received, or without
	case code.Received, code.Processing, code.Done, code.Returned:
		w.need(!h.NgayTiepNhan.IsZero(), "NgayTiepNhan")
	}
	if h.TrangThaiHoSo == code.Returned {
		w.need(!h.NgayTra.IsZero(), "NgayTra")
	}
	w.ordered(h.NgayTiepNhan, h.NgayKetThucXuLy, "NgayKetThucXuLy", "NgayTiepNhan")
	w.ordered(h.NgayTiepNhan, h.NgayTra, "NgayTra", "NgayTiepNhan")
	checkFees(w, h.DanhSachLePhi, "DanhSachLePhi")
	for _, b := range h.DanhSachHoSoBoSung {
		checkFees(w, b.DanhSachLePhiBoSung, "DanhSachLePhiBoSung")
	}
}

func checkFees(w *writer, fees []LePhi, at string) {
	for _, f := range fees {
		if g := strings.TrimSpace(f.Gia); g != "" && !money.MatchString(g) {
			w.fault("money", at+".Gia", i18n.Args{"value": shown(g)})
		}
	}
}

// ordered notes a time that is before the one it follows.
func (w *writer) ordered(first, then time.Time, field, after string) {
	if !first.IsZero() && !then.IsZero() && then.Before(first) {
		w.fault("order", field, i18n.Args{"after": after})
	}
}

// check says what of a progress item may not be written so.
func (t TienDo) check(w *writer, at string) {
	w.need(strings.TrimSpace(t.MaHoSo) != "", at+"MaHoSo")
	w.need(!t.ThoiDiemXuLy.IsZero(), at+"ThoiDiemXuLy")
	w.need(t.TrangThai != 0, at+"TrangThai")
	coded(w, t.MaHoSo, at+"MaHoSo", code.ParseDossier)
}
