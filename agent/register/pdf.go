package register

import (
	"bytes"
	"iter"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/typeset"
)

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

// MaxPages is how many pages a PDF may have: more than a bound volume.
const MaxPages = 500

// makePDF turns drawn pages into a PDF file.
func makePDF(title, author string, made time.Time, pages iter.Seq[page]) ([]byte, error) {
	var out bytes.Buffer
	err := typeset.PDF(&out, typeset.Info{Title: title, Author: author, Made: made}, func(yield func(page, error) bool) {
		n := 0
		for p := range pages {
			if n++; n > MaxPages {
				yield(page{}, problem.New(problem.Usage, "register.too-many-pages", "pages", i18n.Args{"most": MaxPages}))
				return
			}
			if !yield(p, nil) {
				return
			}
		}
	})
	return out.Bytes(), err
}
