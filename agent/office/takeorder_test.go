package office

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tram/agent/edxml"
	"tram/storage"
	"tram/storage/sqlite"
)

var foreignPDF = encoded([]byte("%PDF-1.4"))

// foreignOrder is a message of G22 with an operation and what belongs to it.
func foreignOrder(id, operation, more string) string {
	return strings.Replace(plainly(foreign("G22", organs("H40.12"), id, "a.pdf", foreignPDF)),
		"<e:BussinessDocType>44</e:BussinessDocType>", "<e:BussinessDocType>"+operation+"</e:BussinessDocType>"+more, 1)
}

// foreignRecalls are the two forms in which an order to cancel D-1 comes over an
// axis, and the update that removes this office.
func foreignRecalls(w *world) map[string]string {
	return map[string]string{
		"status 13": statusFrom("G22", "D-1", "13", "Gửi nhầm", w.clock),
		"document":  foreignOrder("D-2", "1", "<e:BussinessDocReason>Gửi nhầm</e:BussinessDocReason><e:DocumentId>D-1</e:DocumentId>"),
		"removal": foreignOrder("D-2", "2", `<e:BussinessDocReason>Gửi nhầm</e:BussinessDocReason><e:DocumentId>D-1</e:DocumentId>
			<e:BussinessDocumentInfo><e:DocumentInfo>0</e:DocumentInfo><e:DocumentReceiver>1</e:DocumentReceiver><e:ReceiverList>
			<e:Receiver><e:ReceiverType>0</e:ReceiverType><e:OrganId>H40.12</e:OrganId></e:Receiver></e:ReceiverList></e:BussinessDocumentInfo>`),
	}
}

func (n *node) document1() storage.ID {
	n.w.t.Helper()
	got := n.takeIn("d-1", plainly(foreign("G22", organs("H40.12"), "D-1", "a.pdf", foreignPDF)))
	if !got.New {
		n.w.t.Fatalf("%+v", got)
	}
	return got.Document
}

// codesFor lists the statuses that the feed gives to a connector.
func (n *node) codesFor(via string) string {
	n.w.t.Helper()
	entries, _, err := n.Feed(n.w.t.Context(), "", 0)
	if err != nil {
		n.w.t.Fatal(err)
	}
	var codes []string
	for _, e := range entries {
		if slices.Contains(e.Via, via) && e.Code != "" {
			codes = append(codes, string(e.Code))
		}
	}
	return strings.Join(codes, " ")
}

// TestP7_AForeignRecallWaitsForAPerson holds that an order without a seal
// cancels nothing by itself, and that a person's answer goes back the same way.
func TestP7_AForeignRecallWaitsForAPerson(t *testing.T) {
	for form := range foreignRecalls(&world{clock: time.Now()}) {
		for _, accepted := range []bool{false, true} {
			for _, agreed := range []bool{false, true} {
				t.Run(form, func(t *testing.T) {
					w, a := outsideWorld(t)
					id := a.document1()
					codes := "01"
					if accepted {
						if _, err := a.Accept(t.Context(), id, "vanthu"); err != nil {
							t.Fatal(err)
						}
						codes += " 03"
					}
					message := foreignRecalls(w)[form]
					for _, ref := range []string{"r-1", "r-1", "r-2"} {
						if got := a.takeIn(ref, message); got.Aside != nil || got.Document != id {
							t.Fatalf("%s: %+v", ref, got)
						}
					}
					d := a.get(id)
					if r := d.Request; r == nil || r.Kind != AskRecall || r.State != RequestPending || r.Reason != "Gửi nhầm" || r.From != "G22" || d.State == Recalled {
						t.Fatalf("state %s, request %+v", d.State, r)
					}
					if n := len(a.inbox()); n != 1 {
						t.Errorf("%d documents in the inbox: the order is none", n)
					}
					want, err := Recalled, error(nil)
					if agreed {
						_, err = a.Grant(t.Context(), id, "vanthu")
					} else {
						want = d.State
						_, err = a.Refuse(t.Context(), id, "Đã vào sổ", "vanthu")
					}
					if d = a.get(id); err != nil || d.State != want {
						t.Errorf("answered: %s %v", d.State, err)
					}
					codes += strings.Repeat(" 13", strings.Count(codesOf(d), "13"))
					codes += map[bool]string{true: " 15", false: " 16"}[agreed]
					if got := a.codesFor("truc"); got != codes {
						t.Errorf("the connector is told %q, want %q", got, codes)
					}
					w.audited()
				})
			}
		}
	}
}

func TestP7_OnlyTheSenderOfAForeignDocumentTakesItBack(t *testing.T) {
	w, a := outsideWorld(t)
	id := a.document1()
	for form, message := range foreignRecalls(w) {
		for _, c := range []struct{ via, from string }{{"truc", "G09"}, {"truc", "H40.15"}, {"khac", "G22"}} {
			got, err := a.TakeIn(t.Context(), Foreign{Via: c.via, Ref: form + c.via + c.from, Body: strings.NewReader(strings.ReplaceAll(message, "G22", c.from))})
			if err != nil || got.Aside == nil {
				t.Errorf("%s of %s over %s: %+v %v", form, c.from, c.via, got, err)
			}
		}
	}
	if d := a.get(id); d.Request != nil || d.State != Arrived {
		t.Errorf("%s %+v", d.State, d.Request)
	}
}

// TestP2_AForeignRecallMayComeFirst holds that an order waits for its document,
// also over a crash between the two.
func TestP2_AForeignRecallMayComeFirst(t *testing.T) {
	for form := range foreignRecalls(&world{clock: time.Now()}) {
		t.Run(form, func(t *testing.T) {
			w, a := outsideWorld(t)
			if got := a.takeIn("r-1", foreignRecalls(w)[form]); got.Aside == nil || got.Aside.Key != noDocumentKey {
				t.Fatalf("%+v", got)
			}
			d := a.get(a.document1())
			if r := d.Request; r == nil || r.State != RequestPending {
				t.Errorf("%+v", d.Request)
			}
			if left := must(a.SetAside(t.Context())); len(left) != 0 {
				t.Errorf("left %+v", left)
			}
		})
	}
}

func TestP2_WhatWaitedForADocumentIsTakenInAfterACrash(t *testing.T) {
	w, a := outsideWorld(t)
	if got := a.takeIn("r-1", foreignRecalls(w)["status 13"]); got.Aside == nil {
		t.Fatalf("%+v", got)
	}
	a.renameAside("nobody") // the crash: filing the document does not find it
	id := a.document1()
	if d := a.get(id); d.Request != nil {
		t.Fatalf("%+v", d.Request)
	}
	a.renameAside("G22")
	a.restart()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var ended sync.WaitGroup
	ended.Go(func() { _ = a.Run(ctx) })
	for a.get(id).Request == nil && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	stop()
	ended.Wait()
	if r := a.get(id).Request; r == nil || r.State != RequestPending {
		t.Errorf("after the restart: %+v", r)
	}
}

// renameAside changes whose the messages in quarantine are.
func (n *node) renameAside(sender string) {
	n.w.t.Helper()
	err := n.db.Update(n.w.t.Context(), func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE quarantine SET sender = ?`, sender)
		return err
	})
	if err != nil {
		n.w.t.Fatal(err)
	}
}

func TestForeignUpdatesAndReplacementsAreLinked(t *testing.T) {
	for name, message := range map[string]string{
		"updated-by":  foreignOrder("D-2", "2", "<e:BussinessDocReason>Sửa số liệu</e:BussinessDocReason><e:DocumentId>D-1</e:DocumentId>"),
		"replaced-by": foreignOrder("D-2", "3", "<e:BussinessDocReason>Thay thế</e:BussinessDocReason><e:ReplacementInfoList><e:ReplacementInfo><e:DocumentId>D-1</e:DocumentId></e:ReplacementInfo></e:ReplacementInfoList>"),
	} {
		for _, first := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				_, a := outsideWorld(t)
				var id, later storage.ID
				if first {
					later = a.takeIn("d-2", message).Document
				}
				id = a.document1()
				if !first {
					later = a.takeIn("d-2", message).Document
				}
				d, l := a.get(id), a.get(later)
				if len(d.Links) != 1 || string(d.Links[0].Kind) != name || d.Links[0].ID != later || len(l.Links) != 1 || l.Links[0].ID != id {
					t.Fatalf("%+v, %+v", d.Links, l.Links)
				}
				if update := name == "updated-by"; update != (l.Request != nil) {
					t.Errorf("request %+v", l.Request)
				}
				if l.Request == nil {
					return
				}
				if l, err := a.Grant(t.Context(), later, "vanthu"); err != nil || l.Request.State != RequestGranted || !strings.HasSuffix(a.codesFor("truc"), string(edxml.StatusAgreed)) {
					t.Errorf("%+v %v %s", l.Request, err, a.codesFor("truc"))
				}
			})
		}
	}
}
