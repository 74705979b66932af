package v1

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"

	"tram/agent/i18n"
	"tram/agent/problem"
)

//go:embed templates/*
var templateFiles embed.FS

var referenceTemplates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(template.FuncMap{"lower": strings.ToLower, "prose": prose}).ParseFS(templateFiles, "templates/*.html"))
})

// prose shows what stands between backticks as code.
func prose(text string) template.HTML {
	parts := strings.Split(template.HTMLEscapeString(text), "`")
	for i := 1; i < len(parts)-1; i += 2 {
		parts[i] = "<code>" + parts[i] + "</code>"
	}
	return template.HTML(strings.Join(parts, ""))
}

// frame is what the layout of the pages for people needs.
type frame struct {
	Lang    i18n.Lang
	Title   string
	Style   string
	Version string
	Unit    Party
	Vi, En  string // addresses of this page in the languages
	Problem *problemView
	Tags    []tagView
	Schemas []schemaView
	Intro   []string
}

// T says a message of the catalogue.
func (f frame) T(key string) string { return i18n.T(f.Lang, key) }

type tagView struct {
	Name, Text string
	Operations []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Text, Scope, Example string
	Open                                            bool
	Parameters                                      []fieldView
	Bodies                                          []bodyView
	Answers                                         []answerView
}

type fieldView struct {
	Name, In, Type, Schema, Text string
	Needed                       bool
	Words                        []string
}

type bodyView struct{ Media, Schema, Text, Example string }

type answerView struct{ Status, Text, Schema, Media string }

type schemaView struct {
	Name, Text string
	Words      []string
	Fields     []fieldView
}

type problemView struct {
	Code, Message, Next, Other, OtherNext string
	Status                                int
}

// said is a text of the document in a language.
func said(o map[string]any, key string, lang i18n.Lang) string {
	if vi := text(o, "x-"+key+"-vi"); lang == i18n.Vietnamese && vi != "" {
		return vi
	}
	return text(o, key)
}

// reference shows the interface to people.
func (s *Server) reference(w http.ResponseWriter, r *http.Request) {
	f := s.frame(r)
	f.Title = f.T("api.page.title")
	f.Intro = strings.Split(said(object(s.spec.tree(), "info"), "description", f.Lang), "\n\n")
	for _, t := range list(s.spec.tree(), "tags") {
		tag, _ := t.(map[string]any)
		view := tagView{Name: text(tag, "name"), Text: said(tag, "description", f.Lang)}
		for _, op := range s.ops {
			if o := s.spec.operation(op.method, op.path); slices.Contains(list(o, "tags"), any(view.Name)) {
				view.Operations = append(view.Operations, s.operationView(op, o, f.Lang))
			}
		}
		f.Tags = append(f.Tags, view)
	}
	schemas := object(object(s.spec.tree(), "components"), "schemas")
	for _, name := range sortedKeys(schemas, nil) {
		f.Schemas = append(f.Schemas, s.schemaView(name, object(schemas, name), f.Lang))
	}
	s.page(w, r, "reference", f, http.StatusOK)
}

func (s *Server) operationView(op operation, o map[string]any, lang i18n.Lang) operationView {
	v := operationView{
		ID: op.id, Method: op.method, Path: Base + op.path, Summary: said(o, "summary", lang), Text: said(o, "description", lang),
		Scope: text(o, "x-scope"), Open: op.open,
	}
	for _, p := range list(o, "parameters") {
		param := s.spec.deref(p.(map[string]any))
		field := s.fieldView(text(param, "name"), object(param, "schema"), lang)
		field.In, field.Text, field.Needed = text(param, "in"), said(param, "description", lang), param["required"] == true
		v.Parameters = append(v.Parameters, field)
	}
	body := object(o, "requestBody")
	for _, media := range sortedKeys(object(body, "content"), nil) {
		content := object(object(body, "content"), media)
		b := bodyView{Media: media, Schema: schemaName(object(content, "schema")), Text: said(body, "description", lang)}
		if content["example"] != nil {
			example, _ := json.MarshalIndent(content["example"], "", "  ")
			b.Example = string(example)
		}
		v.Bodies = append(v.Bodies, b)
	}
	for _, status := range sortedKeys(object(o, "responses"), nil) {
		answer := s.spec.deref(object(object(o, "responses"), status))
		a := answerView{Status: status, Text: said(answer, "description", lang)}
		for media, content := range object(answer, "content") {
			a.Media, a.Schema = media, schemaName(object(content.(map[string]any), "schema"))
		}
		v.Answers = append(v.Answers, a)
	}
	v.Example = curl(op, v)
	return v
}

func schemaName(schema map[string]any) string {
	return strings.TrimPrefix(text(schema, "$ref"), "#/components/schemas/")
}

// fieldView describes a value: its type, and the schema that it is of.
func (s *Server) fieldView(name string, schema map[string]any, lang i18n.Lang) fieldView {
	f := fieldView{Name: name, Type: text(schema, "type"), Schema: schemaName(schema), Text: said(schema, "description", lang)}
	if f.Type == "array" {
		items := object(schema, "items")
		f.Type, f.Schema = "["+text(items, "type")+"]", schemaName(items)
		if f.Schema != "" {
			f.Type = "[ ]"
		}
	}
	if format := text(schema, "format"); format != "" {
		f.Type += " " + format
	}
	if f.Schema != "" && f.Text == "" {
		f.Text = said(s.spec.deref(schema), "description", lang)
	}
	for _, limit := range []string{"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default"} {
		if schema[limit] != nil {
			f.Words = append(f.Words, limit+" "+fmt.Sprint(schema[limit]))
		}
	}
	for _, word := range list(schema, "enum") {
		f.Words = append(f.Words, fmt.Sprint(word))
	}
	return f
}

func (s *Server) schemaView(name string, schema map[string]any, lang i18n.Lang) schemaView {
	v := schemaView{Name: name, Text: said(schema, "description", lang)}
	for _, word := range list(schema, "enum") {
		v.Words = append(v.Words, fmt.Sprint(word))
	}
	needed := list(schema, "required")
	properties := object(schema, "properties")
	for _, field := range sortedKeys(properties, needed) {
		f := s.fieldView(field, object(properties, field), lang)
		f.Needed = slices.Contains(needed, any(field))
		v.Fields = append(v.Fields, f)
	}
	return v
}

// curl shows a call on a command line.
func curl(op operation, v operationView) string {
	var b strings.Builder
	b.WriteString("curl ")
	switch op.method {
	case "GET":
	case "HEAD":
		b.WriteString("--head ")
	default:
		b.WriteString("-X " + op.method + " ")
	}
	if !op.open {
		b.WriteString(`-H "Authorization: Bearer $KEY" `)
	}
	query := ""
	for _, p := range v.Parameters {
		switch {
		case p.Needed && p.In == "header" && p.Name == "Idempotency-Key":
			b.WriteString(`-H "Idempotency-Key: $(uuidgen)" `)
		case p.Needed && p.In == "header" && p.Name == "Tus-Resumable":
			b.WriteString(`-H "Tus-Resumable: 1.0.0" `)
		case p.Needed && p.In == "header":
			b.WriteString(`-H "` + p.Name + `: …" `)
		case p.Needed && p.In == "query" && p.Name == "box":
			query = "?box=in"
		case p.Needed && p.In == "query":
			query = "?" + p.Name + "=an+binh"
		}
	}
	for _, body := range v.Bodies[:min(len(v.Bodies), 1)] {
		switch body.Media {
		case "application/json":
			compact := new(bytes.Buffer)
			_ = json.Compact(compact, []byte(body.Example)) // our own document
			b.WriteString("-H \"Content-Type: application/json\" \\\n  -d '" + compact.String() + "' ")
		case "multipart/form-data":
			b.WriteString("\\\n  -F 'document={\"to\":[\"000.12.35.H40\"],\"subject\":\"…\"};type=application/json' -F file=@cong-van.pdf ")
		default:
			b.WriteString(`-H "Content-Type: ` + body.Media + `" --data-binary @FILE `)
		}
	}
	b.WriteString(`"$TRAM` + v.Path + query + `"`)
	return b.String()
}

// problemPage explains a problem.
func (s *Server) problemPage(c *call) error {
	code := c.r.PathValue("code")
	if !slices.Contains(problemCodes(), code) {
		return problem.New(problem.NotFound, "api.no-problem", "code", i18n.Args{"code": shown(code)})
	}
	if c.params.Has("lang") {
		if _, err := oneOf("lang", c.params.Get("lang"), i18n.Vietnamese, i18n.English); err != nil {
			return err
		}
	}
	f := s.frame(c.r)
	f.Title = code
	p := problem.New(problem.Failed, code, "", nil)
	other := i18n.English
	if f.Lang == i18n.English {
		other = i18n.Vietnamese
	}
	f.Problem = &problemView{Code: code, Message: p.Message(f.Lang), Next: p.Next(f.Lang), Other: p.Message(other), OtherNext: p.Next(other), Status: statusOfCode[code]}
	s.page(c.w, c.r, "problem", f, http.StatusOK)
	return nil
}

// frame is the layout in the language of ?lang, else of the browser.
func (s *Server) frame(r *http.Request) frame {
	lang := language(r.Header.Get("Accept-Language"))
	if word := r.URL.Query().Get("lang"); word == string(i18n.Vietnamese) || word == string(i18n.English) {
		lang = i18n.Lang(word)
	}
	return frame{Lang: lang, Style: s.o.Style, Version: s.o.Version, Unit: Party(s.o.Unit), Vi: r.URL.Path + "?lang=vi", En: r.URL.Path + "?lang=en"}
}

// pagePolicy allows the two style sheets and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

func (s *Server) page(w http.ResponseWriter, r *http.Request, name string, f frame, status int) {
	var out bytes.Buffer
	if err := referenceTemplates().ExecuteTemplate(&out, name, f); err != nil {
		s.log.Error("page of the interface not made", "page", name, "error", err)
		http.Error(w, i18n.T(f.Lang, "problem.internal"), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Language", string(f.Lang))
	h.Set("Vary", "Accept-Language")
	h.Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(out.Bytes())
	}
}

func (s *Server) referenceStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	http.ServeFileFS(w, r, templateFiles, "templates/reference.css")
}
