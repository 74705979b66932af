package hotfolder

import (
	"path"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"tram/agent/fold"
)

const (
	messageExt = ".edxml"
	sidecarExt = ".tram.json"
	reasonExt  = ".loi.txt"
	maxName    = 255 // bytes of a name that file systems take
)

// role is what a file is by its name.
type role int

const (
	plainFile role = iota
	messageFile
	sidecarFile
	foreignFile // of a program that is not done with it, or ours: never taken
)

// Names under which programs write what is not yet a file, or never becomes one.
var (
	foreignStarts = []string{".", "~"}
	foreignEnds   = []string{".tmp", ".temp", ".part", ".partial", ".filepart", ".crdownload", ".download", ".swp", ".lock", "~", reasonExt}
	foreignNames  = []string{"thumbs.db", "desktop.ini"}
)

func roleOf(name string) role {
	lower := strings.ToLower(name)
	for _, s := range foreignStarts {
		if strings.HasPrefix(lower, s) {
			return foreignFile
		}
	}
	for _, s := range foreignEnds {
		if strings.HasSuffix(lower, s) {
			return foreignFile
		}
	}
	for _, s := range foreignNames {
		if lower == s {
			return foreignFile
		}
	}
	switch {
	case strings.HasSuffix(lower, messageExt):
		return messageFile
	case strings.HasSuffix(lower, sidecarExt):
		return sidecarFile
	}
	return plainFile
}

// find returns the name in a folder that a sidecar means: the same bytes, else
// the one that is the same text in another normal form, else but for capitals.
// Of several none is meant.
func find(wanted string, names []string) (string, bool) {
	same := []func(string) string{
		func(s string) string { return s },
		norm.NFC.String,
		func(s string) string { return strings.ToLower(norm.NFC.String(s)) },
	}
	for _, as := range same {
		found, count := "", 0
		for _, n := range names {
			if as(n) == as(wanted) {
				found = n
				count++
			}
		}
		if count > 0 {
			return found, count == 1
		}
	}
	return "", false
}

// numbered puts a number before the extension, from 2 on, and keeps the name
// as long as file systems take it with room for more bytes behind it.
func numbered(name string, n, room int) string {
	ext := path.Ext(name)
	for _, e := range []string{sidecarExt, messageExt} {
		if strings.HasSuffix(strings.ToLower(name), e) {
			ext = name[len(name)-len(e):]
		}
	}
	if len(ext) > 20 {
		ext = ""
	}
	stem, mark := name[:len(name)-len(ext)], ""
	if n > 1 {
		mark = " (" + strconv.Itoa(n) + ")"
	}
	return cutBytes(stem, maxName-room-len(ext)-len(mark)) + mark + ext
}

// cutBytes shortens text at a character.
func cutBytes(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// word makes a part of a file name of text: ASCII, so that every file system
// and program takes it.
func word(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9', r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '.', r == '-':
			return r
		}
		return '-'
	}, fold.String(text))
	return strings.Trim(cutBytes(text, most), ".-")
}
