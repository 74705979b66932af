package xmldsig

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tram/agent/tooltest"
)

func tool(t *testing.T, name string) string {
	t.Helper()
	return tooltest.Find(t, name, "the comparison with it")
}

func mustParse(t testing.TB, s string) *node {
	t.Helper()
	doc, err := parse([]byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func canonicalString(t testing.TB, n *node, m method, skip *node) string {
	t.Helper()
	var out bytes.Buffer
	if err := canonical(&out, n, m, skip); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// tricky documents for canonical forms.
var tricky = map[string]string{
	"empty element":      `<a/>`,
	"declaration":        "\ufeff<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a>ủy ban</a>\n",
	"instructions":       "<?xml-stylesheet href='a.xsl'?>\n<!-- before -->\n<a><?in  side ?><?x?></a>\n<?after x?>\n<!-- end -->",
	"attribute order":    `<a xmlns:b="urn:b" xmlns:a="urn:z" z="1" b:y="2" a:x="3" a="4" xml:lang="vi"/>`,
	"escapes":            "<a t=\"&lt;&amp;&gt;&quot;'&#9;&#10;&#13;\">&lt;&amp;&gt;\"'&#9;&#10;&#13;]]&gt;</a>",
	"line ends":          "<a\r\n t='1\r\n2\t3\r4'>x\r\ny\rz</a>",
	"cdata":              "<a>x<![CDATA[<b>&amp;</b>\r\n]]>y</a>",
	"default undone":     `<a xmlns="urn:a"><b xmlns=""><c xmlns="urn:a"/><d/></b></a>`,
	"default empty":      `<a xmlns=""><b xmlns=""/></a>`,
	"redeclared":         `<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"><p:c xmlns:p="urn:1"/></p:b><p:d xmlns:p="urn:1"/></p:a>`,
	"unused":             `<a xmlns:u="urn:u" xmlns:v="urn:v"><b v:x="1"><u:c/></b><u:d xmlns:u="urn:u"/></a>`,
	"same space twice":   `<a xmlns="urn:a" xmlns:p="urn:a"><p:b p:x="1" x="2"/></a>`,
	"comments":           `<a>t<!-- c -->u<b/><!----></a>`,
	"xml attributes":     `<a xml:space="preserve" xml:lang="vi"><b xml:base="x/"> <c xml:id="i"/></b></a>`,
	"quotes":             `<a b='"' c="'"/>`,
	"white space kept":   "<a>\n\t<b/>  <c>\n</c>\n</a>",
	"supplementary":      "<a \u1e00='\U0001F600'>\U0001F600</a>",
	"prefix named xmlsp": `<xm:a xmlns:xm="urn:x" xm:b="&#x20;"/>`,
}

func TestCanonicalFormsAreThoseOfXmllint(t *testing.T) {
	xmllint := tool(t, "xmllint")
	for name, doc := range tricky {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "doc.xml")
			if err := os.WriteFile(file, []byte(doc), 0o600); err != nil {
				t.Fatal(err)
			}
			parsed := mustParse(t, doc)
			for flag, m := range map[string]method{
				"--c14n": {comments: true}, "--c14n11": {comments: true, xml11: true}, "--exc-c14n": {comments: true, exclusive: true},
			} {
				want, err := exec.Command(xmllint, "--nonet", flag, file).Output()
				if err != nil {
					t.Fatalf("xmllint: %v", err)
				}
				if got := canonicalString(t, parsed, m, nil); got != string(want) {
					t.Errorf("%s: we wrote\n%q\nxmllint\n%q", flag, got, want)
				}
			}
		})
	}
}

// The forms of a branch, worked out by hand after Canonical XML 1.0 (2.4) and
// Exclusive XML Canonicalization (2.2).
func TestCanonicalFormOfABranch(t *testing.T) {
	doc := mustParse(t, `<a xmlns="urn:a" xmlns:p="urn:p" xmlns:q="urn:q" xml:lang="vi" xml:base="x"><b xmlns:p="urn:own" p:t="1"><!-- c --><c/></b></a>`)
	b := doc.root().elements()[0]
	for name, tc := range map[string]struct {
		m    method
		want string
	}{
		"inclusive": {method{}, `<b xmlns="urn:a" xmlns:p="urn:own" xmlns:q="urn:q" xml:base="x" xml:lang="vi" p:t="1"><c></c></b>`},
		"exclusive": {method{exclusive: true}, `<b xmlns="urn:a" xmlns:p="urn:own" p:t="1"><c></c></b>`},
		"exclusive, prefixes": {method{exclusive: true, comments: true, prefixes: []string{"q", "#default"}},
			`<b xmlns="urn:a" xmlns:p="urn:own" xmlns:q="urn:q" p:t="1"><!-- c --><c></c></b>`},
	} {
		if got := canonicalString(t, b, tc.m, nil); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tc.want)
		}
	}
	if got, want := canonicalString(t, doc, method{exclusive: true}, b), `<a xmlns="urn:a" xml:base="x" xml:lang="vi"></a>`; got != want {
		t.Errorf("without the branch: %s, want %s", got, want)
	}
	if err := canonical(&bytes.Buffer{}, b, method{xml11: true}, nil); err == nil {
		t.Error("Canonical XML 1.1 below an xml:base was taken")
	}
}

func TestP9_HostileDocumentsAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		doc  string
		want error
	}{
		"doctype":              {`<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>`, ErrDoctype},
		"doctype inside":       {`<a><!DOCTYPE b></a>`, ErrDoctype},
		"entity":               {`<a>&x;</a>`, ErrMalformed},
		"UTF-16":               {"\xff\xfe<\x00a\x00/\x00>\x00", ErrEncoding},
		"latin 1":              {"<a>\xe9</a>", ErrEncoding},
		"declared encoding":    {`<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, ErrMalformed},
		"late declaration":     {` <?xml version="1.0"?><a/>`, ErrMalformed},
		"two roots":            {`<a/><b/>`, ErrMalformed},
		"text after":           {`<a/>x`, ErrMalformed},
		"no root":              {`<!-- c -->`, ErrMalformed},
		"open":                 {`<a><b></a>`, ErrMalformed},
		"unclosed":             {`<a><b>`, ErrMalformed},
		"unbound":              {`<p:a/>`, ErrMalformed},
		"unbound attribute":    {`<a p:b="1"/>`, ErrMalformed},
		"two colons":           {`<a:b:c xmlns:a="urn:a"/>`, ErrMalformed},
		"leading colon":        {`<:a/>`, ErrMalformed},
		"attribute twice":      {`<a b="1" b="2"/>`, ErrMalformed},
		"attribute twice, ns":  {`<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>`, ErrMalformed},
		"prefix twice":         {`<a xmlns:p="u" xmlns:p="v"/>`, ErrMalformed},
		"prefix undone":        {`<a xmlns:p="u"><b xmlns:p=""/></a>`, ErrMalformed},
		"xml rebound":          {`<a xmlns:xml="urn:a"/>`, ErrMalformed},
		"xmlns bound":          {`<a xmlns:xmlns="urn:a"/>`, ErrMalformed},
		"less in attribute":    {`<a b="<"/>`, ErrMalformed},
		"control character":    {"<a>\x01</a>", ErrMalformed},
		"comment with dashes":  {`<a><!-- -- --></a>`, ErrMalformed},
		"end of cdata in text": {`<a>]]></a>`, ErrMalformed},
		"deep":                 {strings.Repeat("<a>", MaxDepth+1) + strings.Repeat("</a>", MaxDepth+1), ErrLimit},
		"wide":                 {"<a>" + strings.Repeat("<b/>", MaxNodes) + "</a>", ErrLimit},
		"attributes":           {"<a" + numbered(` a%="1"`, MaxAttributes+1) + "/>", ErrLimit},
		"namespaces": {strings.Repeat("<a>", 0) + "<a" + numbered(` xmlns:a%="u"`, 100) + "><a" + numbered(` xmlns:b%="u"`, 100) + "><a" +
			numbered(` xmlns:c%="u"`, 100) + "/></a></a>", ErrLimit},
		"large": {"<a>" + strings.Repeat("x", MaxXML) + "</a>", ErrLimit},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Check([]byte(tc.doc)); !isError(err, tc.want) {
				t.Errorf("error is %v, want %v", err, tc.want)
			}
		})
	}
}
