package typeset

import (
	"strings"
	"testing"

	"github.com/go-fonts/liberation/liberationserifbold"
	"github.com/go-fonts/liberation/liberationserifitalic"
	"github.com/go-fonts/liberation/liberationserifregular"
	"github.com/signintech/gopdf/fontmaker/core"
)

// letters are all that Vietnamese is written with.
const letters = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệfghiìỉĩíịjklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvwxyỳỷỹýỵz"

func TestFontsHaveEveryVietnameseLetter(t *testing.T) {
	for f := range faceData {
		m := loaded()[f]
		for _, r := range letters + strings.ToUpper(letters) + "0123456789/-–…“”‘’·□₫[]()&%§•ŏĭƀčñ" {
			if m.of(r) <= 0 {
				t.Errorf("%s lacks %c", faceNames[f], r)
			}
		}
	}
}

// The paper looks as with Times New Roman only while the widths stay those of
// the font it was cut from, which is as wide.
func TestFontsAreAsWideAsTheirOriginals(t *testing.T) {
	for f, original := range [][]byte{liberationserifregular.TTF, liberationserifbold.TTF, liberationserifitalic.TTF} {
		var font core.TTFParser
		if err := font.ParseFontData(original); err != nil {
			t.Fatal(err)
		}
		compared := 0
		m := loaded()[f]
		for char, glyph := range font.Chars() {
			if got := m.of(rune(char)); got != absent {
				compared++
				if got != int(font.Widths()[glyph]) {
					t.Errorf("%s: %c is %d wide, not %d", faceNames[f], char, got, font.Widths()[glyph])
				}
			}
		}
		if compared < 450 || m.em != int(font.UnitsPerEm()) {
			t.Errorf("%s: %d characters compared, %d units", faceNames[f], compared, m.em)
		}
	}
}

func TestFacesHaveTheSameCharacters(t *testing.T) {
	all := loaded()
	for r := range rune(len(all[Regular].glyphs)) {
		for f := range all {
			if (all[f].of(r) == absent) != (all[Regular].of(r) == absent) {
				t.Errorf("%c is not in every face", r)
			}
		}
	}
}

func TestForeignTextIsCleaned(t *testing.T) {
	for name, c := range map[string][2]string{
		"decomposed accents":    {"Uy\u0309 ban nha\u0302n da\u0302n", "Uỷ ban nhân dân"},
		"control characters":    {"a\x00b\x07c\x1b[31m", "abc[31m"},
		"windows line ends":     {"một\r\nhai\rba", "một\nhai\nba"},
		"direction overrides":   {"phieu\u202Efdp.exe", "phieufdp.exe"},
		"zero width characters": {"Quyết\u200Bđịnh\uFEFF", "Quyếtđịnh"},
		"broken bytes":          {"a\xffb", "a\uFFFDb"},
		"tabs and edges":        {"\t x\ty \n", "x y"},
		"what XML cannot hold":  {"a\uFFFEb\uFFFF", "ab"},
	} {
		if got := Clean(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", name, got, c[1])
		}
	}
	long := Clean(strings.Repeat("ộ", MaxValue+1))
	if n := len([]rune(long)); n != MaxValue || !strings.HasSuffix(long, Omission) {
		t.Errorf("a long value has %d characters and ends %q", n, long[len(long)-10:])
	}
	if got := Printable("Hà Nội 😀 日"); got != "Hà Nội □ □" {
		t.Errorf("what the fonts lack is printed as %q", got)
	}
}

func TestWrapKeepsEveryCharacter(t *testing.T) {
	for name, text := range map[string]string{
		"words": "Quyết định về việc phê duyệt kế hoạch phòng, chống thiên tai", "a code": "12345678901234567890/QĐ-UBND-VX-TCKH-LĐTBXH/2026",
		"no break at all": strings.Repeat("Ư", 200), "one letter": "Ặ", "nothing": "", "lines": "một\n\nhai",
	} {
		for _, room := range []Length{MM(8), MM(110), MM(640)} {
			lines := Wrap(text, Regular, 10_000, room)
			if strings.Join(strings.Fields(strings.Join(lines, "")), "") != strings.Join(strings.Fields(text), "") {
				t.Errorf("%s in %d: %q", name, room, lines)
			}
			for _, line := range lines {
				if len([]rune(line)) > 1 && Width(line, Regular, 10_000) > room+tolerance {
					t.Errorf("%s: %q is wider than %d", name, line, room)
				}
			}
		}
	}
	if got := Wrap("128/QĐ-UBND", Regular, 10_000, MM(170)); len(got) != 2 || got[0] != "128/QĐ-" {
		t.Errorf("a code breaks as %q", got)
	}
}

// tolerance is what rounding down each word may add up to.
const tolerance Length = 20
