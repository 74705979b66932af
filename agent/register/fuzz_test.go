package register

import (
	"strings"
	"testing"
)

// letters are all that Vietnamese is written with.
const letters = "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệfghiìỉĩíịjklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvwxyỳỷỹýỵz"

// tolerance is what rounding down each word may add up to.
const tolerance mpt = 20

func FuzzLayOut(f *testing.F) {
	for _, seed := range []string{"", letters, "=1+1", strings.Repeat("x/", 3000), "a\u0301\u202e\x00\xff", strings.Repeat("một hai ", 900)} {
		f.Add(seed)
	}
	b, _ := Find(Outgoing)
	f.Fuzz(func(t *testing.T, text string) {
		lines := []Line{{Key: "1", Values: map[Field]string{TypeSubject: text, Destination: text}}}
		sheets, err := Paginate(b, Volume{Office: text}, lines, Printed{})
		if err != nil || len(sheets) == 0 || len(sheets) > 2 {
			t.Fatalf("%d sheets, %v", len(sheets), err)
		}
		for _, s := range sheets {
			withinSheet(t, s)
		}
	})
}
