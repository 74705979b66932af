package web

import (
	"context"
	"errors"
	"fmt"

	"tram/agent/i18n"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/web/account"
)

// heldMeter words a document that the rules of the line hold back: why, what
// goes all the same, and when it goes by itself.
func (v *visit) heldMeter(q queued, link Link) Meter {
	m := Meter{Tag: Tag{v.t("web.held.tag." + string(q.held)), "amber"}, Key: "held-" + string(q.held)}
	if q.moving {
		m.Percent, m.Bar = percent(q.progress), true
	}
	if q.held == line.TooLarge {
		m.Line = v.t("web.held.largest", i18n.Args{"size": formatSize(v.lang, link.Line.Verdict.Rules.MaxSize)})
	} else {
		m.Line = v.stillSent(link)
	}
	if q.held != line.BudgetUsed { // the outbox says it once for all
		m.Line = joinDots(m.Line, v.byItself(q.held, link))
	}
	if v.may(account.Send) {
		m.Ask = Ask{Href: boxPath(q.Document) + "/gui-ngay", Text: v.t("web.held.ask"), Form: v.FormToken()}
	}
	return m
}

// byItself says when a document goes without anybody doing anything.
func (v *visit) byItself(code line.Code, link Link) string {
	until := link.Line.Verdict.Until
	if code == line.Ordered && until.IsZero() {
		return v.t("web.held.resumed")
	}
	if until.IsZero() || code == line.TooLarge || code == line.Metered {
		return v.t("web.held.other-line")
	}
	return v.t("web.held.until", i18n.Args{"time": v.clock(until)})
}

// rules says above the outbox what the rules of the line hold back.
func (v *visit) rules(st state) string {
	for _, q := range st.queue {
		if q.held != "" && q.held != line.TooLarge {
			return joinDots(v.t("web.held."+string(q.held)), v.stillSent(st.link), v.byItself(q.held, st.link))
		}
	}
	return ""
}

// budget tells the month of the SIM while it is in use and bounded.
func (v *visit) budget(link Link) string {
	l := link.Line
	if !link.Up || !l.Metered || l.Limit == 0 {
		return ""
	}
	text := v.t("web.held.used", i18n.Args{"used": formatSize(v.lang, l.Account.Used), "limit": formatSize(v.lang, l.Limit)})
	if l.Account.Forecast >= 0 {
		text = joinDots(text, v.t("web.held.forecast", i18n.Args{"size": formatSize(v.lang, l.Account.Forecast)}))
	}
	return joinDots(text, v.t("web.held.resets", i18n.Args{"date": formatDay(l.Account.Resets)}))
}

// sendNow asks for a document to go first, whatever the rules say.
func (s *site) sendNow(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.Out)
	if err != nil {
		return err
	}
	err = s.Queue.First(ctx, d.ID)
	// It may have gone while somebody read the page: then there is nothing to ask.
	if err != nil && !errors.Is(err, problem.New(problem.Conflict, "queue.not-waiting", "", nil)) {
		return fmt.Errorf("put document first: %w", err)
	}
	v.redirect(boxPath(d))
	return nil
}
