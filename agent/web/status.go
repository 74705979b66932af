package web

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"tram/agent/i18n"
	"tram/agent/line"
	"tram/agent/office"
	"tram/agent/web/account"
	"tram/agent/web/page"
)

// sessionWarning is how long before its end a session is announced.
const sessionWarning = 15 * time.Minute

// state is what the strip and the live parts of a page depend on.
type state struct {
	link     Link
	summary  office.Summary
	queue    []queued
	strip    Strip
	data     uint64 // changes when a live part may have changed
	stripSum uint64
	dossiers uint64 // changes when a list of dossiers may have changed
}

// queued is a document on its way to the hub, with its live transfer.
type queued struct {
	office.Document
	progress office.Progress
	moving   bool      // bytes of it have left
	first    bool      // somebody asked for it to go first
	held     line.Code // why it may not go now, "" when it may or there is no link
	until    int64     // bytes to go until it is through, with those before it; 0 when not known
}

// queueShown bounds the waiting documents that a page looks at.
const queueShown = 200

// rev is the token of /trang-thai: what documents, the strip and dossiers depend on.
func (s state) rev() string {
	return strconv.FormatUint(s.data, 36) + "." + strconv.FormatUint(s.stripSum, 36) + "." + strconv.FormatUint(s.dossiers, 36)
}

// leftMoves is how often at least a list of dossiers tells anew how long they have.
const leftMoves = 30 * time.Minute

// state reads the figures and words the strip.
func (s *site) state(ctx context.Context, v *visit) (state, error) {
	st := state{link: s.Link()}
	var err error
	if st.summary, err = s.Office.Summary(ctx); err != nil {
		return st, fmt.Errorf("read summary: %w", err)
	}
	if st.summary.Waiting > 0 {
		if st.queue, err = s.waiting(ctx, st.link); err != nil {
			return st, err
		}
	}
	st.strip = v.strip(st)
	st.strip.QueueHref, st.strip.QueueText = "/hop-gui", v.t("web.strip.queue")
	if st.summary.Unaccepted > 0 {
		if err := s.express(ctx, v, &st.strip); err != nil {
			return st, err
		}
	}
	if left := v.session.Expires.Sub(v.now); v.signed && left < sessionWarning {
		st.strip.Ending = v.t("web.strip.ending", i18n.Args{"time": v.clock(v.session.Expires)})
	}
	sum := fnv.New64a()
	fmt.Fprint(sum, s.Office.Revision(), st.link.Up, st.link.Since.Unix(), st.link.Line.Verdict)
	for _, q := range st.queue {
		fmt.Fprint(sum, q.ID, q.progress.Sent, q.moving, q.first)
	}
	for _, a := range s.arriving() {
		fmt.Fprint(sum, a.ID, a.Here)
	}
	st.data = sum.Sum64()
	fmt.Fprintf(sum, "%+v", st.strip)
	st.stripSum = sum.Sum64()
	if v.may(account.Dossiers) {
		changes, late, err := s.Dossiers.Pulse(ctx)
		if err != nil {
			return st, err
		}
		sum.Reset()
		fmt.Fprint(sum, changes, late, s.Dossiers.Unsure(), v.now.Truncate(leftMoves).Unix())
		st.dossiers = sum.Sum64()
	}
	return st, nil
}

// waiting lists what is not yet at the hub in the order it will go: urgent
// first, then oldest.
func (s *site) waiting(ctx context.Context, link Link) ([]queued, error) {
	page, err := s.Office.Listing(ctx, office.Listing{Box: office.Out, States: []office.State{office.Saved, office.Sending}, Down: true, Limit: queueShown})
	if err != nil {
		return nil, fmt.Errorf("list waiting documents: %w", err)
	}
	docs := page.Documents
	slices.SortStableFunc(docs, func(a, b office.Document) int {
		return cmp.Or(-cmp.Compare(a.Urgency, b.Urgency), a.Created.Compare(b.Created))
	})
	all := make([]queued, len(docs))
	for i, d := range docs {
		all[i] = s.queued(d, link)
	}
	return all, nil
}

// queued is a waiting document as it is at this moment.
func (s *site) queued(d office.Document, link Link) queued {
	p, ok := s.Office.Progress(d.ID)
	q := queued{Document: d, progress: p, moving: ok && p.Sent > 0, first: s.Queue.IsFirst(d.ID)}
	if link.Up && !q.first {
		q.held = link.Line.Verdict.Holds(uint8(d.Urgency), d.Size)
	}
	if q.held == line.TooLarge && q.moving && p.Rate >= 1 {
		q.held = "" // smaller as it travels
	}
	return q
}

// strip words the link and the queue.
func (v *visit) strip(st state) Strip {
	n := st.summary.Waiting
	if st.link.Halt != nil {
		return Strip{Tone: "down", Key: st.link.Halt.Code, Main: st.link.Halt.Message(v.lang), Queue: n > 0}
	}
	if !st.link.Up {
		strip := Strip{Tone: "down", Key: "down", Queue: n > 0, Main: v.t("web.strip.never")}
		if !st.link.Since.IsZero() {
			strip.Main = v.t("web.strip.down", i18n.Args{"time": v.clock(st.link.Since)})
			strip.Fine = v.t("web.strip.down-for", i18n.Args{"span": i18n.Span(v.lang, v.now.Sub(st.link.Since))})
		}
		strip.Main = joinDots(strip.Main, v.t("web.strip.works"))
		if n > 0 {
			strip.Main = joinDots(strip.Main, v.t("web.strip.will-send", i18n.Args{"n": n}))
		}
		return strip
	}
	if n == 0 || len(st.queue) == 0 { // what was counted may have gone since
		// No rate: nothing moves, so what the line could do is not known.
		return Strip{Tone: "up", Key: "up", Main: joinDots(v.online(st.link), v.t("web.strip.nothing"))}
	}
	for i, q := range st.queue {
		if !q.moving || q.held != "" {
			continue
		}
		done := percent(q.progress)
		strip := Strip{Tone: "busy", Key: fmt.Sprintf("busy-%d-%s", done/25, q.ID), Queue: true,
			Main: v.t("web.strip.sending", i18n.Args{"i": i + 1, "n": n}),
			Fine: v.t("web.percent", i18n.Args{"n": done})}
		if eta := v.eta(q.progress.Left); eta != "" {
			strip.Fine = joinDots(strip.Fine, v.t("web.left", i18n.Args{"eta": eta}))
		}
		return strip
	}
	for _, q := range st.queue {
		if q.held == "" {
			return Strip{Tone: "busy", Key: "waiting", Queue: true,
				Main: joinDots(v.online(st.link), v.t("web.strip.waiting", i18n.Args{"n": n}))}
		}
	}
	// Everything that waits is held back by the rules of the line.
	code := st.queue[0].held
	return Strip{Tone: "held", Key: "held-" + string(code), Queue: true,
		Main: joinDots(v.online(st.link), v.t("web.strip.held", i18n.Args{"n": n}), v.t("web.held."+string(code)), v.stillSent(st.link))}
}

// online says that the link is up, and when it costs money.
func (v *visit) online(link Link) string {
	if link.Line.Metered {
		return v.t("web.strip.up-sim")
	}
	return v.t("web.strip.up")
}

// stillSent says what goes all the same, "" when nothing is held back by its
// urgency.
func (v *visit) stillSent(link Link) string {
	if least := link.Line.Verdict.Rules.MinUrgency; least > 0 {
		return v.t("web.held.still." + strconv.Itoa(int(least)))
	}
	return ""
}

// express names what arrived as Hỏa tốc and waits for an answer.
func (s *site) express(ctx context.Context, v *visit, strip *Strip) error {
	express := office.HoaToc
	page, err := s.Office.Listing(ctx, office.Listing{Box: office.In, States: []office.State{office.Arrived}, Urgency: &express, Limit: 1})
	if err != nil {
		return fmt.Errorf("list urgent documents: %w", err)
	}
	if page.Total > 0 {
		strip.Express = v.t("web.strip.express", i18n.Args{"n": page.Total})
		strip.ExpressHref = boxPath(page.Documents[0])
	}
	if page.Total > 1 {
		strip.ExpressHref = "/viec-can-lam"
	}
	return nil
}

func (v *visit) rate(bytesPerSecond float64) string {
	return formatSize(v.lang, int64(bytesPerSecond)) + "/s"
}

func joinDots(parts ...string) string { return page.JoinDots(parts...) }
