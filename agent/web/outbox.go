package web

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/account"
)

// OutboxView is what is on its way to the hub, live.
type OutboxView struct {
	Page
	Head   string // "3 văn bản · 12 MB · khoảng 25 phút"
	Paused string // said while the link is down, or its rules hold something back
	Budget string // the month of the SIM, said while it is in use
	Rows   []OutboxRow
	Empty  string
	Stick  bool // what waits may go by stick
}

// OutboxRow is one document that waits or travels.
type OutboxRow struct {
	Href, Symbol, Subject, To string
	Urgent                    Urgent
	Meter                     Meter
}

// Meter is the live state of one transfer.
type Meter struct {
	Tag     Tag
	Line    string
	Percent int
	Bar     bool
	Key     string // changes when the change is worth being read out
	Ask     Ask
}

// Ask is a button of a transfer that is held back. The zero Ask is none.
type Ask struct{ Href, Text, Form string }

// resumedFor is how long a row says that it goes on where it stopped.
const resumedFor = 5 * time.Second

func (s *site) outbox(ctx context.Context, v *visit) error {
	view := OutboxView{Page: s.page(ctx, v, v.t("web.outbox.title"), "")}
	st, err := s.state(ctx, v)
	if err != nil {
		return err
	}
	express := len(st.queue) > 0 && st.queue[0].Urgency == office.HoaToc && st.queue[0].moving
	ahead := int64(0)
	for i, q := range st.queue {
		if q.held == "" {
			ahead += max(0, q.Size-q.progress.Sent)
			q.until = ahead
		}
		view.Rows = append(view.Rows, OutboxRow{Href: boxPath(q.Document), Symbol: symbol(q.Document), Subject: q.Subject,
			To: v.recipientsShort(q.Document), Urgent: v.urgent(q.Urgency),
			Meter: v.meterOf(q, st.link, i, express && q.Urgency < office.HoaToc)})
	}
	view.Head = v.outboxHead(st)
	switch {
	case len(view.Rows) == 0 && st.summary.LastOut.IsZero():
		view.Empty = v.t("web.outbox.never")
	case len(view.Rows) == 0:
		view.Empty = v.t("web.outbox.empty", i18n.Args{"time": v.clock(st.summary.LastOut)})
	case st.link.Halt != nil: // the strip says why
	case !st.link.Up && !st.link.Since.IsZero():
		view.Paused = v.t("web.outbox.paused", i18n.Args{"time": v.clock(st.link.Since)})
	case !st.link.Up:
		view.Paused = v.t("web.outbox.paused-never")
	default:
		view.Paused = v.rules(st)
	}
	view.Budget = v.budget(st.link)
	view.Stick = len(view.Rows) > 0 && view.Paused != "" && v.may(account.Stick)
	return s.render(v, "outbox", view, http.StatusOK)
}

// outboxHead sums the queue up; a time only while the link is up and its rate
// is known.
func (v *visit) outboxHead(st state) string {
	if st.summary.Waiting == 0 {
		return ""
	}
	head := joinDots(v.t("web.outbox.count", i18n.Args{"n": st.summary.Waiting}), formatSize(v.lang, st.summary.WaitingBytes))
	if !st.link.Up || st.link.Rate < 1 {
		return head
	}
	left := st.summary.WaitingBytes
	for _, q := range st.queue {
		if left -= q.progress.Sent; q.held != "" {
			left -= q.Size - q.progress.Sent
		}
	}
	if left <= 0 {
		return head
	}
	return joinDots(head, v.eta(time.Duration(float64(max(left, 0))/st.link.Rate*float64(time.Second))))
}

// meter is the live state of one document outside the outbox.
func (s *site) meter(v *visit, d office.Document) *Meter {
	link := s.Link()
	m := v.meterOf(s.queued(d, link), link, -1, false)
	return &m
}

// meterOf words one transfer; place counts from 0, negative when it does not
// matter. yielding says that an express document goes first.
func (v *visit) meterOf(q queued, link Link, place int, yielding bool) Meter {
	done := percent(q.progress)
	size := formatSize(v.lang, q.Size)
	switch {
	case q.held != "":
		return v.heldMeter(q, link)
	case !q.moving && q.first && link.Up:
		return Meter{Tag: v.stateTag(office.Saved), Line: joinDots(v.t("web.meter.first"), size), Key: "first"}
	case !q.moving && !link.Up:
		line := joinDots(v.place(place), size, v.t("web.meter.when-up"))
		return Meter{Tag: v.stateTag(office.Saved), Line: line, Key: "saved"}
	case !q.moving:
		return Meter{Tag: v.stateTag(office.Saved), Line: joinDots(v.place(place), size, v.expected(q, link)), Key: "saved"}
	case !link.Up:
		line := v.t("web.meter.paused", i18n.Args{"time": v.clock(link.Since), "n": done})
		if link.Since.IsZero() {
			line = v.t("web.meter.paused-never", i18n.Args{"n": done})
		}
		return Meter{Tag: Tag{v.t("web.state.paused"), "grey"}, Line: line, Percent: done, Bar: true, Key: "paused"}
	case yielding && q.progress.Rate < 1:
		return Meter{Tag: Tag{v.t("web.state.sending-at", i18n.Args{"n": done}), "grey"}, Line: v.t("web.meter.yields"),
			Percent: done, Bar: true, Key: "yields"}
	}
	m := Meter{Tag: Tag{v.t("web.state.sending-at", i18n.Args{"n": done}), "blue"}, Percent: done, Bar: true,
		Key: fmt.Sprintf("sending-%d", done/25)}
	if v.now.Sub(link.Since) < resumedFor && !link.Since.IsZero() && done > 0 {
		m.Tag.Text, m.Key = v.t("web.state.resumed", i18n.Args{"n": done}), "resumed"
	}
	m.Line = formatPair(v.lang, q.progress.Sent, q.progress.Total)
	eta := v.eta(q.progress.Left)
	switch {
	case eta != "" && q.progress.Rate >= 1:
		m.Line = joinDots(m.Line, v.t("web.left-rate", i18n.Args{"eta": eta, "rate": v.rate(q.progress.Rate)}))
	case eta != "":
		m.Line = joinDots(m.Line, v.t("web.left", i18n.Args{"eta": eta}))
	case q.progress.Rate < 1:
		m.Line = joinDots(m.Line, v.t("web.meter.waits"))
	}
	return m
}

func (v *visit) place(n int) string {
	if n < 0 {
		return ""
	}
	return v.t("web.meter.place", i18n.Args{"n": n + 1})
}

// expected estimates a transfer that has not begun.
func (v *visit) expected(q queued, link Link) string {
	if link.Rate < 1 {
		return ""
	}
	eta := v.eta(time.Duration(float64(max(q.until, q.Size)) / link.Rate * float64(time.Second)))
	if eta == "" {
		return ""
	}
	return v.t("web.meter.expected", i18n.Args{"eta": eta})
}
