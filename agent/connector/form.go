package connector

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Setting is one setting of a kind, for forms. Those of an object in the
// settings have its name and a dot before theirs.
type Setting struct {
	Name string
	Type SettingType
}

// SettingType says how a person enters a setting.
type SettingType string

// Types of settings.
const (
	Text   SettingType = "text"
	Number SettingType = "number"
	Toggle SettingType = "toggle"
	List   SettingType = "list" // one entry a line
)

// Form lists the settings of a kind, read from the type that it decodes them
// into.
func (k Kind) Form() []Setting {
	if k.Settings == nil {
		return nil
	}
	return form("", reflect.TypeOf(k.Settings))
}

func form(prefix string, t reflect.Type) (list []Setting) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" {
			continue
		}
		s := Setting{Name: prefix + name, Type: Text}
		switch f.Type.Kind() {
		case reflect.Bool:
			s.Type = Toggle
		case reflect.Int, reflect.Int64:
			s.Type = Number
		case reflect.Slice:
			s.Type = List
		case reflect.Struct:
			list = append(list, form(s.Name+".", f.Type)...)
			continue
		}
		list = append(list, s)
	}
	return list
}

// Fill makes settings of what a person entered; what is empty is left out. get
// gives the text of a setting.
func (k Kind) Fill(get func(name string) string) (json.RawMessage, error) {
	all := map[string]any{}
	var faults problem.List
	for _, s := range k.Form() {
		text := strings.TrimSpace(get(s.Name))
		if text == "" {
			continue
		}
		var value any = text
		switch s.Type {
		case Toggle:
			value = true
		case Number:
			n, err := strconv.Atoi(text)
			if err != nil {
				faults = append(faults, problem.New(problem.Usage, "connector.setting", s.Name, i18n.Args{"setting": s.Name, "value": text, "want": "0–9"}))
			}
			value = n
		case List:
			var words []string
			for line := range strings.Lines(text) {
				if word := strings.TrimSpace(line); word != "" {
					words = append(words, word)
				}
			}
			value = words
		}
		into, name := all, s.Name
		if group, rest, nested := strings.Cut(s.Name, "."); nested {
			inner, ok := all[group].(map[string]any)
			if !ok {
				inner = map[string]any{}
				all[group] = inner
			}
			into, name = inner, rest
		}
		into[name] = value
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return json.Marshal(all)
}
