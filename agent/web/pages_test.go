package web

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/web/page"
	"tram/agent/web/page/pagetest"
)

// views are the zero values of every page's view.
var views = map[string]any{
	"signin": page.SignInView{}, "work": WorkView{}, "incoming": IncomingView{}, "document": DocumentView{}, "send": SendView{},
	"recipients": RecipientsView{}, "outbox": OutboxView{}, "outgoing": OutgoingView{}, "sent": SentView{}, "slip": SlipView{},
	"status": page.StatusView{}, "error": page.ErrorView{}, "password": page.PasswordView{}, "account": page.AccountView{}, "onward": page.OnwardView{}, "users": UsersView{}, "user": UserView{}, "check": CheckView{},
	"signs": SignsView{}, "sign": SignView{}, "certificate": CertificateView{}, "import": ImportView{}, "enter": EnterView{}, "groups": GroupsView{}, "find": FindView{}, "board": AdminView{}, "help": HelpView{}, "guide": GuideView{},
	"books": BooksView{}, "book": BookView{}, "bookline": BookLineView{}, "bookentry": BookEntryView{}, "workfiles": WorkFilesView{}, "workfile": WorkFileView{},
	"dossiers": DossiersView{}, "dossier": DossierView{}, "dossierchoose": ChooseView{}, "dossierreceive": ReceptionView{}, "dossierstats": DossierStatsView{},
	"mine": MineView{}, "lookup": LookUpView{}, "standin": StandInView{},
	"dossierbook": DossierBookView{},
}

func TestEveryViewRendersEmptyAndFullInBothLanguages(t *testing.T) {
	pagetest.Views(t, start(t, true, fixed).site.Site, views)
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
	scan(siteFiles, "templates/*.html")
	scan(page.Files(), "templates/*.html")
	scan(os.DirFS(".."), "web/page/*.go")
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
	b := start(t, false, fixed)
	pagetest.Assets(t, b.site.Site)
	v := b.as("lan")
	css, js := b.site.Assets()["app.css"], b.site.Assets()["app.js"]
	res, body := v.get(css)
	if res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || !strings.Contains(body, "body{") {
		t.Errorf("style sheet: %d, %q", res.StatusCode, res.Header.Get("Cache-Control"))
	}
	if res, _ := v.get("/tinh/app.000000.css"); res.StatusCode != http.StatusNotFound {
		t.Errorf("an old name gave %d", res.StatusCode)
	}
	req, _ := http.NewRequest(http.MethodGet, b.url+js, nil)
	req.Header.Set("Accept-Encoding", "gzip")
	packed, raw := v.do(req)
	if packed.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(raw, "\x1f\x8b") {
		t.Errorf("script was not packed: %v", packed.Header)
	}
	_, list := v.get("/van-ban-den")
	if total := len(list) + len(b.site.Asset(css)) + len(b.site.Asset(js)); total > 60<<10 {
		t.Errorf("first load of the list is %d bytes, at most 60 KB", total)
	}
}

// TestDenyList keeps what the oldest browsers of the offices do not know out
// of the scripts and the style sheets.
func TestDenyList(t *testing.T) {
	pagetest.OldBrowsers(t, siteFiles)
	pagetest.OldBrowsers(t, page.Files())
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

// TestColoursContrast holds text to 7:1 on what it stands on.
func TestColoursContrast(t *testing.T) {
	pairs := pagetest.Contrast(t, page.Files(), "assets/app.css") + pagetest.Contrast(t, siteFiles, "assets/paper.css")
	if pairs < 20 {
		t.Errorf("only %d pairs of colours found", pairs)
	}
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
