package dossier

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
	"tram/agent/i18n"
	"tram/storage"
	"tram/storage/sqlite"
)

// national are the dossiers of this office as the national portal has them.
type national struct{ *Store }

// National is what is synchronised with the national portal: the dossiers that this
// office took in, at each change, with the times at which things happened.
func (s *Store) National() dongbo.Source { return national{s} }

// Changed lists each dossier once, at its newest revision. One whose personal data were
// given up stays at the portal as it was.
func (s national) Changed(ctx context.Context, after string, limit int) (list []dongbo.Change, next string, err error) {
	from := int64(0)
	if after != "" {
		if from, err = strconv.ParseInt(after, 10, 64); err != nil {
			return nil, "", fmt.Errorf("list changes of dossiers: %w", err)
		}
	}
	next = after
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		list, err = sqlite.Collect(tx, func(rows *sql.Rows, c *dongbo.Change) error {
			return rows.Scan(&c.ID, &c.Code, &c.Revision, sqlite.Timestamp(&c.At))
		}, `SELECT id, code, revision, changed FROM dossiers WHERE guest = 0 AND erased = 0 AND revision > ? ORDER BY revision LIMIT ?`, from, limit)
		return err
	})
	if err != nil {
		return nil, "", fmt.Errorf("list changes of dossiers: %w", err)
	}
	if n := len(list); n > 0 {
		next = strconv.FormatInt(list[n-1].Revision, 10)
	}
	return list, next, nil
}

func (s national) End(ctx context.Context) (string, error) {
	var last int64
	err := s.db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT coalesce(max(revision), 0) FROM dossiers`).Scan(&last)
	})
	if err != nil {
		return "", fmt.Errorf("find the last change of dossiers: %w", err)
	}
	return strconv.FormatInt(last, 10), nil
}

// News is closed at the next change.
func (s national) News() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// announce tells those who wait that something has changed.
func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.next)
	s.next = make(chan struct{})
}

func (s national) Dossier(ctx context.Context, id storage.ID) (item dongbo.Item, err error) {
	var d Dossier
	err = s.db.View(ctx, func(tx *sqlite.Tx) error {
		if d, _, err = load(tx, `id = ? AND guest = 0 AND erased = 0`, id); err != nil {
			return err
		}
		return tx.QueryRow(`SELECT revision FROM dossiers WHERE id = ?`, id).Scan(&item.Revision)
	})
	if err != nil {
		return item, reading(err)
	}
	item.ID, item.Code, item.At = d.ID, d.Code.String(), d.Changed
	item.HoSo, item.TienDo = d.hoSo(), d.progress()
	return item, nil
}

func (s national) Synced(ctx context.Context, r dongbo.Receipt) error {
	err := s.db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO dossier_synced (id, via, revision, at) VALUES (?, ?, ?, ?)
			ON CONFLICT (id, via) DO UPDATE SET revision = excluded.revision, at = excluded.at WHERE excluded.revision > revision`, r.ID, r.Via, r.Revision, r.At)
		return err
	})
	return saving(err)
}

// hoSo is the dossier in the form of DongBoHoSoMC.
func (d Dossier) hoSo() dongbo.HoSo {
	h := dongbo.HoSo{
		MaHoSo: d.Code.String(), MaTTHC: d.Procedure.Code.String(), TenTTHC: d.Procedure.Name, MaLinhVuc: d.Procedure.Field.Code.String(),
		TenLinhVuc: d.Procedure.Field.Name, KenhThucHien: dongbo.Kenh(d.Channel), ChuHoSo: d.Applicant.Name, LoaiDoiTuong: dongbo.DoiTuong(d.Applicant.Kind),
		SoGiayToChuHoSo: d.Applicant.Number, Email: d.Applicant.Email, SoDienThoai: d.Applicant.Phone, TrichYeuHoSo: d.Subject, NgayNopHoSo: d.Filed,
		NgayTiepNhan: d.Accepted, NgayHenTra: d.Due, TrangThaiHoSo: d.Status, NgayTra: d.Returned, NgayKetThucXuLy: d.Done, DonViXuLy: d.OwnerName, NoiNopHoSo: d.Owner,
		HoSoCoThanhPhanSoHoa: dongbo.FlagOf(len(d.Files) > 0),
	}
	if d.Status == code.Stopped {
		h.NgayKetThucXuLy = d.Closed
	}
	if d.Status == code.Refused {
		h.NgayTuChoi = d.Closed
	}
	for _, f := range d.Files {
		if f.Role == RolePaper {
			h.TaiLieuNop = append(h.TaiLieuNop, dongbo.TaiLieu{TepDinhKemId: f.SHA256[:32], TenTepDinhKem: f.Name, MaThanhPhanHoSo: d.paperCode(f.Paper), DuocSoHoa: dongbo.Yes})
		}
	}
	for _, c := range d.Charges {
		h.DanhSachLePhi = append(h.DanhSachLePhi, dongbo.LePhi{TenPhiLePhi: c.Fee.Name, MaPhiLePhi: c.Fee.Code, Gia: strconv.FormatInt(c.Fee.Amount, 10)})
		if c.Online {
			h.DuocThanhToanTrucTuyen = dongbo.Yes
		}
	}
	for _, r := range d.Results {
		h.DanhSachGiayToKetQua = append(h.DanhSachGiayToKetQua, dongbo.KetQua{TenGiayTo: r.Name, MaGiayToKetQua: r.Number})
	}
	h.DanhSachHoSoBoSung = d.supplements()
	return h
}

func (d Dossier) paperCode(i int) string {
	if i < 0 || i >= len(d.Procedure.Papers) {
		return ""
	}
	return d.Procedure.Papers[i].Code
}

// supplements are the requests for papers with what became of them.
func (d Dossier) supplements() (list []dongbo.BoSung) {
	due := time.Time{}
	for _, e := range d.Events {
		switch {
		case e.Moot:
		case e.Kind == SupplementAsked:
			list = append(list, dongbo.BoSung{HoSoBoSungId: e.ID.String(), NguoiYeuCauBoSung: e.By, NoiDungBoSung: e.Text, NgayBoSung: e.At, NgayHenTraTruoc: due})
		case e.Kind == Supplemented && len(list) > 0:
			b := &list[len(list)-1]
			b.NgayTiepNhanBoSung, b.NguoiTiepNhanBoSung, b.NgayHenTraMoi = e.At, e.By, e.Due
		}
		if !e.Due.IsZero() {
			due = e.Due
		}
	}
	return list
}

// progress are the steps of the dossier, each with the status that it led to.
func (d Dossier) progress() (list []dongbo.TienDo) {
	var s Standing
	for _, e := range d.Events {
		if s.Apply(e, d.Procedure.PaymentStops) != nil || e.Moot || e.Kind == Printed || e.Kind == Erased {
			continue
		}
		office := d.OwnerName
		if e.Office != d.Owner {
			office = e.Office
			for _, t := range d.Transfers {
				if t.To == e.Office && t.ToName != "" {
					office = t.ToName
				}
			}
		}
		text := strings.TrimSuffix(i18n.T(i18n.Vietnamese, "dossier.kind."+string(e.Kind))+": "+e.Text, ": ")
		list = append(list, dongbo.TienDo{
			MaHoSo: d.Code.String(), NguoiXuLy: e.By, ThoiDiemXuLy: e.At, PhongBanXuLy: office, NoiDungXuLy: text, TrangThai: s.Status, NgayKetThucTheoQuyDinh: s.Due,
		})
	}
	return list
}
