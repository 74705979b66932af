package v1

import (
	"mime"
	"testing"
)

// TestNamesOfFilesForEveryClient: a generated client that reads "filename" alone
// gets a name, one that reads "filename*" the right one.
func TestNamesOfFilesForEveryClient(t *testing.T) {
	for _, tc := range []struct{ name, want string }{
		{"a.pdf", `attachment; filename=a.pdf`},
		{"to trinh.pdf", `attachment; filename="to trinh.pdf"`},
		{"Tờ trình.PDF", `attachment; filename="to_trinh.pdf"; filename*=utf-8''T%E1%BB%9D%20tr%C3%ACnh.PDF`},
		{"Đơn \"1\"; 文.pdf", `attachment; filename="don__1____.pdf"; filename*=utf-8''%C4%90%C6%A1n%20%221%22%3B%20%E6%96%87.pdf`},
	} {
		got := disposition(tc.name)
		if got != tc.want {
			t.Errorf("%q is %s, want %s", tc.name, got, tc.want)
		}
		if _, params, err := mime.ParseMediaType(got); err != nil || params["filename"] != tc.name {
			t.Errorf("%q is read as %q, %v", tc.name, params["filename"], err)
		}
	}
}
