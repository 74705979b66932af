package dongbo

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vector holds data against a file of testdata.
func vector(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	got = append(bytes.Clone(got), '\n')
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what is written, %v:\n%s", name, err, got)
	}
}

func at(month time.Month, day, hour, minute int) time.Time {
	return time.Date(2026, month, day, hour, minute, 5, 0, edxml.Vietnam)
}

// full has every member set.
func full() HoSo {
	fee := LePhi{TenPhiLePhi: "Lệ phí đăng ký", MaPhiLePhi: "LP01", HinhThucThu: "1", Gia: "8000", LoaiPhiLePhi: "2"}
	paper := TaiLieu{
		TepDinhKemId: "7", TenTepDinhKem: "đơn.pdf", IsDeleted: No, MaThanhPhanHoSo: "TP01", DuongDanTaiTepTin: "https://mau.gov.vn/7",
		DuocSoHoa: Yes, DuocTaiSuDung: No, DuocLayTuKhoDMQG: No, MaKetQuaThayThe: "KQ0",
	}
	return HoSo{
		MaHoSo: "H40.12-261126-0002", MaTTHC: "1.000656", TenTTHC: "Đăng ký khai tử", MaLinhVuc: "G01-HT05", TenLinhVuc: "Hộ tịch", KenhThucHien: TrucTiep,
		ChuHoSo: "Nguyễn Văn A", LoaiDoiTuong: CongDan, MaDoiTuong: "CD1", ThongTinKhac: "<không & có>", Email: "a@mau.vn", Fax: "0240000001", SoDienThoai: "0900000001",
		TrichYeuHoSo: "Khai tử \"muộn\"", NgayTiepNhan: at(11, 26, 8, 15), NgayHenTra: at(11, 27, 17, 0), TrangThaiHoSo: code.Returned, NgayTra: at(11, 27, 10, 0),
		ThongTinTra: "Trả tại quầy", HinhThuc: "0", NgayKetThucXuLy: at(11, 27, 9, 0), DonViXuLy: "UBND xã Mẫu", GhiChu: "dòng 1\ndòng 2", SoGiayToChuHoSo: "001090123456",
		TaiLieuNop: []TaiLieu{paper}, DanhSachLePhi: []LePhi{fee}, DanhSachTepDinhKemKhac: []TepKhac{{TenGiayTo: "Ảnh", SoLuong: "2", LoaiGiayTo: "1"}},
		DanhSachHoSoBoSung: []BoSung{{
			HoSoBoSungId: "1", NguoiYeuCauBoSung: "Trần B", NoiDungBoSung: "Thiếu giấy báo tử", NgayBoSung: at(11, 26, 9, 0), NguoiTiepNhanBoSung: "Lê C", ThongTinTiepNhan: "Đã đủ",
			NgayTiepNhanBoSung: at(11, 26, 15, 0), TrangThaiBoSung: "1", DanhSachGiayToBoSung: []TaiLieu{paper}, DanhSachLePhiBoSung: []LePhi{fee},
			NgayHenTraTruoc: at(11, 26, 17, 0), NgayHenTraMoi: at(11, 27, 17, 0),
		}},
		DanhSachGiayToKetQua: []KetQua{{TenGiayTo: "Trích lục", MaThanhPhanHoSo: "TP02", GiayToId: "9", DuongDanTepTinKetQua: "https://mau.gov.vn/9", MaGiayToKetQua: "KQ1"}},
		NoiNopHoSo:           "1", HoSoCoThanhPhanSoHoa: Yes, TaiKhoanDuocXacThucVoiVNeID: No, DuocThanhToanTrucTuyen: Yes, NgayTuChoi: at(11, 26, 8, 30), NgayNopHoSo: at(11, 26, 8, 0),
		DSKetNoiCSDL: []CSDL{{MaCSDL: "CSDLQGDC"}}, DinhDanhCHS: []DinhDanh{{LoaiDinhDanh: "1", SoDinhDanh: "001090123456"}},
		Other: Other{"SoBienNhan": json.RawMessage(`{"so": 17, "a":[1.50,null]}`)},
	}
}

func progress() []TienDo {
	return []TienDo{
		{MaHoSo: "H40.12-261126-0002", ThoiDiemXuLy: at(11, 26, 8, 15), TrangThai: code.Received},
		{
			MaHoSo: "H40.12-261126-0002", NguoiXuLy: "Trần B", ChucDanh: "Công chức hộ tịch", ThoiDiemXuLy: at(11, 26, 9, 0), PhongBanXuLy: "Một cửa",
			NoiDungXuLy: "Thẩm tra", TrangThai: code.Processing, NgayBatDau: at(11, 26, 9, 0), NgayKetThucTheoQuyDinh: at(11, 27, 17, 0),
		},
	}
}

// unset finds a member that a sample leaves out, so that new ones are not forgotten.
func unset(v reflect.Value, at string) string {
	for i := range v.NumField() {
		f, name := v.Field(i), at+v.Type().Field(i).Name
		if f.Type() == reflect.TypeFor[Other]() {
			continue
		}
		if f.IsZero() {
			return name
		}
		if f.Kind() == reflect.Slice {
			if missing := unset(f.Index(0), name+"."); missing != "" {
				return missing
			}
		}
	}
	return ""
}

func TestP12_TheFormatIsWrittenAsTheVectorsSay(t *testing.T) {
	h := full()
	if missing := unset(reflect.ValueOf(h), "") + unset(reflect.ValueOf(progress()[1]), ""); missing != "" {
		t.Fatalf("the sample leaves %s out", missing)
	}
	raw, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	vector(t, "full.json", raw)
	small := HoSo{MaHoSo: "000.00.04.H40-230414-0002", MaTTHC: "1.000656.000.00.00.H29", TrangThaiHoSo: code.Registered, Email: "  ", NgayHenTra: time.Time{}.In(edxml.Vietnam)}
	if raw, err = small.Encode(); err != nil {
		t.Fatal(err)
	}
	vector(t, "small.json", raw)
	if raw, err = EncodeProgress(progress()); err != nil {
		t.Fatal(err)
	}
	vector(t, "progress.json", raw)
	if raw, err = EncodeProgress(nil); err != nil || string(raw) != "[]" {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestWhatIsWrittenReadsBack(t *testing.T) {
	h := full()
	raw, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	all, warnings, err := Decode(raw)
	if err != nil || len(all) != 1 || len(warnings) != 1 || warnings[0].Code != WarnUnknown {
		t.Fatalf("%d, %v, %v", len(all), warnings, err)
	}
	all[0].Other, h.Other = nil, nil
	if !reflect.DeepEqual(all[0], h) {
		t.Errorf("it reads back as\n%+v, not\n%+v", all[0], h)
	}
	if raw, err = EncodeProgress(progress()); err != nil {
		t.Fatal(err)
	}
	if steps, warnings, err := DecodeProgress(raw); err != nil || len(warnings) > 0 || !reflect.DeepEqual(steps, progress()) {
		t.Errorf("%+v, %v, %v", steps, warnings, err)
	}
}

func TestTimesAreVietnams(t *testing.T) {
	h := HoSo{MaHoSo: "H40.12-261126-0002", MaTTHC: "1.000656", TrangThaiHoSo: code.Received, NgayTiepNhan: time.Date(2026, 11, 26, 18, 30, 0, 0, time.UTC)}
	raw, err := h.Encode()
	if err != nil || !strings.Contains(string(raw), `"NgayTiepNhan":"20261127013000"`) {
		t.Errorf("%s, %v", raw, err)
	}
	h.ChuHoSo = "Nguye\u0302\u0303n \u0110a\u0306ng " // decomposed
	if raw, err = h.Encode(); err != nil || !strings.Contains(string(raw), `"ChuHoSo":"Nguyễn Đăng"`) {
		t.Errorf("%s, %v", raw, err)
	}
}

func TestForeignPayloadsAreReadTolerantly(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "foreign.json"))
	if err != nil {
		t.Fatal(err)
	}
	all, warnings, err := Decode(append([]byte("\xef\xbb\xbf"), raw...))
	if err != nil {
		t.Fatal(err)
	}
	h := all[0]
	if !h.NgayTiepNhan.Equal(time.Date(2026, 11, 26, 8, 15, 0, 0, edxml.Vietnam)) || !h.NgayHenTra.Equal(time.Date(2026, 11, 27, 0, 0, 0, 0, edxml.Vietnam)) || !h.NgayTra.IsZero() {
		t.Errorf("times are %v, %v, %v", h.NgayTiepNhan, h.NgayHenTra, h.NgayTra)
	}
	if h.SoGiayToChuHoSo != "1090123456" || h.DanhSachLePhi[0].Gia != "8000" || h.KenhThucHien != TrucTuyen || h.HoSoCoThanhPhanSoHoa != Yes || h.DuocThanhToanTrucTuyen != 0 {
		t.Errorf("%+v", h)
	}
	if all[1].TrangThaiHoSo != 0 || all[1].MaHoSo != "HS-17" {
		t.Errorf("%+v", all[1])
	}
	var said bytes.Buffer
	for _, w := range warnings {
		said.WriteString(w.Code + " " + w.Field + " " + w.Value + "\n")
		for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
			if text := w.Text(lang); !strings.Contains(text, w.Field) || strings.Contains(text, "{") && !strings.Contains(w.Value, "{") {
				t.Errorf("%s says %q", w.Code, text)
			}
		}
	}
	vector(t, "foreign.warnings", bytes.TrimSpace(said.Bytes()))
	again, err := h.Encode()
	if err != nil {
		t.Fatal(err)
	}
	vector(t, "foreign.want.json", again)
}

func TestWhatWouldBeWrongIsNotWritten(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*HoSo)
		field string
		code  string
	}{
		{"no code", func(h *HoSo) { h.MaHoSo = " " }, "MaHoSo", "dongbo.missing"},
		{"odd code", func(h *HoSo) { h.MaHoSo = "HS-17" }, "MaHoSo", "dossier-code.form"},
		{"odd day", func(h *HoSo) { h.MaHoSo = "H40.12-261131-0001" }, "MaHoSo", "dossier-code.day"},
		{"no procedure", func(h *HoSo) { h.MaTTHC = "" }, "MaTTHC", "dongbo.missing"},
		{"odd procedure", func(h *HoSo) { h.MaTTHC = "TTHC1" }, "MaTTHC", "dossier-code.procedure"},
		{"odd field", func(h *HoSo) { h.MaLinhVuc = "Hộ tịch" }, "MaLinhVuc", "dossier-code.field"},
		{"no status", func(h *HoSo) { h.TrangThaiHoSo = 0 }, "TrangThaiHoSo", "dongbo.missing"},
		{"no such status", func(h *HoSo) { h.TrangThaiHoSo = 11 }, "TrangThaiHoSo", "dongbo.value"},
		{"no such channel", func(h *HoSo) { h.KenhThucHien = 4 }, "KenhThucHien", "dongbo.value"},
		{"no such flag", func(h *HoSo) { h.HoSoCoThanhPhanSoHoa = 3 }, "HoSoCoThanhPhanSoHoa", "dongbo.value"},
		{"not received", func(h *HoSo) { h.NgayTiepNhan = time.Time{} }, "NgayTiepNhan", "dongbo.missing"},
		{"not returned", func(h *HoSo) { h.NgayTra = time.Time{} }, "NgayTra", "dongbo.missing"},
		{"returned before it came", func(h *HoSo) { h.NgayTra = at(11, 25, 8, 0) }, "NgayTra", "dongbo.order"},
		{"a year that is none", func(h *HoSo) { h.NgayHenTra = at(11, 1, 1, 1).AddDate(8000, 0, 0) }, "NgayHenTra", "dongbo.date"},
		{"money", func(h *HoSo) { h.DanhSachLePhi[0].Gia = "8.000" }, "DanhSachLePhi.Gia", "dongbo.money"},
		{"not UTF-8", func(h *HoSo) { h.ChuHoSo = "\xff" }, "ChuHoSo", "dongbo.text"},
		{"control character", func(h *HoSo) { h.TaiLieuNop[0].TenTepDinhKem = "a\x00" }, "TaiLieuNop[0].TenTepDinhKem", "dongbo.text"},
		{"long text", func(h *HoSo) { h.GhiChu = strings.Repeat("ơ", MaxText/2+1) }, "GhiChu", "dongbo.text-long"},
		{"long list", func(h *HoSo) { h.DSKetNoiCSDL = make([]CSDL, MaxList+1) }, "DSKetNoiCSDL", "dongbo.long"},
		{"too large", func(h *HoSo) { h.TaiLieuNop = slab() }, "", "dongbo.large"},
		{"other of a known name", func(h *HoSo) { h.Other = Other{"mahoso": json.RawMessage(`"x"`)} }, "mahoso", "dongbo.other"},
		{"other that is no JSON", func(h *HoSo) { h.Other = Other{"x": json.RawMessage(`{`)} }, "x", "dongbo.other"},
		{"other that is too deep", func(h *HoSo) {
			h.Other = Other{"x": json.RawMessage(strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth))}
		}, "x", "dongbo.other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := full()
			c.spoil(&h)
			raw, err := h.Encode()
			if raw != nil || err == nil {
				t.Fatalf("it was written, %d bytes", len(raw))
			}
			for _, p := range problem.All(err) {
				if p.Code == c.code && p.Field == c.field && p.Message(i18n.Vietnamese) != "problem."+p.Code && p.Next(i18n.English) != "" {
					return
				}
			}
			t.Errorf("got %v", err)
		})
	}
	var all problem.List
	if _, err := (HoSo{}).Encode(); !errors.As(err, &all) || len(all) < 3 {
		t.Errorf("the faults do not come at once: %v", err)
	}
	if _, err := EncodeProgress([]TienDo{{}}); !errors.As(err, &all) || len(all) != 3 {
		t.Errorf("an empty step is refused by %v", err)
	}
}

func slab() []TaiLieu {
	all := make([]TaiLieu, 100)
	for i := range all {
		all[i].TenTepDinhKem = strings.Repeat("x", MaxText-100)
	}
	return all
}

// malformed are payloads that are refused.
var malformed = map[string]string{
	"empty": "", "text": `"x"`, "cut": `{"MaHoSo":"x"`, "two": `{"MaHoSo":"a"}{}`, "list of texts": `["x"]`, "not UTF-8": "{\"MaHoSo\":\"\xff\"}",
	"no code": `[{"MaHoSo":"a"},{"MaTTHC":"1"}]`, "code is an object": `{"MaHoSo":{}}`,
	"deep":          `{"MaHoSo":"a","x":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + `}`,
	"many dossiers": `[` + strings.Repeat(`{"MaHoSo":"a"},`, MaxList) + `{"MaHoSo":"a"}]`,
	"long list":     `{"MaHoSo":"a","TaiLieuNop":[` + strings.Repeat(`{},`, MaxList) + `{}]}`,
	"long text":     `{"MaHoSo":"a","GhiChu":"` + strings.Repeat("x", MaxText+1) + `"}`,
	"long name":     `{"MaHoSo":"a","` + strings.Repeat("x", maxName+1) + `":1}`,
	"many values":   `{"MaHoSo":"a","x":[` + strings.Repeat(`1,`, maxNodes) + `1]}`,
	"large":         `{"MaHoSo":"a"` + strings.Repeat(" ", MaxPayload) + `}`,
}

func TestMalformedPayloadsAreRefused(t *testing.T) {
	var many strings.Builder
	for i := range MaxOther + 1 {
		many.WriteString(`,"x` + strings.Repeat("y", i) + `":1`)
	}
	all := map[string]string{"many unknown members": `{"MaHoSo":"a"` + many.String() + `}`}
	for name, raw := range malformed {
		all[name] = raw
	}
	for name, raw := range all {
		t.Run(name, func(t *testing.T) {
			_, _, err := Decode([]byte(raw))
			var p *problem.Problem
			if !errors.As(err, &p) || p.Message(i18n.Vietnamese) == "problem."+p.Code || p.Next(i18n.English) == "" {
				t.Errorf("%v", err)
			}
		})
	}
	if _, warnings, err := Decode([]byte(`{"MaHoSo":"a"` + strings.Repeat(`,"GhiChu":"x"`, 3*MaxWarnings) + `}`)); err != nil || len(warnings) != MaxWarnings {
		t.Errorf("%d warnings, %v", len(warnings), err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"foreign.json", "full.json", "small.json", "progress.json"} {
		raw, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	for _, raw := range malformed {
		if len(raw) < 10_000 {
			f.Add([]byte(raw))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		all, _, err := Decode(raw)
		if err != nil {
			return
		}
		for _, h := range all {
			first, err := h.Encode()
			if err != nil {
				continue
			}
			again, warnings, err := Decode(first)
			if err != nil || len(again) != 1 {
				t.Fatalf("what was written is refused: %v\n%s", err, first)
			}
			for _, w := range warnings {
				if w.Code != WarnUnknown {
					t.Errorf("what was written is odd: %+v", w)
				}
			}
			if second, err := again[0].Encode(); err != nil || !bytes.Equal(first, second) {
				t.Errorf("written again it is %s, not %s: %v", second, first, err)
			}
		}
		if steps, _, err := DecodeProgress(raw); err == nil {
			if written, err := EncodeProgress(steps); err == nil {
				if again, _, err := DecodeProgress(written); err != nil || len(again) != len(steps) {
					t.Errorf("progress reads back as %d steps: %v", len(again), err)
				}
			}
		}
	})
}

func TestP12_TheReadmeShowsWhatIsWritten(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		var again []byte
		switch {
		case strings.HasPrefix(line, `{"MaHoSo"`):
			all, warnings, err := Decode([]byte(line))
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, %v", warnings, err)
			}
			again, err = all[0].Encode()
			if err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(line, `[{"MaHoSo"`):
			all, warnings, err := DecodeProgress([]byte(line))
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, %v", warnings, err)
			}
			if again, err = EncodeProgress(all); err != nil {
				t.Fatal(err)
			}
		default:
			continue
		}
		if found++; string(again) != line {
			t.Errorf("it is written as\n%s, not\n%s", again, line)
		}
	}
	if found != 2 {
		t.Errorf("the README shows %d payloads", found)
	}
}
