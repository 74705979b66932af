package fold

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// MaxSortKey bounds the letters of a text that count in its place in a list.
const MaxSortKey = 120

// Marks of Vietnamese letters, which make letters of their own: they come after
// the plain letter and before the next one of the alphabet. '{' and '|' are above
// 'z', so that "ă" comes after any word that begins with a.
var letterMark = map[rune]byte{'\u0306': '{', '\u0302': '{', '\u031b': '|'}

// toneRank is the order of tones: none, huyền, hỏi, ngã, sắc, nặng.
var toneRank = map[rune]byte{'\u0300': '1', '\u0309': '2', '\u0303': '3', '\u0301': '4', '\u0323': '5'}

// plainSign writes signs that people take for one another in one way.
var plainSign = map[rune]rune{'–': '-', '—': '-', '‐': '-', '‑': '-', '“': '"', '”': '"', '„': '"', '’': '\'', '‘': '\'', '{': '(', '}': ')', '|': '/', '~': '-'}

// SortKey puts text into Vietnamese order by plain comparison of bytes: letters
// by the alphabet (a ă â b c d đ e ê …), of equal letters those without a tone
// first, then huyền, hỏi, ngã, sắc, nặng. Capitals, Unicode form and what is
// beyond MaxSortKey letters do not count; the place of the tone mark does not
// either ("hoà", "hòa").
func SortKey(s string) string {
	var letters, tones strings.Builder
	n, space := 0, false
	tone := byte('0')
	last := rune(0) // the letter that a mark belongs to
	for _, r := range norm.NFD.String(strings.TrimSpace(s)) {
		if rank, ok := toneRank[r]; ok {
			tone = max(tone, rank)
			continue
		}
		if r >= firstMark && r <= lastMark {
			if mark, ok := letterMark[r]; ok && last != 0 {
				if last == 'a' && r == '\u0302' { // ă comes before â, of a alone
					mark = '|'
				}
				letters.WriteByte(mark)
			}
			continue
		}
		if n++; n > MaxSortKey {
			break
		}
		if unicode.IsSpace(r) {
			space = true
			continue
		}
		if r = unicode.ToLower(r); space || !unicode.IsLetter(r) {
			tones.WriteByte(tone) // one for each word
			tone = '0'
		}
		if space {
			letters.WriteByte(' ')
			space = false
		}
		if plain, ok := plainSign[r]; ok {
			r = plain
		}
		last = r
		if r == 'đ' {
			letters.WriteString("d{")
			continue
		}
		letters.WriteRune(r)
	}
	tones.WriteByte(tone)
	return letters.String() + "\x01" + strings.TrimRight(tones.String(), "0")
}
