package code

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/edxml"
	"tram/agent/i18n"
)

func TestStatusesHaveTheirNumbersAndNames(t *testing.T) {
	want := []string{
		"Mới đăng ký", "Được tiếp nhận", "Không được tiếp nhận", "Đang xử lý", "Yêu cầu bổ sung giấy tờ", "Yêu cầu thực hiện nghĩa vụ tài chính",
		"Công dân yêu cầu rút hồ sơ", "Dừng xử lý", "Đã xử lý xong", "Đã trả kết quả",
	}
	all := Statuses()
	if len(all) != len(want) {
		t.Fatalf("there are %d statuses", len(all))
	}
	for i, s := range all {
		if int(s) != i+1 || s.Text(i18n.Vietnamese) != want[i] || s.Text(i18n.English) == s.Text(i18n.Vietnamese) || strings.HasPrefix(s.Text(i18n.English), "dossier-status") {
			t.Errorf("status %d is %d, %q, %q", i+1, s, s.Text(i18n.Vietnamese), s.Text(i18n.English))
		}
		if again, err := ParseStatus(" " + s.String()); err != nil || again != s {
			t.Errorf("%q reads as %v, %v", s, again, err)
		}
	}
	for _, text := range []string{"", "0", "11", "-1", "1.5", "mười", "266"} {
		_, err := ParseStatus(text)
		refused(t, err, "dossier-code.status")
	}
	if Status(0).Text(i18n.Vietnamese) != "" || Status(42).Text(i18n.Vietnamese) != "42" {
		t.Error("what is no status has the name of one")
	}
}

func TestToEdXML(t *testing.T) {
	for _, c := range []struct {
		name   string
		status Status
		reason string
		before []Status
		code   edxml.StatusCode
		words  string
		silent bool
	}{
		{"registered", Registered, "", nil, "01", "", false},
		{"received", Received, "", []Status{Registered}, "03", "", false},
		{"refused", Refused, "không thuộc thẩm quyền", nil, "02", "không thuộc thẩm quyền", false},
		{"first processing is assigned", Processing, "", []Status{Registered, Received}, "04", "", false},
		{"then it is in progress", Processing, "", []Status{Received, Processing, Supplement}, "05", "", false},
		{"supplement", Supplement, "thiếu bản sao giấy khai sinh", nil, "05", "Yêu cầu bổ sung giấy tờ: thiếu bản sao giấy khai sinh", false},
		{"payment", Payment, " ", nil, "05", "Yêu cầu thực hiện nghĩa vụ tài chính", false},
		{"withdrawal", WithdrawalWish, "theo đơn", nil, "05", "Công dân yêu cầu rút hồ sơ: theo đơn", false},
		{"stopped", Stopped, "công dân rút hồ sơ", []Status{Processing}, "06", "Dừng xử lý: công dân rút hồ sơ", false},
		{"done", Done, "", []Status{Processing}, "06", "", false},
		{"returned after done is not told again", Returned, "", []Status{Processing, Done}, "", "", true},
		{"returned at once", Returned, "", []Status{Processing}, "06", "", false},
		{"done after it was stopped and resumed", Done, "", []Status{Stopped, Processing}, "06", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, tell, err := ToEdXML(c.status, c.reason, c.before...)
			if err != nil || tell == c.silent || r.Code != c.code || r.Description != c.words {
				t.Errorf("%+v, %v, %v", r, tell, err)
			}
		})
	}
	_, _, err := ToEdXML(Refused, "  ")
	refused(t, err, "dossier-code.no-reason")
	_, _, err = ToEdXML(11, "")
	refused(t, err, "dossier-code.status")
}

func TestFromEdXML(t *testing.T) {
	for _, c := range []struct {
		code    edxml.StatusCode
		synced  Status
		status  Status
		meaning Meaning
	}{
		{"01", 0, 0, Delivered}, {"02", 0, Refused, TurnedAway}, {"03", 0, Received, TakenOn}, {"04", 0, Processing, InProgress}, {"05", Supplement, Processing, InProgress},
		{"06", 0, Done, Completed}, {"06", Processing, Done, Completed}, {"06", Done, Done, Completed}, {"06", Stopped, Stopped, Completed}, {"06", Returned, Returned, Completed},
		{"13", 0, 0, AboutRecall}, {"15", 0, 0, AboutRecall}, {"16", 0, 0, AboutRecall},
		{"07", 0, 0, Unlisted}, {"", 0, 0, Unlisted}, {"99", Done, 0, Unlisted},
	} {
		if s, m := FromEdXML(c.code, c.synced); s != c.status || m != c.meaning {
			t.Errorf("%s with %d: %d, %d", c.code, c.synced, s, m)
		}
	}
}

func TestWhatIsToldMeansTheSameToTheSender(t *testing.T) {
	for _, s := range Statuses() {
		r, tell, err := ToEdXML(s, "lý do")
		if err != nil || !tell {
			t.Fatal(s, tell, err)
		}
		want := map[Status]Status{Registered: 0, Supplement: Processing, Payment: Processing, WithdrawalWish: Processing}
		expect, lossy := want[s]
		if !lossy {
			expect = s
		}
		if got, _ := FromEdXML(r.Code, s); got != expect {
			t.Errorf("%d is told as %s, which means %d", s, r.Code, got)
		}
	}
}

func TestOpenCPS(t *testing.T) {
	m := OpenCPS()
	for word, want := range map[string]Status{
		"new": 1, "receiving": 1, "waiting": 5, "processing": 4, "pausing": 5, "posting": 4, "correcting": 4, "cancelling": 7, "releasing": 9,
		"denied": 3, "unresolved": 8, "cancelled": 8, "done": 10, "interoperating": 4, " DONE ": 10,
	} {
		if got, err := m.Status(word); err != nil || got != want {
			t.Errorf("%s is %d, %v", word, got, err)
		}
	}
	for _, s := range Statuses() {
		if word, err := m.Word(s); err != nil || word == "" {
			t.Errorf("%d has no word: %v", s, err)
		}
	}
	raw, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadMapping(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if raw2, err := again.Encode(); err != nil || !bytes.Equal(raw, raw2) {
		t.Errorf("it reads back as\n%s", raw2)
	}
}

func TestMappingOfAnotherMaker(t *testing.T) {
	m, err := ReadMapping(strings.NewReader(`{"format":"tram-dossier-statuses/1","system":"Một cửa ABC",
		"read":[{"word":"Cho\u031b\u0300 bổ sung","status":5},{"word":"Đang giải quyết","status":4}],"write":[{"word":"Đang giải quyết","status":4}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := m.Status("CHỜ BỔ SUNG"); err != nil || s != Supplement {
		t.Errorf("%d, %v", s, err)
	}
	_, err = m.Status("Đã huỷ")
	refused(t, err, "dossier-mapping.unknown")
	if text := err.Error(); !strings.Contains(text, "Đã huỷ") {
		t.Errorf("it does not name the word: %s", text)
	}
	_, err = m.Word(Done)
	refused(t, err, "dossier-mapping.silent")
}

// mappings that are refused, and what the reason names.
var badMappings = []struct{ name, file, why string }{
	{"empty", ``, "EOF"},
	{"no object", `[]`, "array"},
	{"another format", `{"format":"tram-dossier-statuses/2","system":"x","read":[{"word":"a","status":1}]}`, "statuses/2"},
	{"unknown field", `{"format":"tram-dossier-statuses/1","system":"x","reads":[]}`, "reads"},
	{"no system", `{"format":"tram-dossier-statuses/1","read":[{"word":"a","status":1}]}`, "name"},
	{"no words", `{"format":"tram-dossier-statuses/1","system":"x"}`, "neither"},
	{"word twice", `{"format":"tram-dossier-statuses/1","system":"x","read":[{"word":"a","status":1},{"word":"A","status":2}]}`, "twice"},
	{"status twice", `{"format":"tram-dossier-statuses/1","system":"x","write":[{"word":"a","status":1},{"word":"b","status":1}]}`, "twice"},
	{"no such status", `{"format":"tram-dossier-statuses/1","system":"x","read":[{"word":"a","status":11}]}`, "11"},
	{"status as text", `{"format":"tram-dossier-statuses/1","system":"x","read":[{"word":"a","status":"1"}]}`, "status"},
	{"empty word", `{"format":"tram-dossier-statuses/1","system":"x","read":[{"word":" ","status":1}]}`, "word"},
	{"long word", `{"format":"tram-dossier-statuses/1","system":"x","read":[{"word":"` + strings.Repeat("a", MaxWord+1) + `","status":1}]}`, "word"},
	{"two objects", `{"format":"tram-dossier-statuses/1","system":"x","read":[{"word":"a","status":1}]} {}`, "behind"},
	{"not UTF-8", "{\"format\":\"\xff\"}", "UTF-8"},
	{"too long", `{"format":"` + strings.Repeat(" ", MaxMapping) + `"}`, "bytes"},
	{"too many", `{"format":"tram-dossier-statuses/1","system":"x","read":[` + strings.Repeat(`{"word":"a","status":1},`, MaxWords) + `{"word":"a","status":1}]}`, "more than"},
}

func TestMappingsThatAreRefused(t *testing.T) {
	for _, c := range badMappings {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadMapping(strings.NewReader(c.file))
			refused(t, err, "dossier-mapping.file")
			if !strings.Contains(err.Error(), c.why) {
				t.Errorf("it does not say why: %v", err)
			}
		})
	}
}

func FuzzMapping(f *testing.F) {
	for _, c := range badMappings[:len(badMappings)-2] {
		f.Add([]byte(c.file))
	}
	raw, err := OpenCPS().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ReadMapping(bytes.NewReader(raw))
		if err != nil {
			return
		}
		first, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadMapping(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("what was written is refused: %v", err)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("it reads back as another one: %v", err)
		}
	})
}

func TestP12_TheReadmeShowsAMapping(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(raw), "```json\n{\n  \"format\": \""+mappingFormat)
	block, _, _ = strings.Cut(block, "```")
	m, err := ReadMapping(strings.NewReader("{\"format\": \"" + mappingFormat + block))
	if err != nil {
		t.Fatal(err)
	}
	if s, err := m.Status("chờ bổ sung"); err != nil || s != Supplement {
		t.Errorf("%d, %v", s, err)
	}
}

func TestMessagesThatCarryADossier(t *testing.T) {
	const own, old = "H40.12-261120-0042", "000.00.04.H40-230414-0002"
	for name, c := range map[string]struct {
		number, notation, application, reference, want string
	}{
		"as OpenCPS writes it":               {number: own, application: "MCDT_DT", reference: own, want: own},
		"with a notation":                    {number: own, notation: "MCDT", application: "mcdt_dt ", want: own},
		"the old form":                       {number: old, application: "MCDT_DT", want: old},
		"the reference alone, said to be so": {number: "15", notation: "UBND-VP", application: "MCDT_DT", reference: own, want: own},
		"a number that is a code":            {number: own, want: own},
		"a document that refers to one":      {number: "15", notation: "UBND-VP", reference: own},
		"a document":                         {number: "15", notation: "UBND-VP"},
		"another application":                {number: "15", notation: "UBND-VP", application: "VBDH"},
		"a code that is none":                {number: "HS-1", application: "MCDT_DT", reference: "HS-1"},
	} {
		d := &edxml.Document{Code: edxml.Code{Number: c.number, Notation: c.notation}, ApplicationType: c.application, Other: edxml.Other{ReferenceCodes: c.reference}}
		got, ok := Carried(d)
		if got.String() != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q %v", name, got, ok)
		}
		if !ok {
			continue
		}
		written := &edxml.Document{}
		Carry(written, got, "id")
		if again, _ := Carried(written); again != got || written.Code.Notation == "" || written.ID != "id" {
			t.Errorf("%s: written as %+v", name, written)
		}
	}
}
