package config

import "testing"

func TestAStampAuthorityNeedsAnAddressAndAnAnchor(t *testing.T) {
	for _, c := range []struct {
		url, ca string
		good    bool
	}{
		{"", "", true},
		{"http://tsa.example.vn/ts", "tsa.pem", true},
		{"https://tsa.example.vn", "/etc/tsa.pem", true},
		{"http://tsa.example.vn", "", false},
		{"tsa.example.vn", "tsa.pem", false},
		{"ftp://tsa.example.vn", "tsa.pem", false},
		{"http://user:pass@tsa.example.vn", "tsa.pem", false},
	} {
		o := DefaultOffice()
		o.Stamp = Stamp{URL: c.url, CA: c.ca}
		if err := o.Validate(); (err == nil) != c.good {
			t.Errorf("%q with %q: %v", c.url, c.ca, err)
		}
	}
}
