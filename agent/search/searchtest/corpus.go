package searchtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"tram/agent/edxml"
	"tram/agent/office"
	"tram/agent/search/extract"
	"tram/storage"
)

// Corpus is an office of Documents made-up documents, which implements
// search.Source. The subjects of all pairs are among them. The same seed gives the
// same documents; none is held in memory.
type Corpus struct {
	Documents int
	FileEvery int // one of so many documents has a file; 0: none has
	FileText  int // bytes of text in it
	Seed      uint64
}

var (
	actions = split(`V/v triển khai|V/v phối hợp rà soát|V/v báo cáo kết quả|Quyết định phê duyệt|Kế hoạch thực hiện|Thông báo kết luận về|
V/v đôn đốc|V/v hướng dẫn|V/v xin ý kiến về|Báo cáo tình hình|Tờ trình đề nghị|V/v cung cấp số liệu|V/v tăng cường|V/v kiểm tra|
Quyết định ban hành quy chế|V/v giải quyết đơn về|V/v cử cán bộ tham gia|Giấy mời họp về|V/v trả lời kiến nghị về|V/v bổ sung hồ sơ`)
	objects = split(`công tác phòng cháy chữa cháy rừng|việc cấp giấy chứng nhận quyền sử dụng đất|chương trình xây dựng nông thôn mới|
chính sách trợ giúp xã hội|công tác tuyển quân|thu ngân sách|đầu tư công trung hạn|chuyển đổi số|tiêm phòng gia súc, gia cầm|
an toàn thực phẩm|bảo vệ môi trường làng nghề|phòng chống thiên tai và tìm kiếm cứu nạn|quản lý hộ tịch|phổ cập giáo dục|
sửa chữa kênh mương nội đồng|giải phóng mặt bằng dự án đường tỉnh|cải cách hành chính|tiếp công dân, giải quyết khiếu nại, tố cáo|
đăng ký kinh doanh hộ cá thể|quy hoạch sử dụng đất|thi đua khen thưởng|bảo hiểm y tế toàn dân|chăm sóc người cao tuổi|
trật tự xây dựng|an toàn giao thông|dân số và phát triển|văn hóa, thể thao|khuyến nông vụ đông xuân|nước sạch nông thôn|
quản lý tài sản công|hòa giải ở cơ sở|lưu trữ hồ sơ điện tử|giảm nghèo bền vững|bồi thường, hỗ trợ tái định cư|nghĩa vụ quân sự`)
	places = split(`xã An Bình|xã Tân Lập|phường Hòa Thuận|xã Đại Đồng|xã Yên Thượng|phường Trần Phú|xã Quỳnh Lâm|xã Phú Lương|xã Đông Sơn|
xã Mỹ Đức|xã Thủy Nguyên|phường Lê Lợi|xã Vĩnh Thịnh|xã Ngọc Hà|xã Bình Dương|xã Thạch Bàn|xã Cẩm Giàng|xã Hương Khê|xã Tiên Lữ|xã Nghĩa Trụ`)
	families = split(`Nguyễn|Trần|Lê|Phạm|Hoàng|Huỳnh|Phan|Vũ|Võ|Đặng|Bùi|Đỗ|Hồ|Ngô|Dương|Lý`)
	middles  = split(`Văn|Thị|Đức|Ngọc|Minh|Quốc|Thanh|Hữu|Đình|Xuân`)
	givens   = split(`An|Bình|Cường|Dũng|Đạt|Giang|Hà|Hạnh|Hiếu|Hoa|Hùng|Hương|Khánh|Lan|Linh|Long|Mai|Nam|Nga|Phúc|Phượng|Quang|Sơn|Tâm|Thảo|Trang|Tuấn|Vân|Yến`)
	kinds    = []struct{ abbr, name string }{{"CV", "Công văn"}, {"QĐ", "Quyết định"}, {"BC", "Báo cáo"}, {"TB", "Thông báo"}, {"KH", "Kế hoạch"}, {"TTr", "Tờ trình"}}
	states   = []office.State{office.Accepted, office.Accepted, office.Accepted, office.Accepted, office.Arrived, office.Returned}
	subjects = Subjects()
	firstDay = time.Date(2019, 1, 2, 1, 0, 0, 0, time.UTC)
)

// days are the years over which the documents are spread, in days.
const days = 7 * 365

func split(s string) []string { return strings.Split(strings.ReplaceAll(s, "\n", ""), "|") }

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func name(r *rand.Rand) string {
	return pick(r, families) + " " + pick(r, middles) + " " + pick(r, givens)
}

func (c Corpus) id(i int) (id storage.ID) {
	binary.BigEndian.PutUint64(id[8:], uint64(i)+1)
	return id
}

func (c Corpus) index(id storage.ID) int { return int(binary.BigEndian.Uint64(id[8:])) - 1 }

// At is the ID of a document by its place, from 0.
func (c Corpus) At(i int) storage.ID { return c.id(i) }

// ID is that of a pair's document.
func (c Corpus) ID(subject string) (id storage.ID, ok bool) {
	for k, s := range subjects {
		if s == subject {
			return c.id(k * (c.Documents / len(subjects))), true
		}
	}
	return id, false
}

func (c Corpus) document(i int) (d office.Document, content string) {
	r := rand.New(rand.NewPCG(c.Seed, uint64(i)))
	kind := pick(r, kinds)
	when := firstDay.Add(time.Duration(i) * days * 24 * time.Hour / time.Duration(c.Documents))
	from := pick(r, places)
	d = office.Document{
		ID: c.id(i), Box: office.In, State: pick(r, states), Type: kind.abbr, TypeName: kind.name,
		From:   office.Party{Code: fmt.Sprintf("H40.%d", 10+r.IntN(80)), Name: "UBND " + from},
		To:     []office.Recipient{{Party: office.Party{Code: "H40.12", Name: "UBND xã An Bình"}}},
		Number: fmt.Sprintf("%02d", 1+r.IntN(4000)), Notation: kind.abbr + "-UBND", Date: when.Format(time.DateOnly), Created: when, Arrival: 1 + i%3000,
		Subject: fmt.Sprintf("%s %s tại %s", pick(r, actions), pick(r, objects), pick(r, places)),
	}
	if r.IntN(3) == 0 {
		d.Box = office.Out
	}
	if r.IntN(10) == 0 {
		d.Urgency = office.Urgency(1 + r.IntN(3))
	}
	if r.IntN(4) == 0 {
		d.Subject += " (ông/bà " + name(r) + ", thôn " + strconv.Itoa(1+r.IntN(20)) + ")"
	}
	if r.IntN(2) == 0 {
		content = fmt.Sprintf("%s. Thực hiện chỉ đạo của Ủy ban nhân dân tỉnh về %s, đề nghị %s %s trước ngày %s.",
			d.Subject, pick(r, objects), pick(r, places), pick(r, objects), when.AddDate(0, 0, 14).Format("02/01/2006"))
	}
	if step := c.Documents / len(subjects); i%step == 0 && i/step < len(subjects) {
		d.Subject = subjects[i/step]
	}
	d.EdXMLID = d.From.Code + "," + when.Format("2006/01/02") + "," + d.Number + "/" + d.Notation
	if c.FileEvery > 0 && i%c.FileEvery == 0 {
		sum := sha256.Sum256([]byte(c.file(i)))
		d.Attachments = []office.Attachment{{Name: "van-ban-" + strconv.Itoa(i) + ".txt", Size: int64(c.FileText), SHA256: hex.EncodeToString(sum[:])}}
	}
	return d, content
}

// file is the text of the file of a document.
func (c Corpus) file(i int) string {
	r := rand.New(rand.NewPCG(c.Seed+1, uint64(i)))
	var b strings.Builder
	for b.Len() < c.FileText {
		fmt.Fprintf(&b, "%s %s, %s. Ông/bà %s, sinh ngày %02d/%02d/%d, số %012d.\n",
			pick(r, actions), pick(r, objects), pick(r, places), name(r), 1+r.IntN(28), 1+r.IntN(12), 1950+r.IntN(60), r.Uint64N(1e12))
	}
	return b.String()
}

// Feed tells once of each document.
func (c Corpus) Feed(_ context.Context, after string, limit int) (entries []office.Entry, next string, err error) {
	at := 0
	if after != "" {
		if at, err = strconv.Atoi(after); err != nil {
			return nil, "", err
		}
	}
	for i := at; i < min(c.Documents, at+limit); i++ {
		entries = append(entries, office.Entry{Cursor: strconv.Itoa(i + 1), Document: c.id(i)})
	}
	return entries, strconv.Itoa(at + len(entries)), nil
}

// Changed never tells of a change.
func (c Corpus) Changed() <-chan struct{} { return nil }

// Get makes a document.
func (c Corpus) Get(_ context.Context, id storage.ID) (office.Document, error) {
	d, _ := c.document(c.index(id))
	return d, nil
}

// Message makes what the index reads of the message of a document.
func (c Corpus) Message(_ context.Context, id storage.ID) (*edxml.Document, error) {
	_, content := c.document(c.index(id))
	return &edxml.Document{Content: content}, nil
}

// Open makes the file of a document.
func (c Corpus) Open(_ context.Context, id storage.ID, _ int) (office.Attachment, io.ReadSeekCloser, error) {
	i := c.index(id)
	d, _ := c.document(i)
	return d.Attachments[0], text{bytes.NewReader([]byte(c.file(i)))}, nil
}

type text struct{ *bytes.Reader }

func (text) Close() error { return nil }

// List counts the documents of both boxes together, for those of incoming ones.
func (c Corpus) List(_ context.Context, q office.Query) ([]office.Document, int, error) {
	if q.Box == office.In {
		return nil, c.Documents, nil
	}
	return nil, 0, nil
}

// Reader gives the text of made-up files as it is.
type Reader struct{}

// Read reads a file to its end.
func (Reader) Read(_ context.Context, _ string, body io.Reader) (extract.Text, error) {
	data, err := io.ReadAll(body)
	return extract.Text{Text: string(data)}, err
}
