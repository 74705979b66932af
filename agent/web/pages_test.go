package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/office"
)

// views are the zero values of every page's view.
var views = map[string]any{
	"signin": SignInView{}, "work": WorkView{}, "incoming": IncomingView{}, "document": DocumentView{}, "send": SendView{},
	"recipients": RecipientsView{}, "outbox": OutboxView{}, "outgoing": OutgoingView{}, "sent": SentView{}, "slip": SlipView{},
	"status": StatusView{}, "error": ErrorView{}, "password": PasswordView{}, "account": AccountView{}, "users": UsersView{}, "user": UserView{}, "check": CheckView{},
	"signs": SignsView{}, "sign": SignView{}, "certificate": CertificateView{}, "import": ImportView{}, "enter": EnterView{}, "groups": GroupsView{}, "find": FindView{}, "admin": AdminView{}, "help": HelpView{}, "guide": GuideView{},
	"books": BooksView{}, "book": BookView{}, "bookline": BookLineView{}, "bookentry": BookEntryView{}, "workfiles": WorkFilesView{}, "workfile": WorkFileView{},
	"dossiers": DossiersView{}, "dossier": DossierView{}, "dossierchoose": ChooseView{}, "dossierreceive": ReceptionView{}, "dossierstats": DossierStatsView{},
	"mine": MineView{}, "lookup": LookUpView{}, "standin": StandInView{},
	"dossierbook": DossierBookView{},
}

// fill sets every field below v to something that shows.
func fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.String:
		v.SetString("văn bản <script>")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		if depth > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), depth-1)
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), 2, 2))
			for i := range v.Len() {
				fill(v.Index(i), depth-1)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), depth)
			}
		}
	}
}

func TestEveryViewRendersEmptyAndFullInBothLanguages(t *testing.T) {
	p, err := loadPages()
	if err != nil {
		t.Fatal(err)
	}
	for name := range p.byName {
		zero, ok := views[name]
		if !ok {
			t.Errorf("page %s has no view in this test", name)
			continue
		}
		for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
			for _, full := range []bool{false, true} {
				v := reflect.New(reflect.TypeOf(zero)).Elem()
				if full {
					fill(v, 3)
				}
				v.FieldByName("Lang").SetString(string(lang))
				var out bytes.Buffer
				if err := p.byName[name].ExecuteTemplate(&out, "layout", v.Interface()); err != nil {
					t.Errorf("%s in %s, full %v: %v", name, lang, full, err)
				}
				checkMarkup(t, fmt.Sprintf("%s in %s, full %v", name, lang, full), out.String())
			}
		}
	}
}

var (
	inline   = regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	outside  = regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	leftover = regexp.MustCompile(`\{[a-z_]+\}|ZgotmplZ|<no value>|&lt;nil&gt;|>web\.[a-z]|"web\.[a-z]|problem\.[a-z]`)
	jsWords  = regexp.MustCompile(`data-(remove|found|copying|refused)="[^"]*"`)
)

// checkMarkup fails on inline code, foreign addresses, missing words and raw
// foreign text.
func checkMarkup(t *testing.T, what, html string) {
	t.Helper()
	if m := inline.FindString(html); m != "" {
		t.Errorf("%s holds inline code: %q", what, m)
	}
	if m := outside.FindString(html); m != "" {
		t.Errorf("%s leads elsewhere: %q", what, m)
	}
	if m := leftover.FindString(jsWords.ReplaceAllString(html, "")); m != "" {
		t.Errorf("%s shows a raw placeholder or key: %q", what, m)
	}
	if strings.Contains(html, "văn bản <script>") || strings.Contains(html, "<b>hộ nghèo") {
		t.Errorf("%s shows foreign text unescaped", what)
	}
}

// keyForm finds whole keys; those that code completes end in a dot or hyphen.
var keyForm = regexp.MustCompile(`"((?:problem\.)?(?:web|httpd|account|urgency|signing)\.[a-z.-]*)"`)

func TestEveryTextKeyExistsAndEveryKeyIsUsed(t *testing.T) {
	used, prefixes := map[string]bool{}, []string{}
	scan := func(fsys fs.FS, pattern string) {
		files, err := fs.Glob(fsys, pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files for %s: %v", pattern, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			data, err := fs.ReadFile(fsys, name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range keyForm.FindAllStringSubmatch(string(data), -1) {
				key := m[1]
				if strings.HasSuffix(key, ".") || strings.HasSuffix(key, "-") {
					prefixes = append(prefixes, key)
					continue
				}
				used[key] = true
				used["problem."+key] = true
				if !i18n.Has(key) && !i18n.Has("problem."+key) {
					t.Errorf("%s uses %q, which the catalogue lacks", name, key)
				}
			}
		}
	}
	scan(templateFiles, "templates/*.html")
	scan(os.DirFS(".."), "web/*.go")
	scan(os.DirFS(".."), "web/account/*.go")
	scan(os.DirFS(".."), "httpd/*.go")
	for _, key := range i18n.Keys() {
		ours := strings.HasPrefix(key, "web.") || strings.HasPrefix(key, "httpd.") || strings.HasPrefix(key, "problem.web.") || strings.HasPrefix(key, "problem.account.")
		built := strings.HasSuffix(key, ".next") && used[strings.TrimSuffix(key, ".next")]
		for _, p := range prefixes {
			built = built || strings.HasPrefix(key, p)
		}
		if ours && !used[key] && !built {
			t.Errorf("nothing uses %q", key)
		}
	}
}

func TestAssetsKeepTheirBudgetAndTheirNames(t *testing.T) {
	a, err := loadAssets()
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]int{a.css: 12 << 10, a.js: 10 << 10}
	for name, address := range a.of {
		if name != common {
			limits[address] = 6 << 10
		}
	}
	for name, limit := range limits {
		file := a.byName[strings.TrimPrefix(name, assetPath)]
		if len(file.plain) > limit || len(file.plain) < 200 {
			t.Errorf("%s has %d bytes, at most %d", name, len(file.plain), limit)
		}
		if strings.Contains(string(file.plain), "://") {
			t.Errorf("%s names another site", name)
		}
	}
	b := start(t, false, fixed)
	v := b.as("lan")
	res, body := v.get(a.css)
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || !strings.Contains(body, "body{") {
		t.Errorf("style sheet: %d, %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
	if res, _ := v.get("/tinh/app.000000.css"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an old name gave %d", res.StatusCode)
	}
	req, _ := http.NewRequest(http.MethodGet, b.url+a.js, nil)
	req.Header.Set("Accept-Encoding", "gzip")
	packed, raw := v.do(req)
	if packed.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(raw, "\x1f\x8b") {
		t.Errorf("script was not packed: %v", packed.Header)
	}
	_, page := v.get("/van-ban-den")
	if total := len(page) + len(a.byName[strings.TrimPrefix(a.css, assetPath)].plain) + len(a.byName[strings.TrimPrefix(a.js, assetPath)].plain); total > 60<<10 {
		t.Errorf("first load of the list is %d bytes, at most 60 KB", total)
	}
}

// TestDenyList keeps what the oldest browsers of the offices do not know out
// of the scripts and the style sheet.
func TestDenyList(t *testing.T) {
	denied := regexp.MustCompile(`:has\(|color-mix|oklch|light-dark|text-wrap|popover|@scope|field-sizing|subgrid|withResolvers|toSorted|groupBy|AbortSignal\.(any|timeout)|toBase64|Intl\.Segmenter|DurationFormat|URL\.parse|ariaLabel|crypto\.subtle|randomUUID|navigator\.clipboard|serviceWorker|&\s*[.:{]\w`)
	files, err := fs.Glob(assetFiles, "assets/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("assets: %v, %v", files, err)
	}
	for _, name := range files {
		data, err := fs.ReadFile(assetFiles, name)
		if err != nil {
			t.Fatal(err)
		}
		if m := denied.FindString(string(data)); m != "" {
			t.Errorf("%s uses %q", name, m)
		}
	}
}

func TestSeededPagesAreCleanInBothLanguages(t *testing.T) {
	for _, empty := range []bool{false, true} {
		b := start(t, empty, fixed)
		v := b.as("lan")
		pages := map[string]string{"work": "/viec-can-lam", "incoming": "/van-ban-den", "outgoing": "/van-ban-di", "send": "/gui", "outbox": "/hop-gui", "recipients": "/noi-nhan"}
		if !empty {
			pages = b.tour()
		}
		for _, lang := range []string{"vi", "en"} {
			for _, up := range []bool{true, false} {
				b.link.Up = up
				v.post("/ngon-ngu", map[string][]string{"lang": {lang}})
				for name, path := range pages {
					res, html := v.get(path)
					what := fmt.Sprintf("%s in %s, link %v, empty %v", name, lang, up, empty)
					if want := map[bool]int{true: 404, false: 200}[name == "no-page"]; res.StatusCode != want {
						t.Errorf("%s gave %d", what, res.StatusCode)
					}
					if !strings.Contains(html, `<html lang="`+lang+`">`) {
						t.Errorf("%s is in another language", what)
					}
					checkMarkup(t, what, html)
					csp := res.Header.Get("Content-Security-Policy")
					if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || !strings.Contains(csp, "frame-src 'self' http://127.0.0.1:") {
						t.Errorf("%s has the policy %q", what, csp)
					}
				}
			}
		}
	}
}

var (
	cssRule  = regexp.MustCompile(`([^{}]+)\{([^{}]*)\}`)
	cssBack  = regexp.MustCompile(`(?:^|;)background:(#[0-9a-f]{3,6})`)
	cssColor = regexp.MustCompile(`(?:^|;)color:(#[0-9a-f]{3,6})`)
)

// TestColoursContrast holds text to 7:1 on its own background, or on white and
// the tinted row where a rule names none.
func TestColoursContrast(t *testing.T) {
	data, err := assetFiles.ReadFile("assets/app.css")
	if err != nil {
		t.Fatal(err)
	}
	paper, err := assetFiles.ReadFile("assets/paper.css")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, paper...)
	pairs := 0
	for _, rule := range cssRule.FindAllStringSubmatch(string(data), -1) {
		color := cssColor.FindStringSubmatch(rule[2])
		if color == nil || color[1] == "#fff" && cssBack.FindString(rule[2]) == "" {
			continue
		}
		backs := []string{"#ffffff", "#f5f8fb"}
		if back := cssBack.FindStringSubmatch(rule[2]); back != nil {
			backs = []string{back[1]}
		}
		for _, back := range backs {
			pairs++
			if got := contrast(t, color[1], back); got < 7 {
				t.Errorf("%s: %s on %s is %.2f:1", strings.TrimSpace(rule[1]), color[1], back, got)
			}
		}
	}
	if pairs < 20 {
		t.Errorf("only %d pairs of colours found", pairs)
	}
}

// contrast is the ratio of WCAG 2.
func contrast(t *testing.T, a, b string) float64 {
	light := func(hex string) float64 {
		if len(hex) == 4 {
			hex = "#" + strings.Repeat(hex[1:2], 2) + strings.Repeat(hex[2:3], 2) + strings.Repeat(hex[3:4], 2)
		}
		n, err := strconv.ParseUint(hex[1:], 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for shift, weight := range map[int]float64{16: 0.2126, 8: 0.7152, 0: 0.0722} {
			c := float64(n>>shift&255) / 255
			if c <= 0.04045 {
				c /= 12.92
			} else {
				c = math.Pow((c+0.055)/1.055, 2.4)
			}
			sum += weight * c
		}
		return sum
	}
	x, y := light(a), light(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestReasonsOfTheProgramAreSaidInTheReadersLanguage(t *testing.T) {
	b := start(t, false, fixed)
	v := b.as("lan")
	one := boxPath(b.docs["failed"])
	refused, _ := b.office.find(b.docs["failed"].ID)
	testified := &refused.Events[len(refused.Events)-1]
	why := i18n.Say("office.refused.18")
	testified.Said, testified.Evidence = i18n.Say("office.evidence.SubmissionRejection.refused", i18n.Args{"why": why}), office.EvidenceRecord
	for lang, other := range map[i18n.Lang]i18n.Lang{i18n.Vietnamese: i18n.English, i18n.English: i18n.Vietnamese} {
		v.post("/ngon-ngu", map[string][]string{"lang": {string(lang)}})
		for _, path := range []string{"/viec-can-lam", one, one + "/phieu-gui"} {
			_, page := v.get(path)
			if want, not := i18n.T(lang, "office.refused.18"), i18n.T(other, "office.refused.18"); !strings.Contains(page, want) || strings.Contains(page, not) {
				t.Errorf("%s in %s does not say %q, or says it in the other language too", path, lang, want)
			}
			rejection := i18n.T(lang, "office.evidence.SubmissionRejection.refused", i18n.Args{"why": why})
			if proof := i18n.T(lang, "web.proof.evidence", i18n.Args{"who": "H40"}); path != "/viec-can-lam" && (!strings.Contains(page, rejection) || !strings.Contains(page, proof)) {
				t.Errorf("%s in %s does not say %q with %q", path, lang, rejection, proof)
			}
		}
	}
}
