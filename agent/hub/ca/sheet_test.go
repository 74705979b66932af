package ca

import (
	"bytes"
	"html"
	"strings"
	"testing"

	"tram/agent/enroll/invite"
	"tram/agent/i18n"
)

func TestSheetShowsWhatPeopleCompareAndNoSecret(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	made[1].Raw = nil // an office that is enrolled has no slip
	page, err := Sheet(made, start)
	if err != nil {
		t.Fatal(err)
	}
	inv, err := invite.Parse(made[0].Raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{inv.Name, inv.Code, inv.ID.ShortCode(), invite.Words(inv.CA), invite.Fingerprint(inv.CA), "<svg", "break-inside: avoid",
		i18n.T(i18n.Vietnamese, "sheet.step.compare"), i18n.T(i18n.English, "sheet.step.compare")} {
		if !strings.Contains(html.UnescapeString(string(page)), want) {
			t.Errorf("the sheet lacks %q", want)
		}
	}
	if bytes.Contains(page, []byte("H40.02")) || bytes.Contains(page, []byte("<script")) || bytes.Contains(page, []byte("ZgotmplZ")) {
		t.Error("the sheet holds what it must not")
	}
	for name, secret := range map[string]string{"secret": string(inv.Secret[:]), "id": inv.ID.String()} {
		if strings.Contains(string(page), secret) {
			t.Errorf("the sheet holds the %s", name)
		}
	}
}
