package sample

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// MixDocuments and MixBytes are the office mix: what an office sends on a busy
// day.
const (
	MixDocuments = 40
	MixBytes     = 12_000_000
)

// kinds is the order in which kinds of documents follow each other in a mix:
// letters as PDF, scanned letters, a word processor's file, a national message.
const kinds = "lslslslwse"

// Share of a scan of a mix that is given to each word processor's file, and
// bytes of text in a national message.
const (
	wordShare   = 0.25
	messageText = 24_000
)

// Mix makes n documents of one file each that have about total bytes together:
// mostly PDF, some of them scans, some files of a word processor, some messages
// in XML. The same seed gives the same content. Names are unique.
func Mix(n int, total int64, seed uint64) ([]File, error) {
	random := rand.New(rand.NewPCG(seed, 3))
	files := make([]File, n)
	var weights float64
	var fixed int64
	weight := make([]float64, n)
	for i := range files {
		kind := kinds[i%len(kinds)]
		var err error
		switch kind {
		case 'l':
			files[i], err = letter(random, i, 0)
		case 'e':
			files[i] = message(random, i)
		case 's':
			weight[i] = 0.5 + random.ExpFloat64()
		case 'w':
			weight[i] = wordShare
		}
		if err != nil {
			return nil, err
		}
		fixed += int64(len(files[i].Data))
		weights += weight[i]
	}
	for i := range files {
		if weight[i] == 0 {
			continue
		}
		share := int64(float64(max(0, total-fixed)) * weight[i] / weights)
		var err error
		if kinds[i%len(kinds)] == 's' {
			files[i], err = letter(random, i, share)
		} else {
			files[i], err = word(random, i, share)
		}
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// vocabulary are the words of made-up text.
var vocabulary = strings.Fields(`Ủy ban nhân dân xã đề nghị các phòng ban đơn vị liên quan phối hợp rà soát thống kê báo cáo
kết quả thực hiện nhiệm vụ công tác quản lý đất đai hộ tịch bảo trợ xã hội phòng chống thiên tai trước ngày để tổng hợp trình
Chủ tịch xem xét quyết định theo quy định hiện hành căn cứ Nghị định của Chính phủ về công tác văn thư lưu trữ kính gửi`)

func prose(random *rand.Rand, size int) string {
	var b strings.Builder
	for b.Len() < size {
		b.WriteString(vocabulary[random.IntN(len(vocabulary))])
		b.WriteByte(' ')
		if random.IntN(40) == 0 {
			fmt.Fprintf(&b, "%d/%d. ", random.IntN(3000), random.IntN(99))
		}
	}
	return b.String()
}

// reference is a number as letters have them. Its letters are what makes the
// fonts that two PDF files embed differ, as they do between real letters.
func reference(random *rand.Rand) string {
	text := []byte("Mã hồ sơ: ")
	for range 24 {
		text = append(text, byte('!'+random.IntN(90)))
	}
	return string(text)
}

func letter(random *rand.Rand, i int, size int64) (File, error) {
	data, err := PDF(Letter{
		Office: "UBND XÃ AN BÌNH", Number: fmt.Sprintf("%d/UBND-VP", i+1), Place: "An Bình", Date: "ngày 24 tháng 11 năm 2026",
		Subject: fmt.Sprintf("V/v báo cáo số %d", i+1), Body: []string{reference(random), prose(random, 700), prose(random, 500)}, Signer: "Nguyễn Văn An",
	}, size, random.Uint64())
	return File{Name: fmt.Sprintf("cong-van-%03d.pdf", i), Data: data}, err
}

// Scan makes a scanned letter of about size bytes that no compressor makes
// smaller.
func Scan(name string, size int64, seed uint64) (File, error) {
	f, err := letter(rand.New(rand.NewPCG(seed, 4)), 0, size)
	f.Name = name
	return f, err
}

// word makes a zip file as word processors do: text in XML, and a picture.
func word(random *rand.Rand, i int, size int64) (File, error) {
	picture, err := noise(random, size*3/4)
	if err != nil {
		return File{}, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, part := range []File{
		{"word/document.xml", []byte("<w:document><w:body><w:p>" + prose(random, int(size)) + "</w:p></w:body></w:document>")},
		{"word/media/image1.jpeg", picture},
	} {
		w, err := z.Create(part.Name)
		if err == nil {
			_, err = w.Write(part.Data)
		}
		if err != nil {
			return File{}, fmt.Errorf("write %s: %w", part.Name, err)
		}
	}
	if err := z.Close(); err != nil {
		return File{}, fmt.Errorf("end zip: %w", err)
	}
	return File{Name: fmt.Sprintf("bieu-mau-%03d.docx", i), Data: out.Bytes()}, nil
}

func message(random *rand.Rand, i int) File {
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	data := EdXML("H40.12", "UBND xã An Bình", "H40.15", "UBND phường Tân Lập", at)
	content := []byte("<edXML:Content>" + prose(random, messageText))
	return File{
		Name: fmt.Sprintf("van-ban-%03d.edxml", i),
		Data: bytes.Replace(data, []byte("<edXML:Content>"), content, 1),
	}
}
