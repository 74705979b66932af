package fold

import (
	"testing"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

func TestString(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", ""},
		{"stroked d, small", "đ", "d"},
		{"stroked d, capital", "ĐƯỜNG", "duong"},
		{"old tone place", "Hoà Bình", "hoa binh"},
		{"new tone place", "Hòa Bình", "hoa binh"},
		{"all vowel signs", "ăâêôơư ắậếộớữ", "aaeoou aaeoou"},
		{"a whole name", "UBND xã Đường Liên Xã", "ubnd xa duong lien xa"},
		{"already folded", "duong lien xa", "duong lien xa"},
		{"white space", "  xã \t Kỳ\u00a0Sơn ", "xa ky son"},
		{"digits and codes", "H40.01-Đ", "h40.01-d"},
		{"Unicode hyphen and quotes stay", "“Sở” – 1", "“so” – 1"},
		{"other scripts keep their letters", "Москва 東京", "москва 東京"},
		{"invalid bytes do not panic", "a\xffb", "a\ufffdb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := String(tt.in); got != tt.want {
				t.Errorf("String(%q) = %q, want %q", tt.in, got, tt.want)
			}
			for _, form := range []norm.Form{norm.NFC, norm.NFD} {
				if got := String(form.String(tt.in)); got != tt.want {
					t.Errorf("form %d: String gave %q, want %q", form, got, tt.want)
				}
			}
		})
	}
}

func TestFoldingTwiceChangesNothing(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if unicode.In(r, unicode.Han, unicode.Hangul, unicode.Co) || r > 0x1ffff {
			continue // they fold to themselves, and are many
		}
		once := String(string(r))
		if twice := String(once); twice != once {
			t.Fatalf("%U: %q folds on to %q", r, once, twice)
		}
	}
}
