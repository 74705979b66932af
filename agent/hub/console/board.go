package console

import (
	"net/http"
	"slices"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/page"
)

// BoardView is a page of sections: facts, lists and forms.
type BoardView struct {
	page.Page
	Done           string
	Back, BackText string // way to the list that this is one of
	Heading        string
	Tag            page.Tag
	Sections       []page.Section
	Pager          page.Pager
}

// show renders a board.
func (s *site) show(v *page.Visit, view BoardView) error {
	if key := "console.done." + v.R.URL.Query().Get("xong"); view.Done == "" && len(view.Errors) == 0 && i18n.Has(key) {
		view.Done = v.T(key, i18n.Args{"name": view.Heading})
	}
	return s.Render(v, "board", view, http.StatusOK)
}

// mended shows a board again with what err says of its inputs, or gives err back
// when nobody can mend it.
func (s *site) mended(v *page.Visit, view BoardView, inputs []page.Input, err error) error {
	if !page.Mendable(err) {
		return err
	}
	errs := v.Mistakes(err, inputs, "")
	// What is wrong in a line of a list is wrong with the file.
	if i := slices.IndexFunc(inputs, func(in page.Input) bool { return in.Kind == "file" }); i >= 0 {
		for n := range errs {
			if errs[n].Field == "main" {
				errs[n].Field = inputs[i].ID
				inputs[i].Error = errs[n].Text
			}
		}
	}
	view.SetErrors(errs)
	return s.Render(v, "board", view, page.StatusOf(problem.From(page.Problems(err)[0])))
}
