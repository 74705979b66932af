// Package pagetest holds a site of pages to what every such site promises, in
// tests.
package pagetest

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tram/agent/i18n"
	"tram/agent/web/page"
)

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

// Own are the views of the pages that every site has.
func Own() map[string]any {
	return map[string]any{
		"signin": page.SignInView{}, "status": page.StatusView{}, "error": page.ErrorView{}, "password": page.PasswordView{}, "account": page.AccountView{}, "onward": page.OnwardView{},
	}
}

// Views executes every page of s with the zero value of its view, by name, and with a full one,
// in both languages.
func Views(t *testing.T, s *page.Site, views map[string]any) {
	t.Helper()
	for _, name := range s.Templates() {
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
				what := fmt.Sprintf("%s in %s, full %v", name, lang, full)
				if err := s.Template(name).ExecuteTemplate(&out, "layout", v.Interface()); err != nil {
					t.Errorf("%s: %v", what, err)
				}
				Markup(t, what, out.String())
			}
		}
	}
}

var (
	inline   = regexp.MustCompile(`(?i)<script(?:[^>]*)>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	outside  = regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	leftover = regexp.MustCompile(`\{[a-z_]+\}|ZgotmplZ|<no value>|&lt;nil&gt;|>(?:web|console)\.[a-z]|"(?:web|console)\.[a-z]|problem\.[a-z]`)
	jsWords  = regexp.MustCompile(`data-(remove|found|copying|refused)="[^"]*"`)
)

// Markup fails on inline code, foreign addresses, missing words and raw
// foreign text.
func Markup(t *testing.T, what, html string) {
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

// Assets holds the style sheets and scripts of s to their budgets, and to naming
// nobody else.
func Assets(t *testing.T, s *page.Site) {
	t.Helper()
	limits := map[string]int{"app.css": 12 << 10, "app.js": 10 << 10}
	for name, address := range s.Assets() {
		limit := limits[name]
		if limit == 0 {
			limit = 6 << 10
		}
		data := s.Asset(address)
		if len(data) > limit || len(data) < 200 {
			t.Errorf("%s has %d bytes, at most %d", name, len(data), limit)
		}
		if strings.Contains(string(data), "://") {
			t.Errorf("%s names another site", name)
		}
	}
}

var denied = regexp.MustCompile(`:has\(|color-mix|oklch|light-dark|text-wrap|popover|@scope|field-sizing|subgrid|withResolvers|toSorted|groupBy|AbortSignal\.(any|timeout)|toBase64|Intl\.Segmenter|DurationFormat|URL\.parse|ariaLabel|crypto\.subtle|randomUUID|navigator\.clipboard|serviceWorker|&\s*[.:{]\w`)

// OldBrowsers keeps what the oldest browsers of the offices do not know out of
// scripts and style sheets.
func OldBrowsers(t *testing.T, from fs.FS) {
	t.Helper()
	files, err := fs.Glob(from, "assets/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("assets: %v, %v", files, err)
	}
	for _, name := range files {
		data, err := fs.ReadFile(from, name)
		if err != nil {
			t.Fatal(err)
		}
		if m := denied.FindString(string(data)); m != "" {
			t.Errorf("%s uses %q", name, m)
		}
	}
}

var (
	cssRule  = regexp.MustCompile(`([^{}]+)\{([^{}]*)\}`)
	cssBack  = regexp.MustCompile(`(?:^|;)background:(#[0-9a-f]{3,6})`)
	cssColor = regexp.MustCompile(`(?:^|;)color:(#[0-9a-f]{3,6})`)
)

// Contrast holds text of a style sheet to 7:1 on its own background, or on white
// and the tinted row where a rule names none. It returns how many pairs of colours
// it has seen.
func Contrast(t *testing.T, from fs.FS, name string) int {
	t.Helper()
	data, err := fs.ReadFile(from, name)
	if err != nil {
		t.Fatal(err)
	}
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
	return pairs
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
