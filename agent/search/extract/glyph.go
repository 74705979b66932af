package extract

import (
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/unicode/norm"
)

// marks are the accents in names of glyphs, as Adobe's list writes them behind a
// letter: "ecircumflexacute" is ế.
var marks = []struct{ name, mark string }{
	{"circumflex", "\u0302"}, {"breve", "\u0306"}, {"horn", "\u031b"}, {"dotbelow", "\u0323"}, {"hookabove", "\u0309"},
	{"acute", "\u0301"}, {"grave", "\u0300"}, {"tilde", "\u0303"}, {"dieresis", "\u0308"}, {"cedilla", "\u0327"}, {"caron", "\u030c"},
	{"ring", "\u030a"},
}

// glyphs are names that are neither a letter nor one with accents.
var glyphs = map[string]string{
	"space": " ", "nbspace": " ", "exclam": "!", "quotedbl": `"`, "numbersign": "#", "dollar": "$", "percent": "%", "ampersand": "&",
	"quotesingle": "'", "parenleft": "(", "parenright": ")", "asterisk": "*", "plus": "+", "comma": ",", "hyphen": "-", "minus": "-",
	"period": ".", "slash": "/", "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
	"eight": "8", "nine": "9", "colon": ":", "semicolon": ";", "less": "<", "equal": "=", "greater": ">", "question": "?", "at": "@",
	"bracketleft": "[", "backslash": `\`, "bracketright": "]", "underscore": "_", "braceleft": "{", "bar": "|", "braceright": "}",
	"quoteleft": "‘", "quoteright": "’", "quotedblleft": "“", "quotedblright": "”", "endash": "–", "emdash": "—", "ellipsis": "…",
	"bullet": "•", "dcroat": "đ", "Dcroat": "Đ", "dmacron": "đ", "Dmacron": "Đ", "eth": "ð", "Eth": "Đ", "dong": "₫", "fi": "fi", "fl": "fl",
	"ff": "ff", "ffi": "ffi", "ffl": "ffl", "degree": "°", "section": "§",
}

// glyphText is what a glyph of that name shows.
func glyphText(name string) (string, bool) {
	if t, ok := glyphs[name]; ok {
		return t, true
	}
	name, _, _ = strings.Cut(name, ".") // a variant of it
	if hex, ok := strings.CutPrefix(name, "uni"); ok && len(hex) >= 4 && len(hex)%4 == 0 {
		return hexText(hex)
	}
	if hex, ok := strings.CutPrefix(name, "u"); ok && len(hex) >= 4 && len(hex) <= 6 {
		if n, err := strconv.ParseUint(hex, 16, 32); err == nil {
			return string(rune(n)), true
		}
	}
	if name == "" || (name[0]|0x20) < 'a' || (name[0]|0x20) > 'z' {
		return "", false
	}
	text, rest := name[:1], name[1:]
	for rest != "" {
		found := false
		for _, m := range marks {
			if after, ok := strings.CutPrefix(rest, m.name); ok {
				text, rest, found = text+m.mark, after, true
				break
			}
		}
		if !found {
			return "", false
		}
	}
	return norm.NFC.String(text), true
}

func hexText(hex string) (string, bool) {
	var units []uint16
	for ; hex != ""; hex = hex[4:] {
		n, err := strconv.ParseUint(hex[:4], 16, 16)
		if err != nil {
			return "", false
		}
		units = append(units, uint16(n))
	}
	return string(utf16.Decode(units)), true
}
