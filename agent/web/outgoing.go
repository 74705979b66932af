package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tram/agent/i18n"
	"tram/agent/office"
)

// SentView is one outgoing document with its tracks.
type SentView struct {
	Page
	Base      string
	Subject   string
	Urgent    Urgent
	State     Tag
	Done      string // confirmation after sending
	Reason    string
	Frozen    string // said of a document that was taken back
	Links     []LinkView
	TakeBack  *TakeBack
	MaxReason int
	Replace   string // addresses to replace or update it, "" when that is not called for
	Update    string
	Mend      string // address to correct and send again, "" when not called for
	Facts     []Fact
	Files     []FileView
	Tracks    []Track
	OnPaper   []string // recipients of a paper document
	Meter     *Meter
	Filing    *Filing
}

func (s *site) outgoingOne(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.Out)
	if err != nil {
		return err
	}
	view := s.sentView(ctx, v, d)
	if v.r.URL.Query().Get("xong") != "" {
		view.Done = v.t("web.sent.done", i18n.Args{"time": v.clock(d.Created)})
	}
	return s.render(v, "sent", view, http.StatusOK)
}

func (s *site) sentView(ctx context.Context, v *visit, d office.Document) SentView {
	title := joinDots(symbol(d), d.Subject)
	view := SentView{Page: s.page(ctx, v, title, "/van-ban-di"), Base: boxPath(d), Subject: d.Subject,
		Urgent: v.urgent(d.Urgency), State: v.stateTag(d.State), Facts: v.facts(d)}
	view.Path = view.Base
	view.Filing = s.filing(ctx, v, d.ID)
	if may, err := s.mayRead(ctx, v, d); err != nil {
		s.Logger.Error("ask who may read", "error", err)
	} else {
		view.CanRead = may
	}
	view.Frozen, view.Links, view.TakeBack, view.MaxReason = v.frozen(d), v.links(d), v.takeBack(d), maxReason
	if d.Medium == office.Paper {
		for _, r := range d.To {
			view.OnPaper = append(view.OnPaper, joinDots(r.Name, r.Code))
		}
	} else if view.CanSend && d.State != office.Withdrawn {
		view.Replace = "/gui?" + changeReplace + "=" + d.ID.String()
		if d.State != office.Recalled {
			view.Update = "/gui?" + changeUpdate + "=" + d.ID.String()
		}
	}
	overTram := slices.ContainsFunc(d.To, func(r office.Recipient) bool { return r.Via == "" })
	if overTram && (d.State == office.Saved || d.State == office.Sending) {
		view.Meter = s.meter(v, d)
		view.State = view.Meter.Tag
	}
	if view.OnPaper == nil {
		view.Tracks = v.tracks(d, view.Meter)
	}
	for _, r := range d.To {
		if r.State == office.Returned || r.State == office.Failed {
			view.Reason = v.t("web.sent.bad."+string(r.State), i18n.Args{"who": partyName(r.Party), "reason": r.ReasonIn(v.lang)})
			if view.CanSend {
				view.Mend = "/gui?tu=" + d.ID.String()
			}
			break
		}
	}
	if view.CanRead {
		for _, a := range d.Attachments {
			view.Files = append(view.Files, FileView{Index: a.Index, Name: a.Name, Size: formatSize(v.lang, a.Size), SHA256: a.SHA256,
				Href: fmt.Sprintf("%s/tep/%d", view.Base, a.Index), Save: fmt.Sprintf("%s/tep/%d?tai=1", view.Base, a.Index)})
		}
	}
	return view
}

// slip is the sending slip: the tracks as one sheet of paper.
func (s *site) slip(ctx context.Context, v *visit) error {
	d, err := s.document(ctx, v, office.Out)
	if err != nil {
		return err
	}
	view := SlipView{SentView: s.sentView(ctx, v, d), Printed: formatFull(v.now)}
	paper := *v
	paper.now = time.Time{} // no day is today on paper: every time carries its date
	view.Tracks = paper.tracks(d, nil)
	view.Paper, view.Styles = true, s.some("paper.css")
	for _, a := range d.Attachments {
		view.Sheets = append(view.Sheets, FileView{Name: a.Name, Size: formatSize(v.lang, a.Size), SHA256: a.SHA256})
	}
	return s.render(v, "slip", view, http.StatusOK)
}

// SlipView is the sending slip.
type SlipView struct {
	SentView
	Printed string
	Sheets  []FileView
}
