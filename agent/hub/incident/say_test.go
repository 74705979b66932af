package incident

import (
	"strings"
	"testing"
	"time"

	"tram/agent/i18n"
)

func TestEveryRuleAndSeverityHasWords(t *testing.T) {
	for _, code := range Codes() {
		for _, s := range []Summary{
			{ID: 1, Rule: code, Count: 1, Offices: []string{"H40.1"}, Scope: "Cụm A"},
			{ID: 1, Rule: code, Count: 20, Peak: 20, Total: 21, Group: &Group{GroupCarrier, "Cụm A", "Viettel"}, Urgent: 1, Documents: []Waiting{{Urgency: 3}}},
		} {
			for _, kind := range []NoticeKind{Alert, Update, Recovery, Digest} {
				n := Notice{Kind: kind, At: monday, Severity: Weekly, Incidents: []Summary{s}}
				for _, lang := range []i18n.Lang{i18n.Vietnamese, i18n.English} {
					if text := n.Text(lang, nil); strings.Contains(text, "incident.") || strings.Contains(text, "{") {
						t.Errorf("%s %s: %s", code, kind, text)
					}
				}
			}
		}
	}
	for _, s := range Severities {
		if !i18n.Has("incident.severity." + string(s)) {
			t.Errorf("%s has no word", s)
		}
	}
}

func TestAnOutageInWords(t *testing.T) {
	n := Notice{Kind: Alert, At: monday, Severity: Page, Incidents: []Summary{{
		ID: 12, Rule: GroupSilent, Severity: Page, Group: &Group{Kind: GroupCluster, Name: "KS"}, Total: 21, Count: 21, Peak: 21, Opened: monday,
		Offices: []string{"H40.1", "H40.2"}, Urgent: 3, Documents: []Waiting{{ID: "d1", From: "H40", Urgency: 3, Since: monday, Offices: 2}},
	}}}
	names := func(code string) string { return map[string]string{"KS": "Cụm Kỳ Sơn"}[code] + code }
	want := `[GỌI NGAY] Cụm Kỳ SơnKS: 21/21 đơn vị mất liên lạc từ 09:00 23/11/2026, nghi đường truyền

Sự cố số 12, từ 09:00 23/11/2026.
Đơn vị: H40.1, H40.2 và 19 đơn vị khác.
3 văn bản khẩn đang chờ các đơn vị này: gọi điện. Số điện thoại: tram-hub urgent
– Hỏa tốc, từ 09:00 23/11/2026, của H40, 2 đơn vị chưa nhận (d1)
`
	if got := n.Text(i18n.Vietnamese, names); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	n.Kind = Recovery
	n.Incidents[0].Recovered, n.Incidents[0].Drained, n.Incidents[0].Count = monday.Add(2*time.Hour), monday.Add(3*time.Hour), 0
	if got := n.Text(i18n.English, nil); !strings.Contains(got, "worked off at 12:00") || !strings.Contains(got, "21/21") {
		t.Error(got)
	}
}
