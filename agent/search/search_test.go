package search_test

import (
	"slices"
	"testing"

	"tram/agent/office"
	"tram/agent/search"
	"tram/storage"
)

// sample is an index over a few documents by name.
func sample(t testing.TB) (*search.Index, *world, map[string]storage.ID) {
	db := openDB(t, t.TempDir())
	t.Cleanup(func() { db.Close() })
	w := newWorld()
	ids := map[string]storage.ID{}
	add := func(name string, d office.Document, content string, data ...[]byte) {
		if d.Date == "" {
			d.Date = "2026-03-01"
		}
		ids[name] = w.add(d, content, data...)
	}
	add("duong", office.Document{Subject: "V/v sửa chữa đường liên xã", Number: "15", Notation: "QĐ-UBND", Type: "QĐ", TypeName: "Quyết định",
		From: office.Party{Code: "H40.12", Name: "UBND xã An Bình"}, EdXMLID: "H40.12,2026/03/01,15/QĐ-UBND"}, "")
	add("duong2", office.Document{Subject: "Về ánh dương và tương đương", Number: "1234", Notation: "QĐ-UBND", Type: "QĐ"}, "")
	add("khaisinh", office.Document{Subject: "Cấp giấy khai sinh", Number: "05", Notation: "UBND-VP", Type: "CV", Date: "2025-12-31", Urgency: office.HoaToc}, "Nội dung hoả tốc")
	add("hoa", office.Document{Subject: "Xã Hòa Bình, thủy lợi", Number: "1234", Notation: "UBND-KT", Box: office.Out, State: office.Saved, Type: "CV",
		To: []office.Recipient{{Party: office.Party{Code: "H40.15", Name: "UBND phường Tân Lập"}}}}, "")
	add("tep", office.Document{Subject: "Gửi tài liệu", Attachments: files("Báo cáo quý.txt", "anh.jpg")}, "",
		[]byte("Nguyễn Thị Phượng, nghĩa vụ quân sự"), []byte("x"))
	x, _ := start(t, db, w)
	if s := caughtUp(t, x); s.Documents != 5 || s.Unread != 0 {
		t.Fatalf("state %+v", s)
	}
	return x, w, ids
}

func TestSearch(t *testing.T) {
	x, _, ids := sample(t)
	names := map[storage.ID]string{}
	for n, id := range ids {
		names[id] = n
	}
	for _, c := range []struct {
		name string
		q    search.Query
		want []string
	}{
		{"typed marks come first", search.Query{Text: "đường"}, []string{"duong", "duong2"}},
		{"other typed marks", search.Query{Text: "dương"}, []string{"duong2", "duong"}},
		{"without marks", search.Query{Text: "duong lien xa"}, []string{"duong"}},
		{"upper case", search.Query{Text: "ĐƯỜNG LIÊN XÃ"}, []string{"duong"}},
		{"NFD", search.Query{Text: "đường liên xã"}, []string{"duong"}},
		{"khai sinh", search.Query{Text: "giay khai sinh"}, []string{"khaisinh"}},
		{"hoa toc", search.Query{Text: "hoa toc"}, []string{"khaisinh"}},
		{"place of the tone", search.Query{Text: "hoà bình"}, []string{"hoa"}},
		{"place of the tone, other", search.Query{Text: "thuỷ lợi"}, []string{"hoa"}},
		{"number and parts of the notation", search.Query{Text: "1234/ubnd"}, []string{"hoa", "duong2"}},
		{"whole code", search.Query{Text: "15/QĐ-UBND"}, []string{"duong"}},
		{"code without marks", search.Query{Text: "15/qd-ubnd"}, []string{"duong"}},
		{"number with a zero", search.Query{Text: "5/ubnd"}, []string{"khaisinh"}},
		{"beginning of a word", search.Query{Text: "thuy l"}, nil},
		{"beginning of the last word", search.Query{Text: "bình thu"}, []string{"hoa"}},
		{"phrase", search.Query{Text: `"khai sinh"`}, []string{"khaisinh"}},
		{"phrase in another order", search.Query{Text: `"sinh khai"`}, nil},
		{"phrase without end", search.Query{Text: `giấy “khai sinh`}, []string{"khaisinh"}},
		{"sender", search.Query{Text: "an binh h40.12"}, []string{"duong"}},
		{"recipient", search.Query{Text: "phường tân lập"}, []string{"hoa"}},
		{"DocumentId", search.Query{Text: "H40.12,2026/03/01,15/QĐ-UBND"}, []string{"duong"}},
		{"name of a file", search.Query{Text: "bao cao quy.txt"}, []string{"tep"}},
		{"text of a file", search.Query{Text: "nguyen thi phuong"}, []string{"tep"}},
		{"fields and text of a file together", search.Query{Text: "tài liệu quân sự"}, []string{"tep"}},
		{"operators are words", search.Query{Text: "giấy AND khai"}, nil},
		{"nothing but signs", search.Query{Text: `- * " : ^ ()`}, nil},
		{"everything, the newest first", search.Query{}, []string{"tep", "hoa", "khaisinh", "duong2", "duong"}},
		{"box", search.Query{Box: office.Out}, []string{"hoa"}},
		{"type and year", search.Query{Types: []string{"CV"}, Years: []int{2025, 2024}}, []string{"khaisinh"}},
		{"urgency", search.Query{Urgencies: []office.Urgency{office.HoaToc}}, []string{"khaisinh"}},
		{"state", search.Query{States: []office.State{office.Saved, office.Sending}}, []string{"hoa"}},
		{"sender's code", search.Query{Senders: []string{"h40.12"}, Text: "xã"}, []string{"duong"}},
		{"until", search.Query{To: "2025-12-31"}, []string{"khaisinh"}},
		{"from", search.Query{Text: "ubnd", From: "2026-01-01", Order: search.ByDate}, []string{"hoa", "duong2", "duong"}},
		{"with text", search.Query{HasText: true}, []string{"tep"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var want []storage.ID
			for _, n := range c.want {
				want = append(want, ids[n])
			}
			if got := find(t, x, c.q); !slices.Equal(got, want) {
				t.Errorf("found %s, want %v", said(got, names), c.want)
			}
		})
	}
}
