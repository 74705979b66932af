package relay

import (
	"errors"
	"testing"
)

// FuzzParseNotice: what is taken is of a type that a hub acts on, and bounded.
func FuzzParseNotice(f *testing.F) {
	for _, seed := range []string{
		`{"v":1,"type":"undeliverable","document":"0192f3a4-5b6c-7d8e-9f00-112233445566","office":"H40.99","code":6,"at":"2026-11-22T08:00:00Z"}`,
		`{"v":1,"type":"passed","documents":["0192f3a4-5b6c-7d8e-9f00-112233445566"],"at":"2026-11-22T08:00:00Z"}`,
		`{"v":1,"type":"evidence","evidence":["UEsDBA=="]}`, `{"v":1,"type":"renewed","answer":"0oRD"}`, `{"v":1,"type":"published","published":{"store":"0192f3a4-5b6c-7d8e-9f00-112233445566","items":[]}}`, `{"v":2}`, `{"v":1,"type":"hm"}`, `{`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, err := parseNotice(payload)
		var bad *unreadable
		if errors.As(err, &bad) {
			return
		}
		if err != nil || n.Version != noticeVersion || len(n.Bundles) > idsPerReport || n.Type != typePassed && n.Type != typeUndeliverable && n.Type != typeEvidence && n.Type != typeRenewed && n.Type != typePublished {
			t.Errorf("taken: %+v (error %v)", n, err)
		}
	})
}
