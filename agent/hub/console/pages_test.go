package console

import (
	"context"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/web/account"
	"tram/agent/web/page"
	"tram/agent/web/page/pagetest"
)

// nobody has accounts: none is needed to look at pages.
type nobody struct{ page.Accounts }

func (nobody) Users(context.Context) ([]account.User, error) { return nil, nil }

func bare(t *testing.T) *page.Site {
	t.Helper()
	s, err := page.New(page.Options{Files: files, Accounts: nobody{}, Home: homePath, HomeText: "console.error.home", Lost: "console.lost"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryViewRendersEmptyAndFullInBothLanguages(t *testing.T) {
	views := pagetest.Own()
	views["overview"], views["devices"], views["device"], views["board"] = OverviewView{}, DevicesView{}, DeviceView{}, BoardView{}
	pagetest.Views(t, bare(t), views)
}

func TestAssetsKeepTheirBudgetAndSuitOldBrowsers(t *testing.T) {
	pagetest.Assets(t, bare(t))
	pagetest.OldBrowsers(t, files)
	if pagetest.Contrast(t, files, "assets/console.css") == 0 {
		t.Error("no colours found in the style sheet")
	}
}

// keyForm finds whole keys; those that code completes end in a dot.
var keyForm = regexp.MustCompile(`"((?:problem\.)?console\.[a-z0-9.-]*)"`)

func TestEveryTextKeyExistsAndEveryKeyIsUsed(t *testing.T) {
	used, prefixes := map[string]bool{}, []string{}
	dir := os.DirFS(".")
	var names []string
	for _, pattern := range []string{"*.go", "templates/*.html"} {
		found, err := fs.Glob(dir, pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("files for %s: %v, %v", pattern, found, err)
		}
		names = append(names, found...)
	}
	for _, name := range names {
		data, err := fs.ReadFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, m := range keyForm.FindAllStringSubmatch(string(data), -1) {
			key := m[1]
			switch {
			case strings.HasSuffix(key, "."):
				prefixes = append(prefixes, key)
			case key == "console.css":
			case !i18n.Has(key) && !i18n.Has("problem."+key):
				t.Errorf("%s uses %q, which the catalogue lacks", name, key)
			}
			used[key], used["problem."+key] = true, true
		}
	}
	for _, key := range i18n.Keys() {
		built := strings.HasSuffix(key, ".next") && used[strings.TrimSuffix(key, ".next")]
		for _, p := range prefixes {
			built = built || strings.HasPrefix(key, p)
		}
		if (strings.HasPrefix(key, "console.") || strings.HasPrefix(key, "problem.console.")) && !used[key] && !built {
			t.Errorf("nothing uses %q", key)
		}
	}
}
