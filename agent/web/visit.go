package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// visit is one request, with what its Visit holds under short names.
type visit struct {
	*page.Visit
	r       *http.Request
	w       http.ResponseWriter
	lang    i18n.Lang
	now     time.Time
	session account.Session
	signed  bool   // in
	came    string // the form that came back with mistakes, of a page with several
	cameFor string // the part that it is about
}

func visitOf(v *page.Visit) *visit {
	return &visit{Visit: v, r: v.R, w: v.W, lang: v.Lang, now: v.Now, session: v.Session, signed: v.Signed}
}

func (v *visit) may(r account.Right) bool { return v.signed && v.session.User.Role.May(r) }

func (v *visit) t(key string, args ...i18n.Args) string { return i18n.T(v.lang, key, args...) }

func (v *visit) redirect(target string) { v.Redirect(target) }

func (v *visit) whole(p *problem.Problem) string { return page.Whole(v.lang, p) }

// fieldErrors turns problems into messages at the fields of a form.
func (v *visit) fieldErrors(err error) []FieldError {
	var errs []FieldError
	for _, p := range problems(err) {
		errs = append(errs, FieldError{formField(p.Field), v.whole(p)})
	}
	return errs
}

func statusOf(p *problem.Problem) int { return page.StatusOf(p) }

// handler answers a visit. An error becomes an error page.
type handler func(ctx context.Context, v *visit) error

// formPage is the page that a form was on whose address is path.
func formPage(path string) string {
	whole := path
	for _, action := range []string{"/tiep-nhan", "/tra-lai", "/gui-ngay", "/kiem-lai", "/dang-xuat-het", "/goi", "/tai-len", "/bo", "/them",
		"/trinh", "/but-phe", "/chuyen", "/gia-han", "/thu-hoi-y-kien", "/mo-lai", "/tien-do", "/xong", "/giao-tiep"} {
		path = strings.TrimSuffix(path, action)
	}
	if rest, ok := strings.CutPrefix(whole, dossiersPath+"/"); ok {
		one, _, _ := strings.Cut(rest, "/")
		path = dossiersPath + "/" + one
	}
	if rest, ok := strings.CutPrefix(path, booksPath+"/"); ok {
		slug, _, _ := strings.Cut(rest, "/")
		path = booksPath + "/" + slug
	}
	return path
}
