package page

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// TokenField is the name of the hidden field that every form carries.
//
// The token is the second wall against requests that another site causes. The
// first, the standard library's cross-origin protection in httpd, judges by
// Sec-Fetch-Site and Origin, and lets a request pass that has neither, as old
// browsers send them.
const TokenField = "ma"

// FormToken is the token of the forms of a session, made from its cookie, or
// that of the visit before it. It gives nothing away about the cookie, and ends
// with it.
func FormToken(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("tram-form-1"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// FormToken is the token of this visitor's forms.
func (v *Visit) FormToken() string { return FormToken(v.secret) }

// RightToken compares in constant time.
func (v *Visit) RightToken(got string) bool {
	return v.secret != "" && hmac.Equal([]byte(got), []byte(FormToken(v.secret)))
}

// token is what the forms of the page carry. A browser that comes for the
// first time gets the cookie that the token is made from, so that nobody can
// sign a clerk in to another account behind her back.
func (s *Site) token(v *Visit) string {
	if v.secret == "" {
		v.secret = rand.Text()
		s.setCookie(v, s.visitCookie, v.secret, 0)
	}
	return FormToken(v.secret)
}
