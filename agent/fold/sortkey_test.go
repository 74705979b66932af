package fold

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

func TestSortKeyFollowsTheVietnameseAlphabet(t *testing.T) {
	order := []string{
		"", "12 thôn", "2 thôn", "An Bình", "an bình 2", "Anh Sơn", "Ấp Mới",
		"ba", "bà", "bả", "bã", "bá", "bạ", "băng", "bâng",
		"da cam", "dù", "Đà Nẵng", "đường", "e dè", "ê kíp", "hoa", "hòa", "o", "ô", "ơ", "u", "ư", "xã", "ỷ lại", "Yên Bái",
	}
	shuffled := slices.Clone(order)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	slices.SortFunc(shuffled, func(a, b string) int { return strings.Compare(SortKey(a), SortKey(b)) })
	if !slices.Equal(shuffled, order) {
		t.Errorf("order is\n%q\nwant\n%q", shuffled, order)
	}
	for _, same := range [][2]string{{"hoà", "hòa"}, {"ĐƯỜNG", "đường"}, {norm.NFD.String("Ế Ậ"), "ế ậ"}, {" xã  An ", "xã\u00a0An"}, {"2020–2025", "2020-2025"}} {
		if a, b := SortKey(same[0]), SortKey(same[1]); a != b {
			t.Errorf("%q and %q have different places", same[0], same[1])
		}
	}
}

// TestSortKeyAgreesWithUnicode compares with the collation of Unicode's locale
// data for Vietnamese, over words as they are written.
func TestSortKeyAgreesWithUnicode(t *testing.T) {
	unicodes := collate.New(language.Vietnamese, collate.IgnoreCase)
	initials := strings.Fields("b c ch d đ g gi h k kh l m n ng nh ph qu r s t th tr v x -")
	rhymes := strings.Fields("a à ả ã á ạ ă ằ ẳ ẵ ắ ặ â ầ ẩ ẫ ấ ậ an àn ang áng ăng ặng ân ấn e è é ẹ ê ề ế ệ ên ến i ì í ị o ò ó ọ ô ồ ố ộ ơ ờ ớ ợ on ôn ơn ong ông u ù ú ụ ư ừ ứ ự ung ưng ương ường y ý ỵ")
	r := rand.New(rand.NewPCG(3, 4))
	word := func() string {
		return strings.TrimPrefix(initials[r.IntN(len(initials))], "-") + rhymes[r.IntN(len(rhymes))]
	}
	phrase := func() string {
		words := make([]string, 1+r.IntN(3))
		for i := range words {
			words[i] = word()
		}
		return strings.Join(words, " ")
	}
	for range 20_000 {
		a, b := phrase(), phrase()
		if r.IntN(2) == 0 { // often the same letters with other tones
			a = String(b)
		}
		got, want := strings.Compare(SortKey(a), SortKey(b)), unicodes.CompareString(a, b)
		if got != want {
			t.Fatalf("%q and %q: %d, Unicode says %d", a, b, got, want)
		}
	}
}

func TestSortKeyIsBounded(t *testing.T) {
	if n := len(SortKey(strings.Repeat("Ưở ", 10_000))); n > 6*MaxSortKey {
		t.Errorf("the key of a long text has %d bytes", n)
	}
}
