package registry

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/storage/sqlite"
	"tram/sync/bundle"
)

// Words of which names of offices are made.
var (
	firstNames  = strings.Fields("An Bình Cẩm Đông Gia Hòa Hưng Kim Kỳ Lạc Liên Long Mỹ Minh Nam Ngọc Phú Phước Quang Quảng Sơn Tam Tân Tây Thanh Thạnh Thiện Thọ Thuận Tiên Trung Trường Vân Vĩnh Xuân Yên")
	secondNames = strings.Fields("Ân Bắc Châu Đình Đức Giang Hà Hải Hậu Hiệp Khánh Khê Lâm Lập Lộc Lợi Lương Nghĩa Nhơn Phong Phúc Sơn Tâm Tân Thành Thịnh Thủy Tiến Trạch Trị Vinh Xá")
	desks       = strings.Split("Văn phòng|Phòng Kinh tế|Phòng Văn hóa - Xã hội|Trung tâm Phục vụ hành chính công|Trường Tiểu học|Trường Trung học cơ sở|Trường Mầm non|Trạm Y tế|Ban Chỉ huy Quân sự|Công an|Hội Nông dân|Đoàn Thanh niên|Hợp tác xã", "|")
)

// country makes n cards of a directory as large as that of the whole country:
// provinces, communes below them, and what lies below the communes. One in
// so many has keys, with 0 none. Serials are not set.
func country(t testing.TB, n, keys int) []Card {
	t.Helper()
	r := rand.New(rand.NewPCG(20251001, 7))
	name := func() string {
		return firstNames[r.IntN(len(firstNames))] + " " + secondNames[r.IntN(len(secondNames))]
	}
	var cards []Card
	put := func(c Card) {
		if keys > 0 && len(cards)%keys == 0 {
			c.Device, c.Recipient, c.Expires = newKey(t).Public(), newRecipient(t), time.Unix(1_800_000_000+int64(len(cards)), 0).UTC()
		}
		cards = append(cards, c)
	}
	for p := 1; len(cards) < n; p++ {
		province := fmt.Sprintf("H%02d", p)
		put(Card{Code: province, Name: "Ủy ban nhân dân tỉnh " + name(), Kind: "tinh"})
		for c := 1; c <= 98 && len(cards) < n; c++ {
			commune, place := fmt.Sprintf("%s.%03d", province, c), name()
			put(Card{Code: commune, Name: "Ủy ban nhân dân xã " + place, Parent: province, Kind: "xa",
				Succession: Succession{Old: []string{fmt.Sprintf("000.%02d.%02d.%s", r.IntN(60), r.IntN(40), province)}}})
			for d := 1; d <= 36 && len(cards) < n; d++ {
				desk := desks[d%len(desks)]
				if d > len(desks) {
					desk += " " + name()
				}
				put(Card{Code: fmt.Sprintf("%s.%03d", commune, d), Name: desk + " xã " + place, Parent: commune, Kind: "don-vi"})
			}
		}
	}
	return cards
}

// issueAll issues cards, some thousand in a transaction.
func issueAll(t testing.TB, db *sqlite.DB, r *Registry, authority *ecdsa.PrivateKey, cards []Card) {
	t.Helper()
	for some := range slices.Chunk(cards, 2000) {
		err := db.Update(context.Background(), func(tx *sqlite.Tx) error {
			for _, c := range some {
				if _, err := r.Issue(tx, c, authority); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// travels is the size of a payload as an object of a bundle.
func travels(t testing.TB, payload []byte) int {
	t.Helper()
	key, err := bundle.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	sent, _, err := key.EncryptBytes(payload, bundle.RoleRegistry)
	if err != nil {
		t.Fatal(err)
	}
	return len(sent)
}

// BenchmarkDirectory prints what a directory of 120,000 offices costs: its size
// on the line beside that of whole cards, the time to take it in, and searches.
func BenchmarkDirectory(b *testing.B) {
	const n = 120_000
	authority := newKey(b)
	hubDB, hub := open(b, authority)
	cards := country(b, n, 11)
	began := time.Now()
	issueAll(b, hubDB, hub, authority, cards)
	b.ReportMetric(time.Since(began).Seconds(), "s-issue")

	whole := 0
	for after := uint64(0); ; {
		list, err := hub.Since(b.Context(), after, 500)
		if err != nil {
			b.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		payload, err := EncodeCards(list)
		if err != nil {
			b.Fatal(err)
		}
		whole += travels(b, payload)
		last, err := hub.stored(list[len(list)-1])
		if err != nil {
			b.Fatal(err)
		}
		after = last.Serial
	}
	db, _ := open(b, authority)
	office, err := New(db, authority.Public(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	sent, pages, slowest := 0, 0, time.Duration(0)
	var make, take time.Duration
	for {
		began := time.Now()
		page, payload, err := hub.PageAfter(b.Context(), office.Serial(), nil, authority)
		if err != nil {
			b.Fatal(err)
		}
		if page == nil {
			break
		}
		make += time.Since(began)
		sent, pages = sent+travels(b, payload), pages+1
		began = time.Now()
		read, err := ParsePage(payload, office.Authority())
		if err != nil {
			b.Fatal(err)
		}
		err = db.Update(b.Context(), func(tx *sqlite.Tx) error {
			_, err := office.TakePage(tx, read)
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		take, slowest = take+took, max(slowest, took)
	}
	for name, keys := range map[string]int{"B/card-without-keys": 0, "B/card-with-keys": 1} {
		cards := country(b, MaxPageCards/2, keys)
		for i := range cards {
			cards[i].Serial, cards[i].Issued = uint64(1_790_000_000_000+i), time.Unix(1_790_000_000, 0)
		}
		payload, err := EncodePage(Page{Until: cards[len(cards)-1].Serial, Made: time.Now(), Cards: cards}, authority)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(travels(b, payload))/float64(len(cards)), name)
	}
	b.ReportMetric(float64(whole)/n, "B/card-whole")
	b.ReportMetric(float64(sent)/n, "B/card-page")
	b.ReportMetric(float64(sent), "B-snapshot")
	b.ReportMetric(float64(pages), "pages")
	b.ReportMetric(make.Seconds(), "s-make")
	b.ReportMetric(take.Seconds(), "s-take")
	b.ReportMetric(float64(slowest.Milliseconds()), "ms-slowest-page")
	searchFigures(b, office)
}

// searchFigures searches as a clerk types, a letter more each time.
func searchFigures(b *testing.B, office *Registry) {
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := memory()
	began := time.Now()
	if _, err := office.Search(b.Context(), "x", 20); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms-first-search")
	b.ReportMetric(float64(memory()-before)/(1<<20), "MiB-index")
	var times []time.Duration
	for _, words := range []string{"ủy ban nhân dân xã tân lập", "truong tieu hoc kim lien", "tram y te", "H07.044.012", "000.12.31.h05", "cong an xa", "không có ở đâu"} {
		for end := range words + " " {
			if end == 0 {
				continue
			}
			for _, reachable := range []bool{false, true} {
				began := time.Now()
				_, err := office.Find(b.Context(), Query{Text: words[:end], Limit: 20, Reachable: reachable})
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(began))
			}
		}
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds())/1000, "ms-p99")
	b.ReportMetric(0, "ns/op") // the whole is no figure
}
