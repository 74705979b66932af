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
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
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

// words is the catalogue. Of thousands of messages a program says some hundreds, so
// that at the start it is only looked up where each stands: reading them all took
// most of the time of a short command, and 2 MB of memory for good.
type words struct {
	files []io.ReaderAt
	at    map[string]place
	read  sync.Map // by key, the messages that were asked for
}

// place is where a message stands, in bytes of its file.
type place struct{ file, from, to uint32 }

func mustLoad(fsys fs.FS) *words {
	const about = 8192 // messages
	w := &words{at: make(map[string]place, about)}
	names, err := fs.Glob(fsys, "messages/*.json")
	if err != nil {
		panic(err)
	}
	for i, name := range names {
		f, err := fsys.Open(name)
		if err != nil {
			panic(err)
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			panic(err)
		}
		w.files = append(w.files, f.(io.ReaderAt)) // of the program: nothing is to be closed
		for key, span := range members(data) {
			if _, dup := w.at[key]; dup {
				panic(fmt.Sprintf("i18n: %s: key %q stands twice", name, key))
			}
			w.at[key] = place{uint32(i), uint32(span[0]), uint32(span[1])}
		}
	}
	return w
}

// members are the members of a JSON object whose values are objects, and where these
// begin and end. That the files are such is for a test.
func members(data []byte) iter.Seq2[string, [2]int] {
	return func(yield func(string, [2]int) bool) {
		depth, begin, key := 0, 0, ""
		var last []byte
		for i := 0; i < len(data); i++ {
			switch data[i] {
			case '"':
				end := i + 1
				for data[end] != '"' {
					if data[end] == '\\' {
						end++
					}
					end++
				}
				last, i = data[i+1:end], end
			case '{':
				if depth++; depth == 2 {
					key, begin = string(last), i
				}
			case '}':
				if depth--; depth == 1 && !yield(key, [2]int{begin, i + 1}) {
					return
				}
			}
		}
	}
}

// get is the message named key.
func (w *words) get(key string) (message, bool) {
	if m, ok := w.read.Load(key); ok {
		return m.(message), true
	}
	at, ok := w.at[key]
	if !ok {
		return message{}, false
	}
	data := make([]byte, at.to-at.from)
	var m message
	_, err := w.files[at.file].ReadAt(data, int64(at.from))
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		panic(fmt.Sprintf("i18n: %q: %v", key, err))
	}
	w.read.Store(key, m)
	return m, true
}

// Speaker is a value that has words in each language: [Said], a reason of a
// verdict.
type Speaker interface{ Text(lang Lang) string }

// T returns the message named key in lang with its placeholders filled in. A
// [Speaker] is said in lang, an int is a [Count], other values are formatted with
// fmt.Sprint. An
// unknown key is returned as it is.
func T(lang Lang, key string, args ...Args) string {
	m, ok := catalogue.get(key)
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
	_, ok := catalogue.at[key]
	return ok
}

// Keys lists all keys, sorted.
func Keys() []string {
	return slices.Sorted(maps.Keys(catalogue.at))
}
