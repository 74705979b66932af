package seal

import (
	"slices"
	"strings"
	"testing"
)

func TestSafeName(t *testing.T) {
	long := strings.Repeat("ế", 150)
	cases := map[string]string{
		"công văn.pdf":                           "công văn.pdf",
		"tie\u0302\u0301ng Vie\u0323\u0302t.pdf": "tiếng Việt.pdf",
		`C:\Users\lan\Tài liệu\tờ trình.docx`:    "tờ trình.docx",
		"../../etc/passwd":                       "passwd",
		"a/b/":                                   "file",
		"":                                       "file",
		"...":                                    "file",
		" . báo cáo . ":                          "báo cáo",
		`a<b>c:"d|e?f*g.txt`:                     "abcdefg.txt",
		"x\x00\x1f\u202egnp.exe":                 "xgnp.exe",
		"CON.txt":                                "_CON.txt",
		"mimetype":                               "_mimetype",
		"META-INF":                               "_META-INF",
		".htaccess":                              "htaccess",
		"no extension. at all really":            "no extension. at all really",
		"bad\xffbytes.pdf":                       "bad_bytes.pdf",
		long + ".pdf":                            strings.Repeat("ế", 65) + ".pdf",
	}
	for in, want := range cases {
		if got := SafeName(in, nil); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	taken := map[string]bool{}
	var got []string
	for _, in := range []string{"a.pdf", "A.PDF", "x/a.pdf", "a (2).pdf", long + ".pdf", long + "x.pdf"} {
		got = append(got, SafeName(in, taken))
	}
	want := []string{"a.pdf", "A (2).PDF", "a (3).pdf", "a (2) (2).pdf", strings.Repeat("ế", 65) + ".pdf", strings.Repeat("ế", 64) + " (2).pdf"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReceiptNames(t *testing.T) {
	names := map[string]bool{}
	codes := []string{"H01.12", "H01_12", "h01.12", "H01/12", "H01~2f~12", "Ủy ban", strings.Repeat("x", 64), strings.Repeat("é", 32), strings.Repeat("~", 64)}
	for _, code := range codes {
		for _, name := range []string{StatusName(code, code), CustodyName(code)} {
			manifestName, signatureName := sealNames(name)
			for _, n := range []string{name, manifestName, signatureName} {
				if err := checkName(n); err != nil || toURI(n) != n {
					t.Errorf("%q: %q, %v", code, n, err)
				}
			}
			names[name], names[signatureName] = true, true
		}
	}
	if want := 4 * len(codes); len(names) != want {
		t.Errorf("%d different names, want %d", len(names), want)
	}
	if m, s := sealNames(MessageName); m != "META-INF/ASiCManifest001.xml" || s != "META-INF/signature001.p7s" {
		t.Errorf("document: %s %s", m, s)
	}
	if m, s := sealNames(StatusName("H01", "7")); m != "META-INF/ASiCManifest-status-H01-7.xml" || s != "META-INF/signature-status-H01-7.p7s" {
		t.Errorf("status: %s %s", m, s)
	}
}

func FuzzSafeName(f *testing.F) {
	for _, s := range []string{"công văn.pdf", "e\u0302\u0301" + strings.Repeat("\u0301", 300), "../x", "CON", "\u202e.\u0301", "a.\u0301\u0302"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		taken := map[string]bool{}
		a, b := SafeName(in, taken), SafeName(in, taken)
		for _, name := range []string{a, b} {
			if err := checkDataName(name); err != nil || len(name) > maxSafeName {
				t.Errorf("%q became %q: %v", in, name, err)
			}
			if back, err := fromURI(mustUnescape(t, toURI(name))); err != nil || back != name {
				t.Errorf("%q came back as %q: %v", name, back, err)
			}
		}
		if strings.EqualFold(a, b) {
			t.Errorf("%q twice", a)
		}
	})
}

// mustUnescape undoes the XML escaping of a URI, as a parser does.
func mustUnescape(t *testing.T, uri string) string {
	t.Helper()
	return strings.NewReplacer("&amp;", "&", "&#39;", "'", "&#34;", `"`).Replace(uri)
}
