package register

import (
	"bytes"
	"fmt"
	"iter"
	"time"

	"github.com/signintech/gopdf"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// producer is who the files say made them.
const producer = "Trạm"

// Print is what goes to the printer or the archive in one file.
type Print struct {
	Cover  *Cover // nil for none, as when pages are added to a book
	Sheets []Sheet
	Made   time.Time // stands in the file's properties; zero for no date
}

// PDF makes the file: fonts embedded, text selectable, the same bytes for the
// same print.
func (p Print) PDF() ([]byte, error) {
	title, author := "", ""
	switch {
	case p.Cover != nil:
		title, author = p.Cover.Book.Title(), p.Cover.Volume.Office
	case len(p.Sheets) > 0:
		title, author = p.Sheets[0].Book.Title(), p.Sheets[0].Volume.Office
	}
	return makePDF(title, author, p.Made, func(yield func(page) bool) {
		if p.Cover != nil && !yield(p.Cover.draw()) {
			return
		}
		for _, s := range p.Sheets {
			if !yield(s.draw()) {
				return
			}
		}
	})
}

// MaxPages is how many pages a PDF may have. The library keeps all of them in
// memory until the file is written, about 100 kB each.
const MaxPages = 500

// makePDF turns drawn pages into a PDF file.
func makePDF(title, author string, made time.Time, pages iter.Seq[page]) ([]byte, error) {
	var pdf gopdf.GoPdf
	pdf.Start(gopdf.Config{PageSize: gopdf.Rect{W: sheetWidth.points(), H: sheetHeight.points()}})
	pdf.SetInfo(gopdf.PdfInfo{Title: Clean(title), Author: Clean(author), Creator: producer, Producer: producer, CreationDate: made})
	for f, data := range faceData {
		if err := pdf.AddTTFFontData(faceNames[f], data); err != nil {
			return nil, fmt.Errorf("load font: %w", err)
		}
	}
	for p := range pages {
		if pdf.GetNumberOfPages() == MaxPages {
			return nil, problem.New(problem.Usage, "register.too-many-pages", "pages", i18n.Args{"most": MaxPages})
		}
		if err := addPage(&pdf, p); err != nil {
			return nil, fmt.Errorf("draw page: %w", err)
		}
	}
	var out bytes.Buffer
	if _, err := pdf.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("write pdf: %w", err)
	}
	return out.Bytes(), nil
}

func addPage(pdf *gopdf.GoPdf, p page) error {
	pdf.AddPageWithOption(gopdf.PageOption{PageSize: &gopdf.Rect{W: p.width.points(), H: p.height.points()}})
	weight := mpt(0)
	for _, r := range p.rules {
		if r.weight != weight {
			weight = r.weight
			pdf.SetLineWidth(weight.points())
		}
		pdf.Line(r.x1.points(), r.y1.points(), r.x2.points(), r.y2.points())
	}
	for _, t := range p.texts {
		if err := pdf.SetFont(faceNames[t.face], "", t.size.points()); err != nil {
			return err
		}
		pdf.SetXY(t.x.points(), t.y.points())
		if err := pdf.Text(t.text); err != nil {
			return err
		}
	}
	return nil
}
