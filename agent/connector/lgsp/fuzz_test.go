package lgsp

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"
)

// FuzzAnswers reads whatever an axis may answer: nothing crashes, and what is
// JSON is read the same by the stream as it is whole.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		`{"success":true,"message":"OK","docId":"1"}`, `{"success":false,"data":{"docId":null,"errorCode":"22","errorDesc":"x"}}`,
		`{"success":true,"count":1,"data":[{"docId":"a","status":"INITIAL","contentSha256":"00","contentLength":12}]}`,
		`[{"code":"G22","name":"Bộ"},{"orgCode":"G1"}]`, `{"data":{"docId":"1","edxml":"<edXML a=\"1\">\u003c/\ud83d\ude00","attachments":[{"fileContent":null}]}}`,
		`{"data":{"edxml":"PGVkWE1MPjwvZWRYTUw+"}}`, `{"edxml":""}`, `{"a":[1,-2.5e9,true,false,null,"\\\""]}`, `<edXML/>`, `{`, `{"data":null}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if a, err := readAnswer(bytes.NewReader(raw)); err == nil {
			_ = a.err("x")
		}
		n := 0
		if a, err := eachEntry(bytes.NewReader(raw), maxList, func(entry) error { n++; return nil }); err == nil {
			_ = a.err("x")
		} else if n > len(raw) {
			t.Errorf("%d entries in %d bytes", n, len(raw))
		}
		var whole, slow bytes.Buffer
		_, _, err := extract(bytes.NewReader(raw), "application/json", &whole)
		_, _, err2 := extract(iotest.OneByteReader(bytes.NewReader(raw)), "application/json", &slow)
		if (err == nil) != (err2 == nil) || err == nil && !bytes.Equal(whole.Bytes(), slow.Bytes()) {
			t.Errorf("read at once: %q %v; byte by byte: %q %v", whole.Bytes(), err, slow.Bytes(), err2)
		}
		var strict struct {
			EdXML *string `json:"edxml"`
		}
		one := bytes.Count(raw, []byte(`"edxml"`)) == 1 && !bytes.Contains(raw, []byte(`\`)) && strings.HasPrefix(string(raw), `{"edxml":"<`)
		if one && json.Unmarshal(raw, &strict) == nil && strict.EdXML != nil && err == nil && *strict.EdXML != whole.String() {
			t.Errorf("%q was read as %q", *strict.EdXML, whole.String())
		}
	})
}

// FuzzMultipart reads whatever a multipart answer may be.
func FuzzMultipart(f *testing.F) {
	f.Add("b", []byte("--b\r\nContent-Disposition: form-data; name=\"edocFile\"\r\n\r\n<edXML/>\r\n--b--\r\n"))
	f.Add("b", []byte("--b\r\nContent-Type: application/xml\r\n\r\n<a/>"))
	f.Add("", []byte("--\r\n"))
	f.Add("x", []byte(strings.Repeat("--x\r\n\r\n\r\n", 40)))
	f.Fuzz(func(t *testing.T, boundary string, raw []byte) {
		var whole, slow bytes.Buffer
		kind := `multipart/form-data; boundary="` + boundary + `"`
		_, _, err := extract(bytes.NewReader(raw), kind, &whole)
		_, _, err2 := extract(iotest.HalfReader(bytes.NewReader(raw)), kind, &slow)
		if err == nil && err2 == nil && !bytes.Equal(whole.Bytes(), slow.Bytes()) {
			t.Errorf("%q, then %q", whole.Bytes(), slow.Bytes())
		}
		if whole.Len() > len(raw) {
			t.Errorf("%d bytes out of %d", whole.Len(), len(raw))
		}
	})
}
