package extract_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/go-fonts/liberation/liberationserifregular"
	"github.com/signintech/gopdf"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"

	"tram/agent/search/extract"
)

func read(t testing.TB, kind string, data []byte) extract.Text {
	t.Helper()
	got, err := extract.Read(kind, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatalf("read %s: %v", kind, err)
	}
	return got
}

// pack makes a zip file of names and contents in turn.
func pack(t testing.TB, parts ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(parts); i += 2 {
		w, err := z.Create(parts[i])
		if err == nil {
			_, err = w.Write([]byte(parts[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// document makes a PDF of objects from number 1 on: a catalog, the tree of one
// page, the page, its content, and a font F1.
func document(content, font string, more ...string) []byte {
	objects := append([]string{
		"<< /Type /Catalog /Pages 2 0 R >>", "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content), font,
	}, more...)
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	at := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, at)
	return b.Bytes()
}

const plainFont = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"

func TestPDF(t *testing.T) {
	stream := func(dict, data string) string {
		return fmt.Sprintf("<< %s /Length %d >>\nstream\n%s\nendstream", dict, len(data), data)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"one line", document("BT /F1 10 Tf 100 700 Td (Cong van) Tj ET", plainFont), "Cong van"},
		{"a gap parts words", document("BT /F1 10 Tf 100 700 Td [(So)-400(15)] TJ ET", plainFont), "So 15"},
		{"kerning parts none", document("BT /F1 10 Tf 100 700 Td [(V)80(an)] TJ ET", plainFont), "Van"},
		{"lines", document("BT /F1 10 Tf 12 TL 100 700 Td (mot) Tj T* (hai) Tj (ba) ' ET", plainFont), "mot\nhai\nba"},
		{"letters drawn after the rest of the line", document("BT /F1 10 Tf 1 0 0 1 100 700 Tm (S) Tj 1 0 0 1 110 700 Tm (: 15) Tj 1 0 0 1 105 700 Tm (o) Tj ET", plainFont), "So: 15"},
		{"drawn twice to look bold", document("BT /F1 10 Tf 1 0 0 1 100 700 Tm (X) Tj 1 0 0 1 100.3 700 Tm (X) Tj ET", plainFont), "X"},
		{"upright text", document("BT /F1 10 Tf 0 1 -1 0 100 100 Tm (dung) Tj ET", plainFont), "dung"},
		{"a form", document("q 1 0 0 1 10 10 cm /X1 Do Q", plainFont,
			stream("/Type /XObject /Subtype /Form /Resources << /Font << /F1 5 0 R >> >>", "BT /F1 10 Tf 0 0 Td (trong khung) Tj ET")), "trong khung"},
		{"a form that holds itself", document("/X1 Do", plainFont,
			stream("/Type /XObject /Subtype /Form /Resources << /Font << /F1 5 0 R >> /XObject << /X1 6 0 R >> >>", "BT /F1 10 Tf 0 0 Td (mot lan) Tj ET /X1 Do")), "mot lan"},
		{"an inline picture", document("BI /W 1 /H 1 ID (((\x00 EI BT /F1 10 Tf 1 1 Td (sau anh) Tj ET", plainFont), "sau anh"},
		{"names of glyphs", document("BT /F1 10 Tf 1 1 Td (ABC) Tj ET",
			"<< /Type /Font /Subtype /Type1 /BaseFont /X /Encoding << /Differences [65 /ecircumflexacute /dcroat /uni1EA5] >> >>"), "ếđấ"},
		{"a font of TCVN 5712", document("BT /F1 10 Tf 1 1 Td (U\xfb ban nh\xa9n d\xa9n x\xb7) Tj ET",
			"<< /Type /Font /Subtype /TrueType /BaseFont /ABCDEF+.VnTime /Encoding /WinAnsiEncoding >>"), "Uỷ ban nhân dân xã"},
		{"a character map", document("BT /F1 10 Tf 1 1 Td <000100020003> Tj ET",
			"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /DescendantFonts [<< /DW 500 /W [1 [600 600]] >>] /ToUnicode 7 0 R >>", "null",
			stream("", "1 begincodespacerange <0000> <FFFF> endcodespacerange 1 beginbfchar <0001> <1EA4> endbfchar 1 beginbfrange <0002> <0003> <0061> endbfrange")), "Ấab"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(t, ".pdf", c.data); got.Text != c.want {
				t.Errorf("%q, want %q", got.Text, c.want)
			}
		})
	}
}

func TestPDFOfOtherPrograms(t *testing.T) {
	const words = "Độc lập - Tự do - Hạnh phúc: đường, giấy, quỹ, người"
	var doc gopdf.GoPdf
	doc.Start(gopdf.Config{PageSize: *gopdf.PageSizeA4})
	if err := doc.AddTTFFontByReader("serif", bytes.NewReader(liberationserifregular.TTF)); err != nil {
		t.Fatal(err)
	}
	doc.AddPage()
	if err := errors.Join(doc.SetFont("serif", "", 13), doc.Cell(nil, words)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := doc.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if got := read(t, ".pdf", b.Bytes()); norm.NFC.String(got.Text) != words || got.Part {
		t.Errorf("gopdf: %+v", got)
	}
}

func TestFilesOfLibreOffice(t *testing.T) {
	list, err := filepath.Glob("testdata/libreoffice.*")
	if err != nil || len(list) < 5 {
		t.Fatalf("files: %v %v", list, err)
	}
	for _, path := range list {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, filepath.Ext(path), data)
		want := []string{"Số: 15/QĐ-UBND", "Nguyễn Thị Phượng", "cấp giấy khai sinh", "thủy lợi, hòa bình, nghĩa vụ quân sự"}
		if ext := filepath.Ext(path); ext == ".xlsx" || ext == ".ods" {
			want = []string{"Nguyễn Văn Ân", "Trần Thị Bưởi", "12.5", "1099012345"}
		}
		for _, w := range want {
			if !strings.Contains(got.Text, w) {
				t.Errorf("%s: %q is not in %q", path, w, got.Text)
			}
		}
		if got.Part {
			t.Errorf("%s was read in part only", path)
		}
	}
}

func TestOfficeFiles(t *testing.T) {
	for _, c := range []struct {
		name, kind string
		parts      []string
		want       string
	}{
		{"a word over two runs", ".docx", []string{"word/document.xml", `<w:p><w:r><w:t>Nguy</w:t></w:r><w:r><w:t xml:space="preserve">ễn </w:t></w:r><w:r><w:t>An</w:t></w:r></w:p><w:p><w:r><w:t>hai</w:t></w:r></w:p>`}, "Nguyễn An\nhai"},
		{"tags without text", ".docx", []string{"word/document.xml", `<w:p/><w:t/>x<w:p><w:t>a</w:t><w:tab/><w:t>b</w:t></w:p>`}, "a b"},
		{"header and notes", ".docx", []string{"word/header1.xml", `<w:p><w:t>đầu</w:t></w:p>`, "word/document.xml", `<w:p><w:t>thân &amp; &#273;</w:t></w:p>`}, "thân & đ\nđầu"},
		{"TCVN 5712", ".docx", []string{"word/document.xml", `<w:p><w:r><w:rPr><w:rFonts w:ascii=".VnTime" w:hAnsi=".VnTime"/></w:rPr><w:t>QuyÕt ®Þnh</w:t></w:r><w:r><w:t> ®</w:t></w:r></w:p>`}, "Quyết định ®"},
		{"cells", ".xlsx", []string{"xl/workbook.xml", "", "xl/sharedStrings.xml", `<sst><si><t>Họ tên</t></si></sst>`, "xl/worksheets/sheet1.xml", `<row><c t="s"><v>0</v></c><c><f>A1</f><v>12</v></c><c t="inlineStr"><is><t>tại chỗ</t></is></c></row>`}, "Họ tên\n12\ntại chỗ"},
		{"slides in order", ".pptx", []string{"ppt/presentation.xml", "", "ppt/slides/slide10.xml", `<a:p><a:t>mười</a:t></a:p>`, "ppt/slides/slide9.xml", `<a:p><a:t>chín</a:t></a:p>`}, "chín\nmười"},
		{"text of ODF", ".odt", []string{"content.xml", `<a>ngoài</a><office:body><text:p>một<text:s/>hai</text:p><text:p>ba</text:p></office:body>`}, "một hai\nba"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(t, c.kind, pack(t, c.parts...)); got.Text != c.want {
				t.Errorf("%q, want %q", got.Text, c.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	old, err := charmap.Windows1258.NewEncoder().Bytes([]byte(norm.NFD.String("xa hoi")))
	if err != nil {
		t.Fatal(err)
	}
	wide := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune("đường")) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	for _, c := range []struct {
		name, kind string
		data       []byte
		want       string
	}{
		{"UTF-8", ".txt", []byte("\ufeffGiấy  khai\r\n\r\nsinh\x00"), "Giấy khai\nsinh"},
		{"UTF-16", ".txt", wide, "đường"},
		{"code page of Windows", ".txt", append(old, " \xf0\xea\xec"...), "xa hoi đê\u0301"},
		{"CSV", ".csv", []byte("Họ tên,Số\nÂn,12"), "Họ tên,Số\nÂn,12"},
		{"HTML", ".html", []byte(`<p title="a>b">Gi<b>ấ</b>y</p><script>var x = "</p>"</script><style>p{}</style><!-- ẩn --><div>khai&nbsp;sinh &lt; &khong;</div>`), "Giấy\nkhai sinh < &khong;"},
		{"edXML", ".edxml", []byte("<?xml version='1.0'?><e:Subject>V/v <![CDATA[đường & <cầu>]]></e:Subject><e:Content>" + strings.Repeat("QUJD", 1000) + "</e:Content>"), "V/v đường & <cầu>"},
		{"a tag without end", ".xml", []byte("a <b c='"), "a"},
		{"nothing", ".txt", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := read(t, c.kind, c.data); norm.NFC.String(got.Text) != norm.NFC.String(c.want) {
				t.Errorf("%q, want %q", got.Text, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	long := read(t, ".txt", []byte(strings.Repeat("dài ", extract.MaxText)))
	if !long.Part || len(long.Text) > extract.MaxText || len(long.Text) < extract.MaxText-8 {
		t.Errorf("a long text has %d bytes, part %v", len(long.Text), long.Part)
	}
	bomb := pack(t, "word/document.xml", "<w:p><w:t>trước</w:t></w:p>"+strings.Repeat(" ", extract.MaxExpanded)+"<w:p><w:t>sau</w:t></w:p>")
	if got := read(t, ".docx", bomb); got.Text != "trước" || !got.Part {
		t.Errorf("a part that expands to more than is read: %q, part %v", got.Text, got.Part)
	}
}

func TestUnreadable(t *testing.T) {
	for _, c := range []struct {
		name, kind, data string
		want             error
	}{
		{"no kind with text", ".jpg", "x", extract.ErrNoText},
		{"a picture named as PDF", ".pdf", "\xff\xd8\xff", extract.ErrUnreadable},
		{"a cut PDF", ".pdf", "%PDF-1.7\n1 0 obj", extract.ErrUnreadable},
		{"a cut zip", ".docx", "PK\x03\x04", extract.ErrUnreadable},
		{"a zip without a document", ".docx", string(pack(t, "x", "y")), extract.ErrUnreadable},
		{"an old Word file", ".docx", "\xd0\xcf\x11\xe0", extract.ErrUnreadable},
	} {
		if _, err := extract.Read(c.kind, strings.NewReader(c.data), int64(len(c.data))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	locked := bytes.Replace(document("", plainFont), []byte("/Root 1 0 R"), []byte("/Root 1 0 R /Encrypt << >>"), 1)
	if _, err := extract.Read(".pdf", bytes.NewReader(locked), int64(len(locked))); !errors.Is(err, extract.ErrUnreadable) {
		t.Errorf("an encrypted PDF: %v", err)
	}
}
