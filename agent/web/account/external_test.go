package account

import (
	"testing"
	"unicode/utf8"
)

func TestNamesOfAProviderBecomeNamesOfAccounts(t *testing.T) {
	for claim, want := range map[string]string{
		"lan.nguyen": "lan.nguyen", "Lan@tinh.gov.vn": "lan-tinh.gov.vn", `TINH\lan`: "tinh-lan", "Nguyễn Thị Lan": "nguyen-thi-lan", "Đỗ": "do",
		"": "person", "a": "person", "-._": "person", "日本": "person", "<script>": "script", "../../etc": "etc",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6": "f81d4fae-7dec-11d0-a765-00a0",
	} {
		if got := externalName(claim); got != want {
			t.Errorf("%q became %q, want %q", claim, got, want)
		}
	}
}

func FuzzExternalName(f *testing.F) {
	f.Add("Nguyễn Thị Lan", "lan@tinh.gov.vn")
	f.Add("\u202eadmin\x00", "\xff")
	f.Fuzz(func(t *testing.T, display, name string) {
		got := externalName(name)
		if !nameForm.MatchString(got) || len(got) > cutName {
			t.Errorf("%q became %q", name, got)
		}
		if shown := shown(External{Display: display, Name: name}); shown == "" || !utf8.ValidString(shown) || utf8.RuneCountInString(shown) > maxDisplay {
			t.Errorf("%q is shown as %q", display, shown)
		}
	})
}
