package office

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/edxml"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/storage"
)

// axis is a connector's list of whom it reaches.
type axis map[string]string

func (a axis) Route(code string) (via string, p Party, ok bool, err error) {
	for known, name := range a {
		if strings.EqualFold(known, code) {
			return "truc", Party{known, name}, true, nil
		}
	}
	return "", Party{}, false, nil
}

// outsideWorld is an office of Trạm that also reaches a ministry over an axis.
func outsideWorld(t testing.TB) (*world, *node) {
	t.Helper()
	w := newWorld(t, "H40.12", "H40.15")
	a := w.offices["H40.12"]
	a.Reach(axis{"G22": "Văn phòng Chính phủ", "G09": "Bộ Tài chính"})
	return w, a
}

func draftTo(codes ...string) Draft {
	return Draft{To: codes, Subject: "Về việc báo cáo thu chi", Files: []Upload{{Name: "báo cáo.pdf", Body: strings.NewReader("%PDF-1.4 x")}}, By: "vanthu"}
}

func (n *node) states(id storage.ID) string {
	var all []string
	for _, r := range n.get(id).To {
		all = append(all, r.Code+"="+string(r.State))
	}
	return strings.Join(all, " ")
}

// statusFrom is a status as it comes over an axis.
func statusFrom(from, document, code, text string, at time.Time) string {
	raw := must(encodeStatus(&edxml.Status{
		From:        edxml.Organ{ID: from, Name: "Bộ", InCharge: "Bộ", Address: "x", Email: "x", Telephone: "x", Fax: "x", Website: "x"},
		ResponseFor: edxml.ResponseFor{OrganID: "H40.12", Code: "01/UBND", Date: edxml.DateOf(at), DocumentID: document},
		Staff:       edxml.Staff{Department: "Văn thư", Name: "A", Mobile: "1", Email: "a@b"},
		Code:        edxml.StatusCode(code), Description: text, Time: at,
	}))
	return string(raw)
}

func (n *node) takeIn(ref, message string) Taken {
	n.w.t.Helper()
	t, err := n.TakeIn(n.w.t.Context(), Foreign{Via: "truc", Ref: ref, Name: ref, Body: strings.NewReader(message)})
	if err != nil {
		n.w.t.Fatal(err)
	}
	return t
}

func TestP3_OfficesOutsideOfTramAreSentToThroughTheirConnector(t *testing.T) {
	w, a := outsideWorld(t)
	doc := a.send(draftTo("g22", "H40.15"))
	if got := a.states(doc.ID); got != "G22=saved H40.15=saved" || doc.To[0].Via != "truc" || doc.To[0].Name != "Văn phòng Chính phủ" {
		t.Fatalf("saved: %s %+v", got, doc.To)
	}
	entries, _, err := a.Feed(t.Context(), "", 0)
	if err != nil || len(entries) != 1 || !slices.Equal(entries[0].Via, []string{"truc"}) {
		t.Fatalf("feed: %+v %v", entries, err)
	}
	w.deliver()
	if got := a.states(doc.ID); got != "G22=saved H40.15=delivered" {
		t.Fatalf("after the hub: %s", got)
	}
	if err := a.Handed(t.Context(), doc.ID, "truc", "d-1"); err != nil {
		t.Fatal(err)
	}
	if err := a.Handed(t.Context(), doc.ID, "truc", "d-1"); err != nil {
		t.Fatal(err)
	}
	if got := a.states(doc.ID); got != "G22=hub H40.15=delivered" {
		t.Fatalf("handed over: %s", got)
	}
	for _, s := range []struct{ ref, code, want string }{{"s1", "01", "delivered"}, {"s2", "03", "accepted"}, {"s3", "01", "accepted"}, {"s4", "06", "accepted"}} {
		if got := a.takeIn(s.ref, statusFrom("G22", doc.EdXMLID, s.code, "Số đến 77", w.clock)); !got.New || got.Document != doc.ID || got.Aside != nil {
			t.Fatalf("status %s: %+v", s.code, got)
		}
		if got := a.get(doc.ID).To[0].State; string(got) != s.want {
			t.Errorf("after %s: %s", s.code, got)
		}
	}
	if got := a.get(doc.ID); got.To[0].Number != "77" || got.State != Delivered {
		t.Errorf("at the end: %+v", got.To)
	}
	before := len(a.get(doc.ID).Events)
	if got := a.takeIn("s2", statusFrom("G22", doc.EdXMLID, "03", "Số đến 77", w.clock)); got.New {
		t.Error("P2: a status is taken twice")
	}
	a.takeIn("s5", statusFrom("G22", doc.EdXMLID, "03", "Số đến 77", w.clock))
	if after := len(a.get(doc.ID).Events); after != before {
		t.Errorf("P2: %d events, then %d", before, after)
	}
	for _, e := range a.get(doc.ID).Events {
		if e.Office == "G22" && (e.Signer != "" || e.Evidence != EvidenceForeign) {
			t.Errorf("%s of G22 looks signed: %+v", e.Step, e)
		}
	}
}

func TestADocumentForOutsideAloneHasNoBundle(t *testing.T) {
	w, a := outsideWorld(t)
	doc := a.send(draftTo("G22"))
	if n := w.relay(); n != 0 {
		t.Errorf("%d bundles for a document that Trạm does not carry", n)
	}
	var container, message bytes.Buffer
	if err := errors.Join(a.Export(t.Context(), doc.ID, &container), a.ExportEdXML(t.Context(), doc.ID, &message)); err != nil {
		t.Fatal(err)
	}
	full, err := edxml.Read(&message, edxml.ReadOptions{})
	if err != nil || full.Message.(*edxml.Document).To[0].ID != "G22" || len(full.Attachments) != 1 {
		t.Errorf("message: %+v %v", full, err)
	}
	mixed := a.send(draftTo("G22", "H40.15"))
	message.Reset()
	if err := a.ExportFor(t.Context(), mixed.ID, "truc", &message); err != nil {
		t.Fatal(err)
	}
	full, err = edxml.Read(&message, edxml.ReadOptions{})
	if to := full.Message.(*edxml.Document).To; err != nil || len(to) != 1 || to[0].ID != "G22" || len(full.Attachments) != 1 {
		t.Errorf("for the axis: %+v %v", to, err)
	}
	a.restart()
	if got := a.states(doc.ID); got != "G22=saved" {
		t.Errorf("P1: after a restart %s", got)
	}
	w.audited()
}

func TestP3_WhatTheAxisNeverBringsFailsAtTheEndOfItsLifetime(t *testing.T) {
	w, a := outsideWorld(t)
	mixed, alone := a.send(draftTo("G22", "H40.15")), a.send(draftTo("G22", "G09"))
	w.deliver()
	if err := a.Handed(t.Context(), alone.ID, "truc", "d-1"); err != nil {
		t.Fatal(err)
	}
	a.takeIn("s1", statusFrom("G09", alone.EdXMLID, "01", "", w.clock))
	w.clock = w.clock.Add(DefaultLifetime - time.Minute)
	a.round(t.Context())
	if got := a.states(mixed.ID) + " " + a.states(alone.ID); got != "G22=saved H40.15=delivered G22=hub G09=delivered" {
		t.Fatalf("before the end: %s", got)
	}
	w.clock = w.clock.Add(2 * time.Minute)
	a.round(t.Context())
	if got := a.states(mixed.ID) + " " + a.states(alone.ID); got != "G22=failed H40.15=delivered G22=failed G09=delivered" {
		t.Fatalf("at the end: %s", got)
	}
	if got := a.get(mixed.ID); got.State != Failed || got.To[0].Why == nil {
		t.Errorf("the sender is not told: %+v", got)
	}
}

func TestWhatTheAxisRefusesFailsAndMayGoAgain(t *testing.T) {
	_, a := outsideWorld(t)
	doc := a.send(draftTo("G22", "G09"))
	why := i18n.Say("office.foreign.large", i18n.Args{"limit": "1 GB"})
	for range 2 {
		if err := a.Unreached(t.Context(), doc.ID, "truc", []string{"g22"}, why); err != nil {
			t.Fatal(err)
		}
	}
	if got := a.get(doc.ID); a.states(doc.ID) != "G22=failed G09=saved" || got.State != Failed || got.To[0].ReasonIn(i18n.English) != why.Text(i18n.English) {
		t.Fatalf("%s: %+v", a.states(doc.ID), got.To)
	}
	if err := a.Handed(t.Context(), doc.ID, "truc", "d-9"); err != nil {
		t.Fatal(err)
	}
	if got := a.states(doc.ID); got != "G22=hub G09=hub" {
		t.Errorf("handed over after all: %s", got)
	}
	if err := a.Handed(t.Context(), storage.ID{1}, "truc", "x"); problem.From(err).Class != problem.NotFound {
		t.Errorf("a document that is not there: %v", err)
	}
}

func TestUnknownRecipientsStayUnknown(t *testing.T) {
	_, a := outsideWorld(t)
	for _, code := range []string{"G99", "H40"} {
		if _, err := a.Send(t.Context(), draftTo(code)); err == nil {
			t.Errorf("%s can be sent to", code)
		}
	}
	if doc := a.send(draftTo("H40.15")); doc.To[0].Via != "" {
		t.Error("an office of Trạm goes over the axis")
	}
}
