// Package dongbotest has a source of made-up dossiers for tests, and another
// side that counts what reaches it. Both are small but whole: they keep the
// contracts of package dongbo.
package dongbotest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"tram/agent/dossier/code"
	"tram/agent/dossier/dongbo"
	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
)

// Day is the day on which the dossiers were received.
var Day = time.Date(2026, 11, 26, 8, 0, 0, 0, edxml.Vietnam)

// Source is a [dongbo.Source] in memory.
type Source struct {
	mu       sync.Mutex
	items    map[storage.ID]dongbo.Item
	changes  []dongbo.Change
	receipts []dongbo.Receipt
	news     chan struct{}
}

// New makes an empty source.
func New() *Source {
	return &Source{items: map[storage.ID]dongbo.Item{}, news: make(chan struct{})}
}

// Add receives the nth dossier of the day.
func (s *Source) Add(n int) storage.ID {
	id := uuid.NewSHA1(uuid.Nil, []byte(strconv.Itoa(n)))
	dossier := fmt.Sprintf("H40.12-261126-%04d", n)
	at := Day.Add(time.Duration(n) * time.Minute)
	s.change(dongbo.Item{
		Change: dongbo.Change{ID: id, Code: dossier, At: at},
		HoSo: dongbo.HoSo{
			MaHoSo: dossier, MaTTHC: "1.000656", TenTTHC: "Đăng ký khai tử", ChuHoSo: "Nguyễn Văn A", LoaiDoiTuong: dongbo.CongDan, KenhThucHien: dongbo.TrucTiep,
			NgayTiepNhan: at, NgayHenTra: at.Add(24 * time.Hour), TrangThaiHoSo: code.Received, DonViXuLy: "UBND xã Mẫu",
		},
		TienDo: []dongbo.TienDo{{MaHoSo: dossier, NguoiXuLy: "Trần B", ThoiDiemXuLy: at, TrangThai: code.Received}},
	})
	return id
}

// Step gives a dossier its next status.
func (s *Source) Step(id storage.ID, status code.Status) {
	s.Edit(id, func(i *dongbo.Item) {
		i.At = i.At.Add(time.Hour)
		i.HoSo.TrangThaiHoSo = status
		if status == code.Returned {
			i.HoSo.NgayTra = i.At
		}
		i.TienDo = append(slices.Clone(i.TienDo), dongbo.TienDo{MaHoSo: i.HoSo.MaHoSo, NguoiXuLy: "Lê C", ThoiDiemXuLy: i.At, TrangThai: status})
	})
}

// Edit changes a dossier.
func (s *Source) Edit(id storage.ID, change func(*dongbo.Item)) {
	s.mu.Lock()
	item := s.items[id]
	s.mu.Unlock()
	change(&item)
	s.change(item)
}

// Drop has a dossier gone.
func (s *Source) Drop(id storage.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.items, id)
}

func (s *Source) change(item dongbo.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item.Revision++
	s.items[item.ID] = item
	s.changes = append(s.changes, item.Change)
	close(s.news)
	s.news = make(chan struct{})
}

// Receipts lists what was told to be there.
func (s *Source) Receipts() []dongbo.Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.receipts)
}

// Changed implements [dongbo.Source].
func (s *Source) Changed(_ context.Context, after string, limit int) ([]dongbo.Change, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := 0
	if after != "" {
		n, err := strconv.Atoi(after)
		if err != nil || n < 0 || n > len(s.changes) {
			return nil, "", fmt.Errorf("no such place: %q", after)
		}
		from = n
	}
	to := min(from+limit, len(s.changes))
	if to == from {
		return nil, after, nil
	}
	return slices.Clone(s.changes[from:to]), strconv.Itoa(to), nil
}

// End implements [dongbo.Source].
func (s *Source) End(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strconv.Itoa(len(s.changes)), nil
}

// News implements [dongbo.Source].
func (s *Source) News() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.news
}

// Dossier implements [dongbo.Source].
func (s *Source) Dossier(_ context.Context, id storage.ID) (dongbo.Item, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	item, ok := s.items[id]
	if !ok {
		return dongbo.Item{}, problem.New(problem.NotFound, "dongbo.gone", "", i18n.Args{"id": id.String()})
	}
	return item, nil
}

// Synced implements [dongbo.Source].
func (s *Source) Synced(_ context.Context, r dongbo.Receipt) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.receipts, func(have dongbo.Receipt) bool {
		return have.ID == r.ID && have.Revision == r.Revision && have.Via == r.Via
	}) {
		s.receipts = append(s.receipts, r)
	}
	return nil
}

// Portal is the other side: it takes what the format allows, and tells new
// dossiers from those that it has.
type Portal struct {
	mu    sync.Mutex
	Calls []dongbo.Call            // that were taken, repetitions left out
	Seen  map[string]int           // how often each key came
	have  map[string]dongbo.HoSo   // as last told
	steps map[string][]code.Status // in their order
}

// NewPortal makes an empty portal.
func NewPortal() *Portal {
	return &Portal{Seen: map[string]int{}, have: map[string]dongbo.HoSo{}, steps: map[string][]code.Status{}}
}

// errKnown and errUnknown are why a payload is refused.
var (
	errKnown   = fmt.Errorf("%w: the dossier is there already", dongbo.ErrRefused)
	errUnknown = fmt.Errorf("%w: no such dossier", dongbo.ErrRefused)
)

// Take takes a call. What was taken under its key changes nothing.
func (p *Portal) Take(c dongbo.Call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Seen[c.Key]++
	if slices.ContainsFunc(p.Calls, func(have dongbo.Call) bool { return have.Key == c.Key }) {
		return nil
	}
	var err error
	switch c.Service {
	case dongbo.ServiceDossier:
		err = p.dossier(c)
	case dongbo.ServiceProgress:
		err = p.progress(c)
	default:
		err = dongbo.ErrRefused
	}
	if err == nil {
		p.Calls = append(p.Calls, c)
	}
	return err
}

func (p *Portal) dossier(c dongbo.Call) error {
	all, warnings, err := dongbo.Decode(c.Data)
	if err != nil || len(warnings) > 0 || len(all) != 1 {
		return errors.Join(dongbo.ErrRefused, fmt.Errorf("payload with %d warnings", len(warnings)), err)
	}
	_, there := p.have[all[0].MaHoSo]
	switch {
	case there && !c.Update:
		return errKnown
	case !there && c.Update:
		return errUnknown
	}
	p.have[all[0].MaHoSo] = all[0]
	return nil
}

func (p *Portal) progress(c dongbo.Call) error {
	steps, warnings, err := dongbo.DecodeProgress(c.Data)
	if err != nil || len(warnings) > 0 {
		return errors.Join(dongbo.ErrRefused, err)
	}
	for _, s := range steps {
		if _, there := p.have[s.MaHoSo]; !there {
			return errUnknown
		}
		p.steps[s.MaHoSo] = append(p.steps[s.MaHoSo], s.TrangThai)
	}
	return nil
}

// Has reports whether it has a dossier.
func (p *Portal) Has(dossier string) bool {
	_, _, there := p.Dossier(dossier)
	return there
}

// Dossier is what it knows of a dossier.
func (p *Portal) Dossier(dossier string) (h dongbo.HoSo, steps []code.Status, there bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, there = p.have[dossier]
	return h, slices.Clone(p.steps[dossier]), there
}
