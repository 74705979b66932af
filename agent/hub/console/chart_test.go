package console_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"tram/storage/sqlite"
)

// day has documents pass over the last day, with hours of which nothing is known.
func (w *world) day(ctx context.Context) {
	w.t.Helper()
	must(w.t, w.db.Update(ctx, func(tx *sqlite.Tx) error {
		now := tx.Now().Unix() / 3600
		for i := range int64(24) {
			if i == 7 || i == 8 {
				continue
			}
			for c, cluster := range clusters {
				_, err := tx.Exec(`INSERT INTO report_hours (hour, cluster, sent, received, waiting) VALUES (?, ?, ?, ?, ?)`, now-i, cluster, (i*7+int64(c))%13, (i*5+int64(c))%9, (i*3)%11+int64(c))
				if err != nil {
					return err
				}
			}
		}
		return nil
	}))
}

// TestTheLastDayIsDrawnAndSaidInATable, and an officer's is that of the cluster.
func TestTheLastDayIsDrawnAndSaidInATable(t *testing.T) {
	w := seeded(t)
	op := w.as("op")
	if _, body := op.get("/tinh-hinh"); !strings.Contains(body, "Chưa có số liệu của 24 giờ qua") || strings.Contains(body, `class="chart"`) {
		t.Error("nothing known is drawn")
	}
	w.day(t.Context())
	_, body := op.get("/tinh-hinh")
	_, chart, _ := strings.Cut(body, `class="hours"`)
	chart, _, _ = strings.Cut(chart, "</section>")
	if strings.Count(chart, "data-row") != 24 || strings.Count(chart, `class="c-line" d="M`) != 3 { // of which one is the sample
		t.Errorf("the chart: %s", chart)
	}
	now := time.Now().UTC().Truncate(time.Hour).Add(7 * time.Hour).Format("15:04 02/01")
	for _, want := range []string{
		"Tồn: 3 văn bản", // 0+1+2
		`data-label="Từ lúc">` + now + `</td><td role="cell" data-label="Gửi">3</td><td role="cell" data-label="Nhận">3</td><td role="cell" data-label="Tồn">3</td>`,
		`data-label="Gửi">0</td><td role="cell" data-label="Nhận">0</td><td role="cell" data-label="Tồn">–</td>`,
	} {
		if !strings.Contains(chart, want) {
			t.Errorf("the table lacks %q: %s", want, chart)
		}
	}
	if _, body := w.as("ky").get("/tinh-hinh"); !strings.Contains(body, "Tồn: 0 văn bản") {
		t.Error("an officer's chart is not that of the cluster")
	}
}
