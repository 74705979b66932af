package page

import (
	"errors"
	"net/http"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// ErrorView is a page that says what went wrong and what to do.
type ErrorView struct {
	Page
	Status        int
	Message, Next string
}

// httpStatus maps what went wrong to what HTTP calls it.
var httpStatus = map[problem.Class]int{
	problem.Failed: http.StatusInternalServerError, problem.Usage: http.StatusUnprocessableEntity,
	problem.NotFound: http.StatusNotFound, problem.Conflict: http.StatusConflict,
	problem.Denied: http.StatusForbidden, problem.Full: http.StatusInsufficientStorage,
	problem.BadSeal: http.StatusConflict, problem.Busy: http.StatusServiceUnavailable,
}

// StatusOf is what HTTP calls a problem.
func StatusOf(p *problem.Problem) int {
	if status, ok := httpStatus[p.Class]; ok {
		return status
	}
	return http.StatusServiceUnavailable
}

// fail answers with an error page. It is the last resort and must not fail
// itself.
func (s *Site) fail(v *Visit, err error) {
	p := problem.From(err)
	status := StatusOf(p)
	if status == http.StatusInternalServerError {
		s.o.Logger.Error("page failed", "method", v.R.Method, "path", v.R.URL.Path, "error", err)
	}
	view := ErrorView{Status: status, Message: p.Message(v.Lang), Next: p.Next(v.Lang)}
	title := v.T("web.error.heading")
	if status == http.StatusNotFound {
		title = v.T("web.error.not-found")
	}
	if v.Signed && status < http.StatusInternalServerError {
		view.Page = s.Page(v.R.Context(), v, title, "")
	} else {
		view.Page = s.Bare(v, title, "/")
	}
	if v.R.Method != http.MethodGet {
		view.Path = s.o.Home
	}
	if err := s.Render(v, "error", view, status); err != nil {
		s.o.Logger.Error("error page failed", "error", err)
		http.Error(v.W, view.Message, status)
	}
}

// Problems are the faults that err holds, at least one.
func Problems(err error) problem.List {
	var list problem.List
	if errors.As(err, &list) && len(list) > 0 {
		return list
	}
	return problem.List{problem.From(err)}
}

// Mendable tells whether somebody can mend what err says, so that it belongs on
// the page with the form.
func Mendable(err error) bool {
	for _, p := range Problems(err) {
		if p.Class == problem.Failed && p.Code == "internal" {
			return false
		}
	}
	return err != nil
}

// Whole is what happened and what to do, in one text.
func Whole(lang i18n.Lang, p *problem.Problem) string {
	if next := p.Next(lang); next != "" {
		return p.Message(lang) + " " + next
	}
	return p.Message(lang)
}

// Whole is [Whole] in the visitor's language.
func (v *Visit) Whole(p *problem.Problem) string { return Whole(v.Lang, p) }
