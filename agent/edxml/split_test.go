package edxml

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"tram/agent/problem"
)

// carrying returns a message with the given Attachment elements.
func carrying(t testing.TB, attachments ...string) string {
	t.Helper()
	text := string(sample(t, "messages/document-plain.edxml"))
	start, end := strings.Index(text, "    <Attachment>"), strings.Index(text, "  </AttachmentEncoded>")
	return text[:start] + strings.Join(attachments, "") + text[end:]
}

const contentStart, contentEnd = `<Attachment><ContentId>a-0</ContentId><AttachmentName>t&#7879;p &amp; 1.txt</AttachmentName><ContentTransferEncoded>`, `</ContentTransferEncoded></Attachment>`

func TestContentsAreTakenOut(t *testing.T) {
	hello := base64.StdEncoding.EncodeToString([]byte("xin chào"))
	cases := []struct{ name, content, want, skeleton string }{
		{"on one line", hello, "xin chào", ""},
		{"in lines", " \n" + hello[:5] + "\r\n\t" + hello[5:] + "\n", "xin chào", ""},
		{"nothing", "", "", ""},
		{"byte order mark", byteOrderMark + hello, "xin chào", ""},
		{"character references", hello[:4] + "&#13;&#xA;&#" + "49;" + "MTE=", "", ""},
		{"CDATA", "<![CDATA[" + hello + "]]>", "xin chào", ""},
		{"comment between", hello[:3] + "<!-- <a> ]]> -->" + hello[3:], "xin chào", "<!-- <a> ]]> -->"},
		{"instruction between", hello[:3] + "<?x <y> ?>" + hello[3:], "xin chào", "<?x <y> ?>"},
		{"element between", hello[:3] + `<e a=">" b='"/>'>text</e><f/>` + hello[3:], "xin chào", `<e a=">" b='"/>'>text</e><f/>`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := carrying(t, contentStart+c.content+contentEnd)
			stage := &staging{}
			s, err := split(iotest.OneByteReader(strings.NewReader(text)), ReadOptions{Stage: stage})
			if err != nil || len(s.places) != 1 {
				t.Fatalf("%d places, %v", len(s.places), err)
			}
			if want := carrying(t, contentStart+c.skeleton+contentEnd); string(s.skeleton) != want {
				t.Errorf("skeleton\n%s", s.skeleton)
			}
			if c.want != "" && (s.places[0].content.bad || stage.contents[0].String() != c.want) {
				t.Errorf("content %q, bad %v", stage.contents[0].String(), s.places[0].content.bad)
			}
		})
	}
}

// TestContentsThatAreNoBase64: the message is refused, by the name of the
// attachment.
func TestContentsThatAreNoBase64(t *testing.T) {
	for name, content := range map[string]string{
		"other letters": "AAA*", "URL alphabet": "AA-_", "cut": "AAAAA", "without padding": "AA", "padding in the middle": "AA==AAAA",
		"padding alone": "====", "unknown reference": "AAA&amp;", "letter by a high reference": "AAA&#x141;", "reference without end": "AAA&#65",
		"long reference": "AAA&#0000000000065;", "reference over a comment": "AAA&#6<!-- -->5;", "reference into CDATA": "AAA&#6<![CDATA[5;]]>",
		"reference in CDATA": "<![CDATA[AAA&#65;]]>", "bracket in CDATA": "<![CDATA[AAAA]AAA]]>", "half a byte order mark": "\xEF\xBBAAAA",
		"end of a byte order mark": "AAAA\xEF\xBB", "not UTF-8": "AAA\xFF", "byte order mark in two": "\xEF<!-- -->\xBB\xBFAAAA", "zero byte": "AAA&#0;",
	} {
		_, err := Read(strings.NewReader(carrying(t, contentStart+content+contentEnd)), ReadOptions{})
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != "edxml.undecodable" || p.Args["name"] != "tệp & 1.txt" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestContentsAreNumberedAsTheTreeDoes(t *testing.T) {
	one := func(s string) string {
		return contentStart + base64.StdEncoding.EncodeToString([]byte(s)) + contentEnd
	}
	text := carrying(t,
		`<!-- <Attachment><ContentTransferEncoded>AAAA</ContentTransferEncoded></Attachment> -->`,
		`<Other><ContentTransferEncoded>no base64 * of ours</ContentTransferEncoded></Other>`,
		one("0"), `<Attachment a="/Attachment>"><ContentId>x</ContentId><ContentTransferEncoded /></Attachment>`,
		`<v:Attachment xmlns:v="urn:v"><v:ContentTransferEncoded>Mg==</v:ContentTransferEncoded></v:Attachment>`, one("3"))
	stage := &staging{}
	f, err := Read(strings.NewReader(text), ReadOptions{Stage: stage})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range stage.contents {
		got = append(got, c.String())
	}
	if strings.Join(got, "|") != "0||2|3" {
		t.Errorf("contents %q", got)
	}
	var order []int
	for _, a := range f.Attachments {
		order = append(order, a.Content)
	}
	if len(order) != 3 || order[0] != 0 || order[1] != 1 || order[2] != 3 || f.Attachments[0].Name != "tệp & 1.txt" {
		t.Errorf("attachments %+v", f.Attachments)
	}
	if !bytes.Contains(f.Skeleton, []byte("no base64 * of ours")) {
		t.Error("text of an unknown element was not carried through")
	}
	carriedThrough(t, f, stage)
}

func TestReadLimits(t *testing.T) {
	content := base64.StdEncoding.EncodeToString(make([]byte, 3000))
	two := carrying(t, contentStart+content+contentEnd, contentStart+content+contentEnd)
	cases := []struct {
		name, code string
		limits     ReadOptions
		text       string
	}{
		{"each", "edxml.attachment-large", ReadOptions{MaxAttachment: 2999}, two},
		{"sum", "edxml.attachments-large", ReadOptions{MaxTotal: 5999}, two},
		{"count", "edxml.attachments-many", ReadOptions{MaxAttachments: 1}, two},
		{"white space", "edxml.attachment-large", ReadOptions{MaxAttachment: 3000}, carrying(t, contentStart+strings.Repeat(" ", 1<<20)+contentEnd)},
		{"no base64", "edxml.attachment-large", ReadOptions{MaxAttachment: 3000}, carrying(t, contentStart+strings.Repeat("*", 1<<20)+contentEnd)},
		{"skeleton", "edxml.too-large", ReadOptions{}, carrying(t, "<!--"+strings.Repeat("-x", MaxMessage/2)+"-->")},
		{"tag", "edxml.too-large", ReadOptions{}, carrying(t, `<a b="`+strings.Repeat("x", MaxMessage))},
		{"old dialect of any size", "edxml.old-dialect", ReadOptions{}, "MIME-Version: 1.0\n<h xmlns='http://www.e-doc.vn/Schema/'>" + strings.Repeat("x", MaxMessage)},
		{"depth", "edxml.too-deep", ReadOptions{}, carrying(t, strings.Repeat("<a>", MaxDepth))},
	}
	for _, c := range cases {
		_, err := Read(strings.NewReader(c.text), c.limits)
		var p *problem.Problem
		if !errors.As(err, &p) || p.Code != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
		if name, ok := p.Args["name"]; ok && name != "tệp & 1.txt" {
			t.Errorf("%s: names %v", c.name, name)
		}
	}
	if _, err := Read(strings.NewReader(two), ReadOptions{MaxAttachment: 3000, MaxTotal: 6000, MaxAttachments: 2}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

// TestReadNamesTheLine: line breaks within contents count, though the parser
// never sees them.
func TestReadNamesTheLine(t *testing.T) {
	text := carrying(t, contentStart+strings.Repeat("AAAA\n", 100)+contentEnd)
	broken := strings.Replace(text, "</AttachmentEncoded>", "</Attachments>", 1)
	_, err := Read(strings.NewReader(broken), ReadOptions{})
	var p *problem.Problem
	want := 1 + strings.Count(broken[:strings.Index(broken, "</Attachments>")], "\n")
	if !errors.As(err, &p) || p.Code != "edxml.malformed" || p.Args["line"] != want {
		t.Errorf("%v, want line %d", err, want)
	}
}

func TestReadPassesErrorsOn(t *testing.T) {
	full := errors.New("disk full")
	text := carrying(t, contentStart+"AAAA"+contentEnd)
	stage := &staging{fail: full}
	if _, err := Read(strings.NewReader(text), ReadOptions{Stage: stage}); !errors.Is(err, full) || stage.contents[0].closed != 1 {
		t.Errorf("stage: %v, closed %d", err, stage.contents[0].closed)
	}
	if _, err := Read(strings.NewReader(text), ReadOptions{Stage: refusing{full}}); !errors.Is(err, full) {
		t.Errorf("create: %v", err)
	}
	lost := errors.New("connection lost")
	for _, at := range []int{0, 100, strings.Index(text, "AAAA") + 1, len(text) - 3} {
		stage := &staging{}
		_, err := Read(io.MultiReader(strings.NewReader(text[:at]), iotest.ErrReader(lost)), ReadOptions{Stage: stage})
		if !errors.Is(err, lost) {
			t.Errorf("lost at %d: %v", at, err)
		}
		for _, c := range stage.contents {
			if c.closed != 1 {
				t.Errorf("lost at %d: a content stays open", at)
			}
		}
	}
}

type refusing struct{ err error }

func (r refusing) Create(int) (io.WriteCloser, error) { return nil, r.err }
