package dongbo

import (
	"encoding/json"
	"time"

	"tram/agent/dossier/code"
)

// HoSo is a dossier as DongBoHoSoMC carries it. A field's name is that of the
// format, its zero value is left out of what is written. Text is plain; codes
// are checked when it is written.
type HoSo struct {
	MaHoSo          string // mã hồ sơ; needed
	MaTTHC          string // mã thủ tục hành chính; needed
	TenTTHC         string
	MaLinhVuc       string
	TenLinhVuc      string
	KenhThucHien    Kenh
	ChuHoSo         string
	LoaiDoiTuong    DoiTuong
	MaDoiTuong      string
	ThongTinKhac    string
	Email           string
	Fax             string
	SoDienThoai     string
	TrichYeuHoSo    string
	NgayTiepNhan    time.Time // needed once it was received
	NgayHenTra      time.Time
	TrangThaiHoSo   code.Status // needed
	NgayTra         time.Time
	ThongTinTra     string
	HinhThuc        string // of handing the result over; its values are not known
	NgayKetThucXuLy time.Time
	DonViXuLy       string
	GhiChu          string
	SoGiayToChuHoSo string

	TaiLieuNop                  []TaiLieu
	DanhSachLePhi               []LePhi
	DanhSachTepDinhKemKhac      []TepKhac
	DanhSachHoSoBoSung          []BoSung
	DanhSachGiayToKetQua        []KetQua
	NoiNopHoSo                  string
	HoSoCoThanhPhanSoHoa        Flag
	TaiKhoanDuocXacThucVoiVNeID Flag
	DuocThanhToanTrucTuyen      Flag
	NgayTuChoi                  time.Time
	NgayNopHoSo                 time.Time
	DSKetNoiCSDL                []CSDL
	DinhDanhCHS                 []DinhDanh

	Other Other
}

// TaiLieu is a paper that was handed in.
type TaiLieu struct {
	TepDinhKemId      string
	TenTepDinhKem     string
	IsDeleted         Flag
	MaThanhPhanHoSo   string
	DuongDanTaiTepTin string
	DuocSoHoa         Flag
	DuocTaiSuDung     Flag
	DuocLayTuKhoDMQG  Flag
	MaKetQuaThayThe   string
	Other             Other
}

// LePhi is a fee.
type LePhi struct {
	TenPhiLePhi  string
	MaPhiLePhi   string
	HinhThucThu  string
	Gia          string // đồng, digits alone
	LoaiPhiLePhi string
	Other        Other
}

// TepKhac is another file. The names come from public programs that send them,
// not from a specification; the README of agent says more.
type TepKhac struct {
	TenGiayTo  string
	SoLuong    string
	LoaiGiayTo string
	Other      Other
}

// BoSung is a request for a supplement. The names but those of the two days of
// return come from public programs that send them, not from a specification.
type BoSung struct {
	HoSoBoSungId         string
	NguoiYeuCauBoSung    string
	NoiDungBoSung        string
	NgayBoSung           time.Time
	NguoiTiepNhanBoSung  string
	ThongTinTiepNhan     string
	NgayTiepNhanBoSung   time.Time
	TrangThaiBoSung      string
	DanhSachGiayToBoSung []TaiLieu
	DanhSachLePhiBoSung  []LePhi
	NgayHenTraTruoc      time.Time
	NgayHenTraMoi        time.Time
	Other                Other
}

// KetQua is a result.
type KetQua struct {
	TenGiayTo            string
	MaThanhPhanHoSo      string
	GiayToId             string
	DuongDanTepTinKetQua string
	MaGiayToKetQua       string
	Other                Other
}

// CSDL is a database that was asked for the dossier.
type CSDL struct {
	MaCSDL string
	Other  Other
}

// DinhDanh is an identity paper of the owner of the dossier.
type DinhDanh struct {
	LoaiDinhDanh string
	SoDinhDanh   string
	Other        Other
}

// TienDo is a progress item: one step of the way of a dossier.
type TienDo struct {
	MaHoSo                 string // needed
	NguoiXuLy              string
	ChucDanh               string
	ThoiDiemXuLy           time.Time // when it happened; needed
	PhongBanXuLy           string
	NoiDungXuLy            string
	TrangThai              code.Status // needed
	NgayBatDau             time.Time
	NgayKetThucTheoQuyDinh time.Time
	Other                  Other
}

// Other are members of an object that this codec does not know, as they came.
// They are written again behind those that it knows, in the order of their names.
type Other map[string]json.RawMessage

// Kenh is how a dossier was filed. The zero Kenh is not told.
type Kenh int

// Channels.
const (
	TrucTiep  Kenh = 1 + iota // at the desk
	TrucTuyen                 // online
	BuuChinh                  // by the public post
)

// DoiTuong is who owns a dossier. The zero DoiTuong is not told.
type DoiTuong int

// Kinds of owners.
const (
	CongDan DoiTuong = 1 + iota
	ToChuc
)

// Flag is yes or no, written "1" and "0". The zero Flag is not told.
type Flag int

// The flags.
const (
	Yes Flag = 1 + iota
	No
)

// FlagOf is the flag of a bool.
func FlagOf(yes bool) Flag {
	if yes {
		return Yes
	}
	return No
}
