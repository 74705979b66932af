package page

import (
	"html/template"
	"strings"
	"testing"
	"testing/fstest"
)

// TestAPageHasThePartsThatItUsesAndNoOthers, however deep they are called.
func TestAPageHasThePartsThatItUsesAndNoOthers(t *testing.T) {
	base := template.Must(template.New("layout").Parse(`<main>{{template "main" .}}</main>
{{define "main"}}{{end}}{{define "a"}}A{{range .}}{{template "b"}}{{else}}{{template "c"}}{{end}}{{end}}{{define "b"}}B{{end}}{{define "c"}}C{{end}}
{{define "d"}}{{with .}}{{template "a" .}}{{end}}{{end}}{{define "unused"}}{{template "c"}}{{end}}`))
	from := fstest.MapFS{"p.html": {Data: []byte(`{{define "main"}}{{if .}}{{template "d" .}}{{end}}{{end}}{{define "rows"}}<b>{{template "b"}}</b>{{end}}`)}}
	p, err := pageOf(base, from, "p.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"layout": true, "main": true, "a": true, "b": true, "c": true, "d": true, "rows": true, "unused": false} {
		if got := p.Lookup(name) != nil; got != want {
			t.Errorf("%s is there: %v", name, got)
		}
	}
	var out strings.Builder
	if err := p.ExecuteTemplate(&out, "layout", []int{1, 2}); err != nil || !strings.Contains(out.String(), "<main>ABB</main>") {
		t.Errorf("%q %v", out.String(), err)
	}
	out.Reset()
	if err := p.ExecuteTemplate(&out, "rows", nil); err != nil || out.String() != "<b>B</b>" {
		t.Errorf("%q %v", out.String(), err)
	}
}
