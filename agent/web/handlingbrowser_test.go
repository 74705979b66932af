package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tram/agent/handling"
	"tram/agent/office"
	"tram/agent/web/webtest"
)

// handled are documents in every state of their handling, by a name.
func handled(t *testing.T, b *box) seeded {
	ctx := t.Context()
	docs := seeded{
		"none": b.accepted("Mời họp giao ban tuần 48", office.Thuong), "submitted": b.accepted("Triển khai phòng chống rét đậm, rét hại cho đàn vật nuôi trên địa bàn", office.Khan),
		"named": b.led("Rà soát hộ nghèo năm 2026", "staff", "2026-11-30", false), "open": b.led("Kiểm tra hành lang an toàn đê điều trước mùa lũ", "staff", "2026-11-24", true),
		"late": b.led("Báo cáo số liệu dân cư", "staff", "2026-11-21", true), "free": b.led("Phối hợp tuyên truyền an toàn giao thông", "staff", "", true),
		"done": b.led("Lấy ý kiến dự thảo quy chế phối hợp", "staff", "2026-12-01", true), "recalled": b.led("Văn bản gửi nhầm", "staff", "2026-11-25", true),
	}
	noError(t, b.handling.Submit(ctx, docs["submitted"].ID, someone("leader"), asLan, 0))
	part := b.work(docs["open"].ID).Parts[0].ID
	noError(t, b.handling.Progress(ctx, docs["open"].ID, part, "Đã kiểm tra 2/3 tuyến; còn tuyến Nà Hẩu.", asStaff))
	noError(t, b.handling.HandOn(ctx, docs["done"].ID, b.work(docs["done"].ID).Parts[0].ID, handling.Assignee{Name: "Tổ Tư pháp – Hộ tịch"}, "Tổ làm trực tiếp", asStaff, 0))
	list := b.work(docs["done"].ID).Parts
	noError(t, b.handling.Finish(ctx, docs["done"].ID, list[len(list)-1].ID, "Đã góp ý bằng văn bản số 41/UBND-VP.", asLan, 0))
	noError(t, b.handling.Tell(ctx))
	b.office.change(func() {
		d, err := b.office.find(docs["recalled"].ID)
		noError(t, err)
		d.State = office.Recalled
		for name, link := range map[string]office.Link{"done": {Kind: office.AnsweredBy, ID: b.docs["delivered"].ID, Box: office.Out, Symbol: "41/UBND-VP", Subject: "V/v góp ý dự thảo"}} {
			d, err := b.office.find(docs[name].ID)
			noError(t, err)
			d.Links = append(d.Links, link)
		}
	})
	return docs
}

// TestHandlingFitsBothWindowsInBothLanguages, for everybody who sees it.
func TestHandlingFitsBothWindowsInBothLanguages(t *testing.T) {
	t.Parallel()
	b := start(t, false, fixed)
	docs := handled(t, b)
	pages := map[string]map[string]string{
		"lan": {"work": "/viec-can-lam", "mine-none": "/viec-cua-toi", "standin": "/giao-lai", "send-reply": "/gui?tra-loi=" + docs["open"].ID.String(),
			"switch": "/dang-nhap?doi=1&tiep=%2Fvan-ban-den&ten=leader"},
		"leader": {"submitted": boxPath(docs["submitted"])},
		"staff":  {"work": "/viec-can-lam", "mine": "/viec-cua-toi", "open": boxPath(docs["open"]), "none": boxPath(docs["none"])},
		"it":     {"open": boxPath(docs["open"])},
	}
	for _, name := range []string{"none", "named", "open", "done", "recalled"} {
		pages["lan"][name] = boxPath(docs[name])
	}
	for _, width := range webtest.Widths() {
		c := browse(t, b, width, 768)
		for _, role := range []string{"lan", "leader", "staff", "it"} {
			c.signIn(role)
			for _, lang := range webtest.Languages(width) {
				c.Language(lang)
				for name, path := range pages[role] {
					c.Open(path)
					webtest.Value(c.Browser, chromedp.Evaluate[chromedp.Void](`void document.querySelectorAll('.handling details').forEach(d => d.open = true)`))
					c.Look(fmt.Sprintf("handling-%s-%s", name, role))
				}
			}
			c.Language("vi")
			c.Open("/") // the last page may be that of changing over, which has nobody to sign out
			c.Enter("[action='/dang-xuat'] button")
		}
		c.See("handling-signin", "/dang-nhap")
		c.Quiet()
	}
}

// TestWorkGoesFromHandToHandByKeyboard: the leader takes over with Alt+U, instructs,
// and the holder finishes.
func TestWorkGoesFromHandToHandByKeyboard(t *testing.T) {
	b := start(t, false, fixed)
	d := b.accepted("Báo cáo tình hình thiên tai", office.Thuong)
	noError(t, b.handling.Submit(t.Context(), d.ID, someone("leader"), asLan, 0))
	c := browse(t, b, 1366, 768)
	c.signIn("lan")
	c.Open(boxPath(d))
	c.Leave(chromedp.KeyEvent("u", chromedp.KeyModifiers(chromedp.ModifierAlt)))
	c.Enter(".people a[href*='ten=leader']")
	c.Until("the password has the focus", "document.activeElement.id === 'password'", nil, "true")
	c.Leave(chromedp.KeyEvent(password + "\r"))
	if got := webtest.Value(c.Browser, chromedp.Location()); !strings.HasSuffix(got, boxPath(d)) {
		t.Fatalf("the leader comes to %s", got)
	}
	c.Do(webtest.Typed("#but-phe-instruction", "Giao Phòng tham mưu."), chromedp.SetValue(css("#but-phe-lead"), "staff"), webtest.Typed("#but-phe-deadline", "31/02/2026"))
	c.Enter("[action$='/but-phe'] .btn")
	if got := c.Text("#errors"); !strings.Contains(got, "Hạn giải quyết phải là ngày") {
		t.Errorf("mistakes: %q", got)
	}
	c.Accessible("mistakes in an instruction")
	c.Shot("handling-mistakes-leader-vi-1366")
	c.Do(chromedp.SetValue(css("#but-phe-deadline"), "251126"))
	c.Enter("[action$='/but-phe'] .btn")
	if w := b.work(d.ID); w.State != handling.Open || w.Due != "2026-11-25" || w.Instruction.Text != "Giao Phòng tham mưu." {
		t.Fatalf("%+v", w)
	}
	c.Enter("[action='/dang-xuat'] button")
	c.signIn("staff")
	c.Enter(".tasks .open")
	c.Do(webtest.Typed("[name=progress]", "Đang gõ dở"))
	c.Open(boxPath(d)) // the browser was closed meanwhile: the note is still there
	if got := webtest.Value(c.Browser, chromedp.Value(css("[name=progress]"))); got != "Đang gõ dở" {
		t.Errorf("what was typed is gone: %q", got)
	}
	c.Do(webtest.Typed("[name=result]", "Đã báo cáo."))
	c.Enter("[action$='/xong'] .btn")
	if got := c.Text("#xu-ly"); !strings.Contains(got, "Đã xong") {
		t.Errorf("after finishing: %q", got)
	}
	c.Quiet()
}
