package web

import (
	"context"
	"net/http"

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

func statusOf(p *problem.Problem) int {
	if status, ok := httpStatus[p.Class]; ok {
		return status
	}
	return http.StatusServiceUnavailable
}

// fail answers with an error page. It is the last resort and must not fail
// itself.
func (s *site) fail(v *visit, err error) {
	p := problem.From(err)
	status := statusOf(p)
	if status == http.StatusInternalServerError {
		s.Logger.Error("page failed", "method", v.r.Method, "path", v.r.URL.Path, "error", err)
	}
	view := ErrorView{Status: status, Message: p.Message(v.lang), Next: p.Next(v.lang)}
	title := v.t("web.error.heading")
	if status == http.StatusNotFound {
		title = v.t("web.error.not-found")
	}
	if v.signed && status < http.StatusInternalServerError {
		view.Page = s.page(v.r.Context(), v, title, "")
	} else {
		view.Page = s.bare(v, title, "/")
	}
	if v.r.Method != http.MethodGet {
		view.Path = "/viec-can-lam"
	}
	if err := s.render(v, "error", view, status); err != nil {
		s.Logger.Error("error page failed", "error", err)
		http.Error(v.w, view.Message, status)
	}
}

func (s *site) noSuchPage(context.Context, *visit) error {
	return problem.New(problem.NotFound, "web.no-page", "", nil)
}

// fieldErrors turns problems into messages at the fields of a form.
func (v *visit) fieldErrors(err error) []FieldError {
	var errs []FieldError
	for _, p := range problems(err) {
		errs = append(errs, FieldError{formField(p.Field), v.whole(p)})
	}
	return errs
}

// whole is what happened and what to do, in one text.
func (v *visit) whole(p *problem.Problem) string {
	if next := p.Next(v.lang); next != "" {
		return p.Message(v.lang) + " " + next
	}
	return p.Message(v.lang)
}
