// Package i18n is Trạm's one catalogue of words that people read, Vietnamese
// first and English second.
//
// Each message stands once, both languages side by side, in messages/*.json:
//
//	"send.saved": {"vi": "Đã lưu lúc {time}.", "en": "Saved at {time}."}
//
// Messages are whole sentences with named placeholders, never pieces to be
// joined. An int or int64 in one is a count and written as [Count] does; a number that
// is a name, such as a document's, is given as text. The package promises that every key
// has both languages with the same placeholders (a test holds that) and that an unknown
// key shows itself instead of nothing.
package i18n

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Lang is a language of the catalogue.
type Lang string

// The two languages. The zero Lang reads as Vietnamese.
const (
	Vietnamese Lang = "vi"
	English    Lang = "en"
)

// Parse reads a language from a tag such as "en", "en_US.UTF-8" or "vi-VN".
// Anything that is not English is Vietnamese.
func Parse(tag string) Lang {
	if strings.HasPrefix(strings.ToLower(tag), "en") {
		return English
	}
	return Vietnamese
}

// Args are the values of a message's named placeholders.
type Args map[string]any

//go:embed messages/*.json
var files embed.FS

type message struct {
	Vi string `json:"vi"`
	En string `json:"en"`
}

var catalogue = mustLoad(files)

func mustLoad(fsys fs.FS) map[string]message {
	all := map[string]message{}
	names, err := fs.Glob(fsys, "messages/*.json")
	if err != nil {
		panic(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			panic(err)
		}
		var part map[string]message
		if err := json.Unmarshal(data, &part); err != nil {
			panic(fmt.Sprintf("i18n: %s: %v", name, err))
		}
		for key, m := range part {
			if _, dup := all[key]; dup {
				panic(fmt.Sprintf("i18n: %s: key %q stands twice", name, key))
			}
			all[key] = m
		}
	}
	return all
}

// Speaker is a value that has words in each language: [Said], a reason of a
// verdict.
type Speaker interface{ Text(lang Lang) string }

// T returns the message named key in lang with its placeholders filled in. A
// [Speaker] is said in lang, an int is a [Count], other values are formatted with
// fmt.Sprint. An
// unknown key is returned as it is.
func T(lang Lang, key string, args ...Args) string {
	m, ok := catalogue[key]
	if !ok {
		return key
	}
	text := m.Vi
	if lang == English {
		text = m.En
	}
	for _, a := range args {
		for name, value := range a {
			switch v := value.(type) {
			case nil:
				value = ""
			case Speaker:
				value = v.Text(lang)
			case int:
				value = Count(lang, int64(v))
			case int64:
				value = Count(lang, v)
			case json.Number: // of a [Said] that was kept
				if n, err := v.Int64(); err == nil {
					value = Count(lang, n)
				}
			}
			text = strings.ReplaceAll(text, "{"+name+"}", fmt.Sprint(value))
		}
	}
	return text
}

// Count writes a count with its thousands apart, from five digits on: "11.000" in
// Vietnamese, "11,000" in English, but "9999" in both.
func Count(lang Lang, n int64) string {
	text := strconv.FormatInt(n, 10)
	if n > -10_000 && n < 10_000 {
		return text
	}
	point := "."
	if lang == English {
		point = ","
	}
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + point + text[at:]
	}
	return text
}

// Has reports whether the catalogue knows key.
func Has(key string) bool {
	_, ok := catalogue[key]
	return ok
}

// Keys lists all keys, sorted.
func Keys() []string {
	return slices.Sorted(maps.Keys(catalogue))
}
