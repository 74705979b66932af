package docsign

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"tram/agent/i18n"
)

// line is one row of the report: a word of the catalogue and its value.
type line struct{ Key, Value string }

// section is a part of the report.
type section struct {
	Title string
	Lines []line
}

// sections lays a report out, the same for text and HTML.
func (r Report) sections(lang i18n.Lang) []section {
	first := section{Lines: []line{
		{"file", r.Name}, {"format", string(r.Format)}, {"size", fmt.Sprint(r.Size)}, {"SHA-256", r.SHA256},
		{"checked", Local(r.CheckedAt)},
		{"verdict", i18n.T(lang, "docsign.verdict."+string(r.Verdict()))},
		{"code", strings.TrimSpace(string(r.Indication) + " " + string(r.SubIndication))},
		{"reason", r.Reason.Text(lang)}, {"detail", r.Reason.Detail},
	}}
	all := []section{first}
	for i, s := range r.Signatures {
		all = append(all, s.section(lang, i+1, r.CheckedAt))
	}
	return all
}

func (s Signature) section(lang i18n.Lang, n int, checked time.Time) section {
	t := func(key string) string { return i18n.T(lang, "docsign."+key) }
	out := section{Title: fmt.Sprintf("%d. %s", n, t("kind."+string(s.Kind)))}
	add := func(key, value string) { out.Lines = append(out.Lines, line{key, value}) }
	add("signer", strings.Join(compact(s.Signer.Name, s.Signer.Title), " — "))
	add("organization", s.Signer.Organization)
	add("verdict", t("verdict."+string(s.Verdict())))
	add("code", strings.TrimSpace(string(s.Indication)+" "+string(s.SubIndication)))
	add("reason", s.Reason.Text(lang))
	if !s.Claimed.IsZero() {
		add("claimed", Local(s.Claimed))
	}
	if !s.Proven.IsZero() {
		add("proven", Local(s.Proven))
		add("proven_by", s.ProvenBy)
	}
	add("scope", strings.Join(append([]string{t("scope." + string(s.Scope.Kind))}, s.Scope.Parts...), "; "))
	if s.Scope.Revisions > 1 {
		add("revision", fmt.Sprintf("%d / %d", s.Scope.Revision, s.Scope.Revisions))
	}
	var later []string
	for _, c := range s.Scope.Changes {
		later = append(later, t("change."+c))
	}
	add("later", strings.Join(later, "; "))
	var names []string
	for _, p := range s.Chain {
		names = append(names, p.Name)
	}
	add("chain", strings.Join(names, " → "))
	for _, rev := range s.Revocation {
		add("revocation", rev.text(lang, checked))
	}
	add("algorithm", strings.Join(compact(s.Algorithm, s.Digest), ", "))
	add("detail", s.Reason.Detail)
	return out
}

func (r Revocation) text(lang i18n.Lang, checked time.Time) string {
	parts := compact(r.Certificate+": "+i18n.T(lang, "docsign.revocation."+string(r.Status)), r.Basis(lang))
	if !r.Issued.IsZero() {
		parts = append(parts, i18n.T(lang, "docsign.report.issued", i18n.Args{"date": Local(r.Issued), "span": i18n.Span(lang, checked.Sub(r.Issued))}))
	}
	return strings.Join(parts, ", ")
}

// Basis says in words what the status rests on: a list or an answer, and where
// it is from. It is "" when there is nothing.
func (r Revocation) Basis(lang i18n.Lang) string {
	place := r.Origin
	switch {
	case place == "":
	case place == OriginDocument, place == OriginNetwork:
		place = i18n.T(lang, "docsign.origin."+place)
	case strings.HasPrefix(place, "http://"), strings.HasPrefix(place, "https://"):
		place = i18n.T(lang, "docsign.origin.fetched", i18n.Args{"url": clip(place)})
	default:
		place = i18n.T(lang, "docsign.origin.file", i18n.Args{"file": clip(place)})
	}
	return strings.Join(compact(strings.ToUpper(r.Source), place), ", ")
}

func compact(all ...string) []string {
	var out []string
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// label is the word for a row; technical ones stand for themselves.
func label(lang i18n.Lang, key string) string {
	if key == "SHA-256" {
		return key
	}
	return i18n.T(lang, "docsign.report."+key)
}

// WriteText writes the report as lines of text in one language.
func WriteText(w io.Writer, r Report, lang i18n.Lang) error {
	var b bytes.Buffer
	for _, s := range r.sections(lang) {
		if s.Title != "" {
			fmt.Fprintf(&b, "\n%s\n", s.Title)
		}
		for _, l := range s.Lines {
			if l.Value != "" {
				fmt.Fprintf(&b, "  %s: %s\n", label(lang, l.Key), clip(l.Value))
			}
		}
	}
	_, err := b.WriteTo(w)
	return err
}

// page is the report as one page to be printed, Vietnamese and English side by
// side. It has no script and no style of its own, so that it stands under the
// strictest policy; [PageStyle] goes with it as a file or inside a style
// element.
var page = template.Must(template.New("report").Parse(`<article class="docsign docsign-{{.Verdict}}" lang="vi">
<h1>{{.Title}} <span lang="en">{{.TitleEn}}</span></h1>
{{range .Sections}}{{if .Title}}<h2>{{.Title}}</h2>
{{end}}<table>
{{range .Rows}}<tr><th scope="row">{{.Vi}}{{if ne .Vi .En}} <span lang="en">{{.En}}</span>{{end}}</th><td>{{.ValueVi}}{{if ne .ValueVi .ValueEn}} <span lang="en">{{.ValueEn}}</span>{{end}}</td></tr>
{{end}}</table>
{{end}}<p>{{.Official}} <span lang="en">{{.OfficialEn}}</span></p>
</article>
`))

// PageStyle is the style of the printed report.
const PageStyle = `.docsign{font:11pt/1.35 "Times New Roman",serif;max-width:190mm;margin:0 auto}.docsign h1{font-size:15pt}.docsign h2{font-size:12pt;margin:.8em 0 .3em}
.docsign table{border-collapse:collapse;width:100%}.docsign th{text-align:left;font-weight:normal;width:32%;vertical-align:top}.docsign td{overflow-wrap:anywhere}
.docsign th,.docsign td{border-bottom:.5pt solid #999;padding:1pt 4pt}.docsign span[lang=en]{color:#383f43;font-style:italic}
`

type row struct{ Vi, En, ValueVi, ValueEn string }

type pageSection struct {
	Title string
	Rows  []row
}

// WritePage writes the report in both languages as an HTML fragment, one
// article element.
func WritePage(w io.Writer, r Report) error {
	vi, en := r.sections(i18n.Vietnamese), r.sections(i18n.English)
	data := struct {
		Verdict                              Verdict
		Title, TitleEn, Official, OfficialEn string
		Sections                             []pageSection
	}{
		Verdict: r.Verdict(),
		Title:   i18n.T(i18n.Vietnamese, "docsign.report.title"), TitleEn: i18n.T(i18n.English, "docsign.report.title"),
		Official: i18n.T(i18n.Vietnamese, "docsign.report.official"), OfficialEn: i18n.T(i18n.English, "docsign.report.official"),
	}
	for i, s := range vi {
		one := pageSection{Title: s.Title}
		for j, l := range s.Lines {
			if l.Value != "" {
				one.Rows = append(one.Rows, row{label(i18n.Vietnamese, l.Key), label(i18n.English, l.Key), l.Value, en[i].Lines[j].Value})
			}
		}
		data.Sections = append(data.Sections, one)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, data); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err := b.WriteTo(w)
	return err
}
