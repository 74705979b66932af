package web

import (
	"net/url"
	"strings"
	"testing"

	"tram/agent/edxml"
	"tram/agent/office"
)

// TestADocumentFromOutsideSaysWhereItComesFrom reads its page and the lists in
// both languages, and that of a document that goes outside.
func TestADocumentFromOutsideSaysWhereItComesFrom(t *testing.T) {
	b := start(t, false, fixed)
	in := b.office.add(office.Document{
		Box: office.In, From: office.Party{Code: "G22", Name: "Văn phòng Chính phủ"}, To: []office.Recipient{{Party: us, State: office.Delivered}},
		Subject: "Chỉ đạo từ trung ương", Number: "77", State: office.Arrived, Created: b.office.now(), EdXMLID: "G22,2026/11/21,77/VPCP",
		Origin: &office.Origin{Via: "truc", Ref: "doc-9", Warnings: []edxml.Warning{{Code: edxml.WarnRecipient, Field: "To", Value: "H99"}}},
		Events: []office.Event{{Step: office.Delivered, Code: "01", At: b.office.now(), Learnt: b.office.now()}},
	}, "a.pdf", samplePDF("CHI DAO", 1, ""))
	out := b.office.add(office.Document{
		Box: office.Out, From: us, Subject: "Báo cáo trung ương", State: office.Saved, Created: b.office.now(),
		To: []office.Recipient{{Party: office.Party{Code: "G22", Name: "Văn phòng Chính phủ"}, State: office.AtHub, Via: "truc"}, {Party: directory[1], State: office.Saved}},
		Events: []office.Event{
			{Step: office.Saved, At: b.office.now(), Learnt: b.office.now(), Signer: us.Code, Evidence: office.EvidenceSeal},
			{Step: office.AtHub, Office: "G22", At: b.office.now(), Learnt: b.office.now(), Evidence: office.EvidenceForeign},
		},
	}, "b.pdf", samplePDF("BAO CAO", 1, ""))
	vi, en := b.as("lan"), b.as("lan")
	en.post("/ngon-ngu", url.Values{"lang": {"en"}})
	for _, c := range []struct {
		v          *browser
		path       string
		has, lacks []string
	}{
		{vi, boxPath(in), []string{"Đến qua trục “truc”, Trạm không xác minh được nơi gửi", "doc-9", "đơn vị này không có trong nơi nhận"},
			[]string{"Con dấu điện tử của nơi gửi", "gói tin nguyên vẹn", boxPath(in) + "/goi"}},
		{en, boxPath(in), []string{"Came over axis “truc”, sender not verified by Trạm", "this office is not among the recipients"}, []string{"package intact"}},
		{vi, "/van-ban-den", []string{"qua trục, chưa xác minh"}, nil},
		{en, "/van-ban-den", []string{"over an axis, not verified"}, nil},
		{vi, boxPath(out), []string{"qua trục “truc”", "Đã chuyển cho trục “truc”", "Trục cho biết; không có chữ ký để kiểm tra"}, nil},
		{en, boxPath(out), []string{"over axis “truc”", "Handed to axis “truc”", "The axis says so"}, nil},
	} {
		_, body := c.v.get(c.path)
		for _, want := range c.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %q", c.path, want)
			}
		}
		for _, bad := range c.lacks {
			if strings.Contains(body, bad) {
				t.Errorf("%s says %q", c.path, bad)
			}
		}
	}
	if res, _ := vi.post(boxPath(in)+"/tiep-nhan", nil); res.StatusCode != 422 {
		t.Errorf("accepted without asking the sender: %d", res.StatusCode)
	}
	if res, _ := vi.post(boxPath(in)+"/tiep-nhan", url.Values{"asked": {"1"}}); res.StatusCode != 303 {
		t.Errorf("not accepted after asking: %d", res.StatusCode)
	}
}
