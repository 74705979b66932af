package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
	"tram/storage"
)

// Signatures is what the pages ask about the signatures inside attachments.
type Signatures interface {
	// Checks lists all verdicts on a document's attachments, oldest first.
	Checks(ctx context.Context, id storage.ID) ([]office.Check, error)
	// Recheck looks again on behalf of by. What was found before is kept.
	Recheck(ctx context.Context, id storage.ID, by string) ([]office.Check, error)
}

// CheckView is the report on one attachment as a sheet of paper, in both
// languages.
type CheckView struct {
	Page
	Base, Subject string
	Facts         []Fact
	Parts         []CheckPart
	Details       CheckPart // what is the same in all languages
	Printed       string
}

// CheckPart is the report in one language.
type CheckPart struct {
	Page
	FileTrust
}

// signatures fills in what the attachments' signatures say and what that means
// for accepting.
func (s *site) signatures(ctx context.Context, v *visit, d office.Document, view *DocumentView) error {
	var history []office.Check
	if len(d.Checks) > 0 {
		var err error
		if history, err = s.Office.Checks(ctx, d.ID); err != nil {
			return fmt.Errorf("read earlier checks: %w", err)
		}
	}
	files, accept := v.fileTrusts(d, history)
	view.Seen = v.r.URL.Query().Get("vi-sao") != "" || v.r.PostFormValue("trust_seen") != ""
	var unsigned []string
	for _, f := range files {
		if len(f.Signatures) == 0 && f.Tone == "grey" {
			unsigned = append(unsigned, f.Name)
			continue
		}
		f.Open = view.Seen && strings.HasPrefix(f.Tone, "red")
		if !view.CanRead {
			f.SignedHref = ""
		}
		view.Signed = append(view.Signed, CheckPart{inLang(v.lang), f})
	}
	if len(unsigned) > 0 {
		view.Unsigned = v.t("web.trust.unsigned", i18n.Args{"files": strings.Join(unsigned, ", ")})
	}
	view.Unchecked = len(d.Checks) == 0 && len(d.Attachments) > 0
	view.MayCheck = v.may(account.Answer) && len(d.Checks) > 0
	view.Unsure = view.Trust.Accept == acceptUnsure
	view.MayAccept = view.Trust.Accept != acceptNever
	view.Accepting = strings.TrimSpace(v.r.PostFormValue("trust_reason"))
	switch {
	case !view.MayAccept:
	case accept == acceptKnowing && !view.Seen:
		view.MayAccept, view.WhyFirst = false, boxPath(d)+"?vi-sao=1#chu-ky"
	case accept == acceptKnowing:
		view.Knowing = v.t("web.accept.reason-failed")
	case accept == acceptWithReason:
		view.Knowing = v.t("web.accept.reason")
	}
	if view.Reason == "" {
		view.Reason = returnReason(view.Trust, files)
	}
	return nil
}

// returnReason offers the verdict as the reason for returning what is not valid.
func returnReason(seal Trust, files []FileTrust) string {
	if seal.Accept == acceptNever {
		return seal.Verdict
	}
	for _, f := range files {
		if f.Tone == "red" {
			return f.Name + ": " + f.Verdict
		}
	}
	return ""
}

// accept takes a document into the register when its verdicts allow that, with
// the reason where they ask for one.
func (s *site) accept(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	switch v.trustOf(d).Accept {
	case acceptNever:
		return s.showIncoming(ctx, v, d, []FieldError{{"reason", v.t("web.in.no-accept")}}, "", http.StatusConflict)
	case acceptUnsure:
		if v.r.PostFormValue("asked") == "" {
			return s.showIncoming(ctx, v, d, []FieldError{{"asked", v.t("web.in.not-asked")}}, "", http.StatusUnprocessableEntity)
		}
	}
	k := office.Knowing{Reason: strings.TrimSpace(v.r.PostFormValue("trust_reason")), SeenFailure: v.r.PostFormValue("trust_seen") != ""}
	_, accept := v.fileTrusts(d, nil)
	switch {
	case accept == acceptKnowing && !k.SeenFailure:
		return s.showIncoming(ctx, v, d, []FieldError{{"chu-ky", v.t("web.accept.why-first")}}, "", http.StatusConflict)
	case accept >= acceptWithReason && k.Reason == "":
		return s.showIncoming(ctx, v, d, []FieldError{{"trust_reason", v.t("web.accept.no-reason")}}, "", http.StatusUnprocessableEntity)
	case utf8.RuneCountInString(k.Reason) > maxReason:
		return s.showIncoming(ctx, v, d, []FieldError{{"trust_reason", v.t("web.in.long-reason", i18n.Args{"max": maxReason})}}, "", http.StatusUnprocessableEntity)
	}
	if _, err := s.Office.AcceptKnowing(ctx, d.ID, v.session.User.Name, k); err != nil {
		return s.answerFailed(ctx, v, d.ID, "", err)
	}
	v.redirect(boxPath(d) + "?xong=1")
	return nil
}

// recheck has the signatures looked at again.
func (s *site) recheck(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return err
	}
	if _, err := s.Office.Recheck(ctx, d.ID, v.session.User.Name); err != nil {
		return fmt.Errorf("check signatures again: %w", err)
	}
	v.redirect(boxPath(d) + "#chu-ky")
	return nil
}

// check returns the newest verdict on the attachment that the address names.
func (s *site) check(ctx context.Context, v *visit) (office.Document, office.Check, error) {
	d, err := s.document(ctx, v, office.In)
	if err != nil {
		return d, office.Check{}, err
	}
	index, err := strconv.Atoi(v.r.PathValue("index"))
	i := slices.IndexFunc(d.Checks, func(c office.Check) bool { return c.Attachment == index })
	if err != nil || i < 0 {
		return d, office.Check{}, problem.New(problem.NotFound, "web.no-check", "", nil)
	}
	return d, d.Checks[i], nil
}

func (s *site) checkReport(ctx context.Context, v *visit) error {
	d, c, err := s.check(ctx, v)
	if err != nil {
		return err
	}
	history, err := s.Office.Checks(ctx, d.ID)
	if err != nil {
		return fmt.Errorf("read earlier checks: %w", err)
	}
	d.Checks = []office.Check{c}
	view := CheckView{Page: s.page(ctx, v, v.t("web.check.title"), "/van-ban-den"), Base: boxPath(d), Subject: d.Subject, Printed: formatFull(v.now)}
	view.Paper, view.Styles = true, s.some("paper.css")
	view.Facts = []Fact{
		{v.t("web.fact.from"), joinDots(d.From.Name, d.From.Code)}, {v.t("web.fact.symbol"), symbol(d)},
		{v.t("web.fact.date"), formatDocDate(d.Date)}, {v.t("web.send.subject"), d.Subject}, {v.t("web.fact.id"), d.EdXMLID},
	}
	view.Facts = v.factsOf(view.Facts)
	for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
		other := *v
		other.lang = lang
		files, _ := other.fileTrusts(d, history)
		view.Parts = append(view.Parts, CheckPart{inLang(lang), files[0]})
	}
	view.Details = view.Parts[0]
	if v.lang == i18n.English {
		view.Details = view.Parts[1]
	}
	view.Details.Why = ""
	return s.render(v, "check", view, http.StatusOK)
}

// signedRevision leads to the file as it was when it was signed, without what
// was added later.
func (s *site) signedRevision(ctx context.Context, v *visit) error {
	d, c, err := s.check(ctx, v)
	if err != nil {
		return err
	}
	length := signedLength(c.Report)
	if length == 0 {
		return problem.New(problem.NotFound, "web.no-check", "", nil)
	}
	v.redirect(s.Documents.Beginning(v.r, v.session.Ref, d.ID, c.Attachment, length))
	return nil
}
