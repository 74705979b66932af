// Package sample makes documents to try Trạm with: letters as PDF that look
// like those of an office, of any size from a few kilobytes to many megabytes,
// and an edXML message. Nothing in them is real.
package sample

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math/rand/v2"

	"github.com/go-fonts/liberation/liberationserifbold"
	"github.com/go-fonts/liberation/liberationserifregular"
	"github.com/signintech/gopdf"
)

// Letter is the text of a sample letter.
type Letter struct {
	Office  string   // "UBND XÃ KỲ SƠN"
	Number  string   // "12/UBND-VP"
	Place   string   // "Kỳ Sơn"
	Date    string   // "ngày 22 tháng 11 năm 2026"
	Subject string   // "V/v …"
	Body    []string // paragraphs
	Signer  string
}

// scanSide is the width of a scanned page in pixels and scanHeight its height; a
// page of noise of this size takes about half a megabyte, scanDensity bytes for
// each pixel.
const (
	scanSide    = 700
	scanHeight  = scanSide * 14 / 10
	scanDensity = 0.8
)

// pdfOverhead is what a letter takes without scanned pages, in bytes.
const pdfOverhead = 30_000

// PDF makes a letter as PDF. With size > 0, scanned pages follow until the file
// has about size bytes; the same seed gives the same pages.
func PDF(l Letter, size int64, seed uint64) ([]byte, error) {
	var pdf gopdf.GoPdf
	pdf.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	for _, font := range []struct {
		name string
		data []byte
	}{{"serif", liberationserifregular.TTF}, {"bold", liberationserifbold.TTF}} {
		if err := pdf.AddTTFFontByReader(font.name, bytes.NewReader(font.data)); err != nil {
			return nil, fmt.Errorf("load font: %w", err)
		}
	}
	if err := page(&pdf, l); err != nil {
		return nil, err
	}
	random := rand.New(rand.NewPCG(seed, 1))
	for left := size - pdfOverhead; left > 0; {
		scan, err := noise(random, left)
		if err != nil {
			return nil, err
		}
		holder, err := gopdf.ImageHolderByBytes(scan)
		if err != nil {
			return nil, fmt.Errorf("use scan: %w", err)
		}
		pdf.AddPage()
		if err := pdf.ImageByHolder(holder, 40, 40, &gopdf.Rect{W: 515, H: 760}); err != nil {
			return nil, fmt.Errorf("place scan: %w", err)
		}
		left -= int64(len(scan))
	}
	var out bytes.Buffer
	if _, err := pdf.WriteTo(&out); err != nil && err != io.EOF {
		return nil, fmt.Errorf("write pdf: %w", err)
	}
	return out.Bytes(), nil
}

func page(pdf *gopdf.GoPdf, l Letter) error {
	pdf.AddPage()
	lines := []struct {
		font string
		size float64
		x, y float64
		text string
	}{
		{"bold", 12, 60, 60, l.Office},
		{"bold", 12, 260, 60, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"},
		{"bold", 13, 315, 78, "Độc lập - Tự do - Hạnh phúc"},
		{"serif", 13, 60, 100, "Số: " + l.Number},
		{"serif", 13, 300, 112, l.Place + ", " + l.Date},
		{"serif", 12, 60, 120, l.Subject},
	}
	for _, t := range lines {
		if err := write(pdf, t.font, t.size, t.x, t.y, t.text); err != nil {
			return err
		}
	}
	y := 180.0
	for _, paragraph := range l.Body {
		if err := pdf.SetFont("serif", "", 13); err != nil {
			return err
		}
		wrapped, err := pdf.SplitTextWithWordWrap(paragraph, 475)
		if err != nil {
			return fmt.Errorf("wrap text: %w", err)
		}
		for _, line := range wrapped {
			if err := write(pdf, "serif", 13, 60, y, line); err != nil {
				return err
			}
			y += 20
		}
		y += 8
	}
	if err := write(pdf, "bold", 13, 360, y+30, "CHỦ TỊCH"); err != nil {
		return err
	}
	return write(pdf, "bold", 13, 350, y+120, l.Signer)
}

func write(pdf *gopdf.GoPdf, font string, size, x, y float64, text string) error {
	if err := pdf.SetFont(font, "", size); err != nil {
		return err
	}
	pdf.SetXY(x, y)
	return pdf.Cell(nil, text)
}

// noise is a page that no compressor makes smaller, as a scan is, of at most
// about size bytes.
func noise(random *rand.Rand, size int64) ([]byte, error) {
	height := max(1, min(scanHeight, int(float64(size)/scanDensity/scanSide)))
	img := image.NewGray(image.Rect(0, 0, scanSide, height))
	for i := range img.Pix {
		img.Pix[i] = byte(random.Uint32())
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, img, &jpeg.Options{Quality: 80}); err != nil {
		return nil, fmt.Errorf("encode scan: %w", err)
	}
	return out.Bytes(), nil
}

// SmallPDF makes a one-page PDF of exactly size bytes (at least 600) without
// embedded fonts, for tests that need many small files. The seed stands in the
// text, so that no two are alike.
func SmallPDF(size int, seed uint64) []byte {
	content := fmt.Sprintf("BT /F1 14 Tf 72 760 Td (Tram: van ban mau %d) Tj ET", seed)
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, o := range objects {
		offsets[i] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	var tail bytes.Buffer
	xref := func(at int) {
		tail.Reset()
		fmt.Fprintf(&tail, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
		for _, o := range offsets {
			fmt.Fprintf(&tail, "%010d 00000 n \n", o)
		}
		fmt.Fprintf(&tail, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%010d\n%%%%EOF\n", len(objects)+1, at)
	}
	xref(0)
	if room := size - out.Len() - tail.Len() - 2; room > 0 {
		random := rand.New(rand.NewPCG(seed, 2))
		out.WriteByte('%')
		for range room {
			out.WriteByte(byte('!' + random.IntN(90)))
		}
		out.WriteByte('\n')
	}
	xref(out.Len())
	out.Write(tail.Bytes())
	return out.Bytes()
}
