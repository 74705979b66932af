package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/health/beat"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/console"
	"tram/agent/hub/fleet"
	"tram/storage/sqlite"
)

// benchConsoleCommand measures the province's console over a large fleet.
func benchConsoleCommand() *cobra.Command {
	b := bench{command: "tram-lab bench console"}
	cmd := &cobra.Command{
		Use: "console", Short: "Opens the console's pages of a hub with 11,000 offices; JSON lines", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.prints(cmd)
			if b.quick {
				b.command += " --quick"
			}
			return b.console(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&b.quick, "quick", false, "with a tenth of the offices")
	return cmd
}

// perCluster is how many offices one cluster has: as many as communes a province has.
const perCluster = 98

func (b *bench) console(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tram-bench-console-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	cfg := config.DefaultHub()
	cfg.Code, cfg.Name, cfg.Storage.Reserve = "H40", "UBND tỉnh Minh Sơn", 10*config.MB
	if _, err := ca.Init(dir, ca.Options{Code: cfg.Code, Name: cfg.Name, Enroll: cfg.EnrollEndpoints(), MQTT: cfg.MQTTEndpoints(), Hosts: []string{"127.0.0.1"}}); err != nil {
		return err
	}
	h, err := hub.Open(ctx, hub.Options{Dir: dir, Config: cfg, Version: "bench"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	offices := b.size(11_000, 1_100)
	if err := fillFleet(ctx, h, dir, offices); err != nil {
		return err
	}
	c := &clerk{}
	if c.pages, err = console.New(h.ConsoleOptions()); err != nil {
		return err
	}
	if err := c.signIn("truc"); err != nil {
		return err
	}
	return b.consolePages(c, offices)
}

// consolePages measures each page: how long the server takes for it when nothing is
// remembered of the page before, and what travels.
func (b *bench) consolePages(c *clerk, offices int) error {
	for _, p := range []timed{
		{"overview", "/tinh-hinh", "≤ 1000"}, {"devices, first page", "/thiet-bi", "≤ 300"}, {"devices to look at", "/thiet-bi?trang-thai=can-xem&xep=state", "≤ 300"},
		{"devices of a cluster", "/thiet-bi?cum=H40.7", "≤ 300"}, {"devices by a word", "/thiet-bi?tu=muong+77", "≤ 300"}, {"devices by name, downwards", "/thiet-bi?xep=-name", "≤ 300"},
		{"devices whose certificates end", "/thiet-bi?chung-thu=30&xep=certificate", "≤ 300"}, {"a device", "/thiet-bi/mot/H40.3.05", "≤ 300"},
	} {
		times, body := make([]time.Duration, b.size(11, 5)), []byte(nil)
		for i := range times {
			time.Sleep(hub.OverviewAge)
			begin := time.Now()
			var err error
			if body, err = c.get(p.path); err != nil {
				return err
			}
			times[i] = time.Since(begin)
		}
		slices.Sort(times)
		name := fmt.Sprintf("console, %s, of %d", p.what, offices)
		if err := errors.Join(
			b.figure(name+", server median", float64(times[len(times)/2].Microseconds())/1000, "ms", p.aim, ""),
			b.figure(name+", server p95", float64(times[len(times)*95/100].Microseconds())/1000, "ms", "", ""),
			b.figure(name+", travels", float64(zipped(body))/1024, "kB gz", "≤ 40", ""), b.figure(name+", HTML", float64(len(body))/1024, "kB", "", "")); err != nil {
			return err
		}
	}
	live, err := c.get("/tinh-hinh")
	if err != nil {
		return err
	}
	return b.figure("console, live payload", float64(zipped(live))/1024, "kB gz", "≤ 60", "")
}

func zipped(data []byte) int {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(data) // to memory
	_ = z.Close()
	return out.Len()
}

// fillFleet makes up offices in clusters, each with a heartbeat.
func fillFleet(ctx context.Context, h *hub.Hub, dir string, offices int) error {
	if _, err := h.AddUser(ctx, hub.NewAccount{Name: "truc", Role: "operator", Password: benchPassword}, "bench"); err != nil {
		return err
	}
	db, err := hub.OpenDB(ctx, dir, false, nil)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now()
	members := make([]fleet.Member, offices)
	sessions, beats := map[string]fleet.Change{}, map[string]fleet.Heard{}
	for i := range members {
		cluster := fmt.Sprintf("H40.%d", i/perCluster)
		code := fmt.Sprintf("%s.%02d", cluster, i%perCluster)
		members[i] = fleet.Member{Code: code, Name: fmt.Sprintf("UBND xã Mường %d", i), Parent: cluster, Kind: "xa", Enrolled: true}
		days, sim := 2+i%400, int64(i%900)<<20
		b := beat.Beat{Version: beat.Version, At: now, Software: fmt.Sprintf("tram 1.4.%d", i%4), Every: 300, Disk: beat.Disk{Free: int64(i%64) << 30, Days: &days},
			Clock: beat.Clock{Trusted: true, Offset: int64(i % 3000)}, Certificate: now.AddDate(0, 0, i%180),
			Queue: beat.Queue{Count: i % 5, Bytes: int64(i) << 9, Since: now.Add(-time.Duration(i%600) * time.Minute)}}
		if i%3 == 0 {
			b.Budget = &beat.Budget{Limit: 1 << 30, Used: sim}
		}
		beats[code], sessions[code] = fleet.Heard{At: now, Beat: b}, fleet.Change{Online: i%20 != 0, Software: b.Software}
	}
	f := h.Fleet()
	if err := errors.Join(f.Roster(ctx, members), f.Sessions(ctx, sessions), f.Heard(ctx, beats)); err != nil {
		return err
	}
	if err := db.Update(ctx, func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`UPDATE agents SET seen = ?1, since = ?1 WHERE online = 0`, sqlite.Millis(now.Add(-5*time.Hour)))
		if err == nil {
			_, err = tx.Exec(`UPDATE users SET temporary = 0`)
		}
		return err
	}); err != nil {
		return err
	}
	if _, err := f.Judge(ctx, now.Add(-24*time.Hour)); err != nil {
		return err
	}
	return nil
}

// signIn signs somebody in to the pages.
func (c *clerk) signIn(name string) error {
	form := httptest.NewRecorder()
	c.pages.ServeHTTP(form, httptest.NewRequest(http.MethodGet, "/dang-nhap", nil))
	token := regexp.MustCompile(`name="ma" value="([^"]*)"`).FindStringSubmatch(form.Body.String())
	if token == nil {
		return errors.New("the sign-in page has no token")
	}
	r := httptest.NewRequest(http.MethodPost, "/dang-nhap", strings.NewReader(url.Values{"ma": {token[1]}, "name": {name}, "password": {benchPassword}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, k := range form.Result().Cookies() {
		r.AddCookie(k)
	}
	rec := httptest.NewRecorder()
	c.pages.ServeHTTP(rec, r)
	c.cookies = rec.Result().Cookies()
	if len(c.cookies) == 0 {
		return fmt.Errorf("nobody was signed in: %d", rec.Code)
	}
	return nil
}
