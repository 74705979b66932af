package register

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tram/agent/problem"
	"tram/agent/tooltest"
)

// run gives what a program of poppler writes to standard output.
func run(t *testing.T, name string, args ...string) []byte {
	t.Helper()
	out, err := exec.Command(tooltest.Find(t, name, "the check of printed books"), args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return out
}

func save(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func printOf(t testing.TB, kind Kind, n int) (Print, []byte) {
	t.Helper()
	sheets := sheetsOf(t, kind, n)
	p := Print{Cover: &Cover{sheets[0].Book, sheets[0].Volume}, Sheets: sheets, Made: made}
	data, err := p.PDF()
	if err != nil {
		t.Fatal(err)
	}
	return p, data
}

// A printed year of each book, looked at by poppler: exact columns on each
// page, numbers without a gap, nothing outside the paper.
func TestAPrintedYear(t *testing.T) {
	for _, kind := range []Kind{Outgoing, Incoming, FollowUp, Postal, KeptCopies} {
		t.Run(string(kind), func(t *testing.T) {
			p, data := printOf(t, kind, year)
			path := save(t, "year.pdf", data)
			pages := bytes.Split(bytes.TrimSuffix(run(t, "pdftotext", "-layout", path, "-"), []byte("\f")), []byte("\f"))
			if len(pages) != len(p.Sheets)+1 {
				t.Fatalf("%d pages, %d sheets and a cover", len(pages), len(p.Sheets))
			}
			checkCover(t, p, string(pages[0]))
			for i, s := range p.Sheets {
				checkPage(t, s, string(pages[i+1]))
			}
			checkBoxes(t, p, run(t, "pdftotext", "-bbox", path, "-"))
			checkPictures(t, p, path)
		})
	}
}

func checkCover(t *testing.T, p Print, text string) {
	v := p.Cover.Volume
	for _, want := range []string{"ỦY BAN NHÂN DÂN TỈNH TÂY NINH", "ỦY BAN NHÂN DÂN XÃ MỸ HẠNH", p.Cover.Book.Title(), "Năm: 2026", "Từ ngày 02/01/2026 đến ngày 31/12/2026", "Quyển số: 02"} {
		if !strings.Contains(text, want) {
			t.Errorf("the cover lacks %q:\n%s", want, text)
		}
	}
	if has := strings.Contains(text, "Từ số "+v.FirstCode+" đến số "+v.LastCode); has != (p.Cover.Book.Kind != FollowUp) {
		t.Errorf("the cover has numbers: %v", has)
	}
}

// columnNumbers is the row (1) … (n).
var columnNumbers = regexp.MustCompile(`\((\d+)\)`)

func checkPage(t *testing.T, s Sheet, text string) {
	if !strings.Contains(text, s.Footer()) || !strings.Contains(text, fmt.Sprintf("Trang %d/%d · Quyển số 02", s.Page, s.Of)) {
		t.Errorf("page %d has no footer", s.Page)
	}
	if !strings.Contains(text, s.Book.Title()) || !strings.Contains(text, "Năm 2026") {
		t.Errorf("page %d has no heading", s.Page)
	}
	var numbered []string
	for line := range strings.Lines(text) {
		if found := columnNumbers.FindAllStringSubmatch(line, -1); len(found) == len(s.Book.Columns) {
			numbered = strings.Fields(line)
		}
	}
	for i := range s.Book.Columns {
		if i >= len(numbered) || numbered[i] != fmt.Sprintf("(%d)", i+1) {
			t.Fatalf("page %d: column numbers are %q", s.Page, numbered)
		}
	}
	if len(numbered) != len(s.Book.Columns) {
		t.Errorf("page %d: %d columns, want %d", s.Page, len(numbered), len(s.Book.Columns))
	}
}

// placed is a word of a page as pdftotext -bbox gives it, in points.
type placed struct {
	x1, y1, x2, y2 float64
	text           string
}

var (
	bboxWord = regexp.MustCompile(`<word xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)">(.*?)</word>`)
	unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&#39;", "'")
)

// checkBoxes holds that the words of each column, by where they stand on the
// paper, are its title, its number and its values, and nothing else.
func checkBoxes(t *testing.T, p Print, xml []byte) {
	pages := bytes.Split(xml, []byte("<page "))[2:] // behind the head and the cover
	if len(pages) != len(p.Sheets) {
		t.Fatalf("%d pages with words", len(pages))
	}
	next := 1
	for i, s := range p.Sheets {
		var words []placed
		for _, m := range bboxWord.FindAllSubmatch(pages[i], -1) {
			w := placed{text: unescape.Replace(string(m[5]))}
			for j, at := range []*float64{&w.x1, &w.y1, &w.x2, &w.y2} {
				*at, _ = strconv.ParseFloat(string(m[j+1]), 64)
			}
			if w.x1 < marginLeft.Points()-1 || w.x2 > (sheetWidth-marginRight).Points()+1 || w.y1 < 0 || w.y2 > sheetHeight.Points() {
				t.Errorf("page %d: %q stands at %v", s.Page, w.text, w)
			}
			words = append(words, w)
		}
		slices.SortFunc(words, func(a, b placed) int { return cmp.Or(cmp.Compare(a.y1, b.y1), cmp.Compare(a.x1, b.x1)) })
		next = checkColumns(t, s, words, next)
	}
	if next != year+1 {
		t.Errorf("the last number is %d", next-1)
	}
}

// checkColumns compares each column's words with the sheet, and returns the
// number that the next sheet begins with.
func checkColumns(t *testing.T, s Sheet, words []placed, next int) int {
	top := (marginTop + headingHeight).Points()
	bottom := top + (titlesHeight + numbersHeight + height(s.Rows)).Points()
	x := marginLeft
	for i, c := range s.Book.Columns {
		w := mm(c.Width * 10)
		var got []string
		for _, word := range words {
			if word.y1 >= top-1 && word.y2 <= bottom+1 && word.x1 >= x.Points()-1 && word.x2 <= (x+w).Points()+1 {
				got = append(got, word.text)
			}
		}
		want := append(strings.Fields(c.Title()), fmt.Sprintf("(%d)", i+1))
		for _, r := range s.Rows {
			want = append(want, strings.Fields(strings.Join(r.Cells[i].Lines, " "))...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("page %d, column %q: the paper says\n%q\nwant\n%q", s.Page, c.Title(), got, want)
		}
		x += w
	}
	for _, r := range s.Rows {
		_, n, _ := strings.Cut(r.Key, string(s.Book.Kind)+"-")
		if n != strconv.Itoa(next) {
			t.Fatalf("page %d: line %s follows number %d", s.Page, r.Key, next-1)
		}
		for i, c := range s.Book.Columns {
			if c.Field == ArrivalNo && r.Cells[i].Text != Number(next) || c.Field == CodeOf && s.Book.Kind == Outgoing && !strings.HasPrefix(r.Cells[i].Text, Number(next)+"/") {
				t.Fatalf("page %d: %s stands at number %d", s.Page, r.Cells[i].Text, next)
			}
		}
		next++
	}
	return next
}

// checkPictures makes a picture of each page and holds that there is ink within
// the margins and none in them.
func checkPictures(t *testing.T, p Print, path string) {
	const dpi = 36
	const margin = 8 * dpi * 10 / 254 // 8 mm
	dir := t.TempDir()
	run(t, "pdftoppm", "-r", strconv.Itoa(dpi), "-gray", path, filepath.Join(dir, "p"))
	names, err := filepath.Glob(filepath.Join(dir, "*.pgm"))
	if err != nil || len(names) != len(p.Sheets)+1 {
		t.Fatalf("%d pictures, %v", len(names), err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var w, h, most int
		if _, err := fmt.Sscanf(string(data[:20]), "P5\n%d %d\n%d", &w, &h, &most); err != nil || len(data) < w*h {
			t.Fatalf("%s: %d × %d, %v", name, w, h, err)
		}
		inner, outer := 0, 0
		for i, point := range data[len(data)-w*h:] {
			if x, y := i%w, i/w; point > 0xC0 {
				continue
			} else if x < margin || x >= w-margin || y < margin || y >= h-margin {
				outer++
			} else {
				inner++
			}
		}
		if inner == 0 || outer > 0 {
			t.Errorf("%s has %d dark points within the margins and %d in them", filepath.Base(name), inner, outer)
		}
	}
}

func TestTheSamePrintGivesTheSameBytes(t *testing.T) {
	forms := map[string]func() ([]byte, error){
		"book":     func() ([]byte, error) { _, data := printOf(t, Outgoing, 40); return data, nil },
		"xlsx":     sampleTable(t, Incoming, 40).XLSX,
		"docx":     sampleTable(t, Incoming, 40).DOCX,
		"stamp":    sampleStamp.PDF,
		"slip":     sampleSlip().PDF,
		"handling": sampleHandling.PDF,
	}
	for name, write := range forms {
		first, err := write()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if again, err := write(); err != nil || !bytes.Equal(first, again) {
				t.Errorf("%s: two files differ, %v", name, err)
			}
		}
	}
}

func TestPDFCarriesItsFontsAndProperties(t *testing.T) {
	_, data := printOf(t, Outgoing, 5)
	path := save(t, "book.pdf", data)
	info := string(run(t, "pdfinfo", path))
	for _, want := range []string{"SỔ ĐĂNG KÝ VĂN BẢN ĐI", "Ủy ban nhân dân xã Mỹ Hạnh", "841.889 x 595.275", "Dec 31"} {
		if !strings.Contains(info, want) {
			t.Errorf("properties lack %q:\n%s", want, info)
		}
	}
	for line := range strings.Lines(string(run(t, "pdffonts", path))) {
		if strings.Contains(line, "TramSerif") && !regexp.MustCompile(`yes (yes|no) +yes`).MatchString(line) {
			t.Errorf("a font is not embedded or has no characters: %s", line)
		}
	}
}

func TestAReportCountsOnItsCover(t *testing.T) {
	b, _ := Find(IncomingReport)
	v := sampleVolume()
	v.Totals = []Total{{TotalAll, 120}, {TotalDone, 100}, {TotalDoneLate, 4}, {TotalOpen, 20}, {TotalLate, 3}}
	cover := Cover{b, v}
	onPage(t, cover.draw())
	data, err := Print{Cover: &cover}.PDF()
	if err != nil {
		t.Fatal(err)
	}
	text := string(run(t, "pdftotext", "-layout", save(t, "report.pdf", data), "-"))
	for _, want := range []string{"BÁO CÁO TÌNH HÌNH GIẢI QUYẾT VĂN BẢN ĐẾN", "Tổng số văn bản: 120", "Đã giải quyết: 100", "Đã giải quyết nhưng quá hạn: 4", "Đang giải quyết: 20", "Quá hạn chưa giải quyết: 3"} {
		if !strings.Contains(text, want) {
			t.Errorf("the cover lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Quyển số") || strings.Contains(text, "Từ số") {
		t.Errorf("a report is no volume:\n%s", text)
	}
}

func TestAnEmptyCoverHasDotsToWriteOn(t *testing.T) {
	b, _ := Find(Incoming)
	long := strings.Repeat("Ban Quản lý dự án đầu tư xây dựng công trình ", 12)
	for _, v := range []Volume{{}, {Superior: long, Office: long, FirstCode: long}} {
		onPage(t, Cover{b, v}.draw())
		lines := Cover{b, v}.Lines()
		if len(lines) != 4 || lines[0] != "Năm: …………" || lines[1] != "Từ ngày ………… đến ngày …………" || lines[3] != "Quyển số: …………" {
			t.Errorf("got %q", lines)
		}
	}
}

func TestPrintsAreBounded(t *testing.T) {
	p, _ := printOf(t, FileList, 1)
	for len(p.Sheets) < MaxPages {
		p.Sheets = append(p.Sheets, p.Sheets[0])
	}
	if _, err := p.PDF(); problem.From(err).Code != "register.too-many-pages" {
		t.Errorf("a cover and %d sheets: %v", len(p.Sheets), err)
	}
	p.Cover = nil
	if _, err := p.PDF(); err != nil {
		t.Errorf("%d sheets: %v", len(p.Sheets), err)
	}
	if _, err := Paginate(p.Sheets[0].Book, Volume{}, make([]Line, MaxLines+1), Printed{}); problem.From(err).Code != "register.too-many-lines" {
		t.Errorf("too many lines: %v", err)
	}
}
