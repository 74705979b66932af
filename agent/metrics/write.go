package metrics

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// format is how a set is written.
type format struct {
	open        bool // OpenMetrics
	contentType string
}

var (
	text = format{false, "text/plain; version=0.0.4; charset=utf-8"}
	open = format{true, "application/openmetrics-text; version=1.0.0; charset=utf-8"}
)

// write gives the set in a format, series by their labels.
func (f format) write(s *Set) []byte {
	var b bytes.Buffer
	for _, fam := range s.families {
		f.family(&b, fam)
	}
	if f.open {
		b.WriteString("# EOF\n")
	}
	return b.Bytes()
}

var (
	labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
)

func (f format) family(b *bytes.Buffer, fam *family) {
	name, kind, escapes := fam.Name, string(fam.Type), helpEscapes
	if f.open { // names families without the endings of their samples
		name, escapes = strings.TrimSuffix(strings.TrimSuffix(name, "_total"), "_info"), labelEscapes
	} else if fam.Type == Info {
		kind = string(Gauge)
	}
	b.WriteString("# HELP " + name + " " + escapes.Replace(fam.Help) + "\n# TYPE " + name + " " + kind + "\n")
	if f.open && fam.Unit != "" {
		b.WriteString("# UNIT " + name + " " + fam.Unit + "\n")
	}
	slices.SortFunc(fam.series, func(a, b *series) int { return slices.Compare(a.labels, b.labels) })
	for _, one := range fam.series {
		if one.hist == nil {
			sample(b, fam, "", one.labels, "", one.value)
			continue
		}
		sum := uint64(0)
		for i, n := range one.hist.counts {
			bound := "+Inf"
			if i < len(one.hist.bounds) {
				bound = canonical(one.hist.bounds[i])
			}
			sum += n
			sample(b, fam, "_bucket", one.labels, bound, float64(sum))
		}
		sample(b, fam, "_sum", one.labels, "", one.hist.sum)
		sample(b, fam, "_count", one.labels, "", float64(sum))
	}
}

// sample writes one line; bound is the upper one of a bucket.
func sample(b *bytes.Buffer, fam *family, ending string, values []string, bound string, value float64) {
	b.WriteString(fam.Name + ending)
	separator := byte('{')
	label := func(name, value string) {
		b.WriteByte(separator)
		b.WriteString(name + `="` + labelEscapes.Replace(strings.ToValidUTF8(value, "\ufffd")) + `"`)
		separator = ','
	}
	for i, name := range fam.Labels {
		label(name, values[i])
	}
	if bound != "" {
		label("le", bound)
	}
	if separator == ',' {
		b.WriteByte('}')
	}
	b.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// canonical writes a bound as OpenMetrics wants it, in both formats, so that series
// keep their names when a reader changes its format.
func canonical(bound float64) string {
	s := strconv.FormatFloat(bound, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// negotiate chooses the format that an Accept header likes best; text when it says
// nothing of either.
func negotiate(accept string) format {
	best, chosen := 0.0, text
	for part := range strings.SplitSeq(accept, ",") {
		params := strings.Split(part, ";")
		f, weight, version := text, 1.0, ""
		for _, p := range params[1:] {
			name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
			switch strings.ToLower(name) {
			case "q":
				if q, err := strconv.ParseFloat(value, 64); err == nil && q >= 0 && q <= 1 {
					weight = q
				}
			case "version":
				version = strings.Trim(value, `"`)
			}
		}
		switch strings.ToLower(strings.TrimSpace(params[0])) {
		case "application/openmetrics-text":
			if f = open; version != "" && version != "1.0.0" {
				continue
			}
		case "text/plain":
			if version != "" && version != "0.0.4" {
				continue
			}
		default:
			continue
		}
		if weight > best {
			best, chosen = weight, f
		}
	}
	return chosen
}
