package web

import (
	"context"
	"net/http"
	"strings"
	"time"

	"tram/agent/dossier"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// LookUp tells the public status of one-stop dossiers; *dossier.Store does.
type LookUp interface {
	LookUp(ctx context.Context, c code.Dossier, secret string) (dossier.PublicStatus, error)
}

const (
	lookUpPath = "/tra-cuu"
	// MaxLookUps is how many dossiers one machine may look up within LookUpsWithin. Hard.
	MaxLookUps = 60
	// LookUpsWithin is the time in which they are counted.
	LookUpsWithin = 10 * time.Minute
	// maxTyped bounds what is typed here, bytes.
	maxTyped = 100
)

// LookUpView is the page on which citizens look up how far their dossiers are.
type LookUpView struct {
	Page
	Code  string
	Found []Fact // empty before
	Waits bool
}

func (s *site) lookUpRoutes() []route {
	return []route{
		{who: anybody, pattern: "GET " + lookUpPath, do: s.lookUpForm},
		{who: anybody, pattern: "POST " + lookUpPath, do: s.lookUp},
	}
}

// lookUpForm is for a kiosk and for the code on a receipt, which ?ma= fills in.
func (s *site) lookUpForm(_ context.Context, v *visit) error {
	typed := v.r.URL.Query().Get("ma")
	return s.showLookUp(v, LookUpView{Code: typed[:min(len(typed), maxTyped)]}, nil, http.StatusOK)
}

func (s *site) showLookUp(v *visit, view LookUpView, errs []FieldError, status int) error {
	if s.LookUp == nil {
		return problem.New(problem.NotFound, "web.no-page", "", nil)
	}
	view.Page = s.bare(v, v.t("web.lookup.title"), lookUpPath)
	view.Code = strings.ToValidUTF8(view.Code, "")
	view.Page.setErrors(v, errs)
	return s.render(v, "lookup", view, status)
}

func (s *site) lookUp(ctx context.Context, v *visit) error {
	view := LookUpView{Code: strings.TrimSpace(v.r.PostFormValue("code"))}
	word := strings.TrimSpace(v.r.PostFormValue("word"))
	var errs []FieldError
	named, err := code.ParseDossier(view.Code)
	switch {
	case view.Code == "":
		errs = append(errs, FieldError{"code", v.t("web.lookup.no-code")})
	case err != nil || len(view.Code) > maxTyped:
		errs = append(errs, FieldError{"code", v.t("web.lookup.bad-code")})
		view.Code = view.Code[:min(len(view.Code), maxTyped)]
	}
	if word == "" || len(word) > maxTyped {
		errs = append(errs, FieldError{"word", v.t("web.lookup.no-word")})
	}
	if errs != nil || s.LookUp == nil {
		return s.showLookUp(v, view, errs, http.StatusUnprocessableEntity)
	}
	if wait := s.lookUps.Wait(v.Address(), v.now); wait > 0 {
		p := problem.New(problem.Busy, "web.lookup-rate", "code", i18n.Args{"minutes": int((wait + time.Minute - 1) / time.Minute)})
		return s.showLookUp(v, view, []FieldError{{"code", v.whole(p)}}, http.StatusTooManyRequests)
	}
	s.lookUps.Note(v.Address(), v.now)
	st, err := s.LookUp.LookUp(ctx, named, word)
	if err != nil {
		switch p := problem.From(err); p.Code {
		case "dossier.lookup":
			return s.showLookUp(v, view, []FieldError{{"word", v.whole(p)}}, http.StatusUnprocessableEntity)
		case "dossier.lookup-often":
			return s.showLookUp(v, view, []FieldError{{"code", v.whole(p)}}, http.StatusTooManyRequests)
		}
		return err
	}
	view.Found, view.Waits = v.publicFacts(st), st.Waits
	return s.showLookUp(v, view, nil, http.StatusOK)
}

// publicFacts are what a receipt entitles to know.
func (v *visit) publicFacts(st dossier.PublicStatus) []Fact {
	facts := []Fact{
		{v.t("web.lookup.code"), st.Code.String()}, {v.t("web.lookup.status"), st.Status.Text(v.lang)}, {v.t("web.lookup.procedure"), st.Procedure},
		{v.t("web.lookup.office"), st.Office},
	}
	add := func(key string, at time.Time) {
		if !at.IsZero() {
			facts = append(facts, Fact{v.t(key), at.In(vietnam).Format("15:04 02/01/2006")})
		}
	}
	add("web.lookup.accepted", st.Accepted)
	add("web.lookup.due", st.Due)
	add("web.lookup.ended", st.Ended)
	add("web.lookup.returned", st.Returned)
	if st.Outcome != "" {
		facts = append(facts, Fact{v.t("web.lookup.outcome"), st.Outcome.Text(v.lang)})
	}
	return facts
}
