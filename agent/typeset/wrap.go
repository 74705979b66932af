package typeset

import (
	"strings"
	"unicode/utf8"
)

// Wrap breaks text into lines of at most room. It breaks between words; a word
// that is wider than a line is broken behind a slash or hyphen, or else
// anywhere. There is at least one line.
func Wrap(text string, f Face, size, room Length) []string {
	var lines []string
	for part := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapPart(part, f, size, room)...)
	}
	return lines
}

func wrapPart(text string, f Face, size, room Length) []string {
	var lines []string
	line, used := "", Length(0)
	space := Width(" ", f, size)
	for word := range strings.FieldsSeq(text) {
		w := Width(word, f, size)
		if line != "" && used+space+w <= room {
			line, used = line+" "+word, used+space+w
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		pieces := breakWord(word, f, size, room)
		lines = append(lines, pieces[:len(pieces)-1]...)
		line = pieces[len(pieces)-1]
		used = Width(line, f, size)
	}
	return append(lines, line)
}

// breakWord breaks a word into pieces that each fit, at least one.
func breakWord(word string, f Face, size, room Length) []string {
	var pieces []string
	for Width(word, f, size) > room {
		fits, nice := 0, 0
		for i, r := range word {
			end := i + utf8.RuneLen(r)
			if Width(word[:end], f, size) > room {
				break
			}
			fits = end
			if strings.ContainsRune("/-–,;._@", r) {
				nice = end
			}
		}
		switch {
		case nice > 0:
			fits = nice
		case fits == 0: // not even one character: it must go somewhere
			_, fits = utf8.DecodeRuneInString(word)
		}
		if fits == len(word) {
			break
		}
		pieces = append(pieces, word[:fits])
		word = word[fits:]
	}
	return append(pieces, word)
}
