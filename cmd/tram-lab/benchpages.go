package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/api"
	"tram/agent/api/appkey"
	"tram/agent/books"
	"tram/agent/compose"
	"tram/agent/connector"
	"tram/agent/handling"
	"tram/agent/httpd"
	"tram/agent/hub/registry"
	"tram/agent/office"
	"tram/agent/search"
	"tram/agent/search/searchtest"
	"tram/agent/stick"
	"tram/agent/support"
	"tram/agent/web"
	"tram/agent/web/account"
	"tram/storage"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
	"tram/sync/usb"
)

// benchPagesCommand measures the clerk's pages over a full office.
func benchPagesCommand() *cobra.Command {
	b := bench{command: "tram-lab bench pages"}
	cmd := &cobra.Command{
		Use: "pages", Short: "Opens the clerk's pages of an office with 100,000 documents; JSON lines", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.prints(cmd)
			if b.quick {
				b.command += " --quick"
			}
			return b.pages(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&b.quick, "quick", false, "with a tenth of the documents")
	return cmd
}

// clerk is somebody signed in to the pages of a full office.
type clerk struct {
	pages   http.Handler
	cookies []*http.Cookie
	corpus  searchtest.Corpus
	index   *search.Index
	bare    int // place of a document whose page needs no container
}

const benchPassword = "mật khẩu của phép đo"

func (b *bench) pages(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tram-bench-pages-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	documents := b.size(100_000, 10_000)
	db, err := agent.OpenDB(ctx, dir, sqlite.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	c, err := b.openPages(ctx, db, dir, documents)
	if err != nil {
		return err
	}
	if err := b.listPages(c, documents); err != nil {
		return err
	}
	if err := b.indexing(ctx, c.index, db, documents); err != nil {
		return err
	}
	return b.findPages(c, documents)
}

// timed is a page that is measured.
type timed struct{ what, path, aim string }

func (b *bench) listPages(c *clerk, documents int) error {
	for _, p := range []timed{
		{"work list", "/viec-can-lam", "≤ 30"},
		{"incoming, first page", "/van-ban-den", "≤ 30"},
		{"incoming, a page from the middle", "/van-ban-den?so=25001&sau=" + fmt.Sprint(documents/2), "≤ 30"},
		{"incoming, last page", "/van-ban-den?cuoi=1", "≤ 30"},
		{"incoming by arrival number", "/van-ban-den?xep=-so-den", "≤ 30"},
		{"incoming by arrival number, from the middle", "/van-ban-den?xep=-so-den&so=25001&sau=" + fmt.Sprint(documents/2), "≤ 30"},
		{"incoming by sender", "/van-ban-den?xep=noi", "≤ 30"},
		{"incoming by sender, from the middle", "/van-ban-den?xep=noi&so=25001&sau=" + fmt.Sprint(documents/2), "≤ 30"},
		{"incoming by symbol", "/van-ban-den?xep=ky-hieu", "≤ 30"},
		{"incoming by subject", "/van-ban-den?xep=trich-yeu", "≤ 30"},
		{"incoming by subject, from the middle", "/van-ban-den?xep=trich-yeu&so=25001&sau=" + fmt.Sprint(documents/2), "≤ 30"},
		{"incoming by subject, last page", "/van-ban-den?xep=trich-yeu&cuoi=1", "≤ 30"},
		{"incoming by urgency", "/van-ban-den?xep=-khan", "≤ 30"},
		{"incoming not accepted yet", "/van-ban-den?loc=chua-tiep-nhan", "≤ 30"},
		{"incoming of a type by subject", "/van-ban-den?loai=BC&xep=trich-yeu", "≤ 30"},
		{"incoming of a sender", "/van-ban-den?noi=H40.17", "≤ 30"},
		{"incoming of a sender by a part of the name", "/van-ban-den?noi=an+binh", "≤ 30"},
		{"incoming urgent of a year by symbol", "/van-ban-den?khan=2&nam=2019&xep=ky-hieu", "≤ 30"},
		{"incoming ordinary and returned, oldest first", "/van-ban-den?khan=0&loc=da-tra-lai&xep=ngay", "≤ 30"},
		{"incoming of a day", "/van-ban-den?tu=2/1/2019&den=2/1/2019", "≤ 30"},
		{"outgoing, first page", "/van-ban-di", "≤ 30"},
		{"outgoing, last page", "/van-ban-di?cuoi=1", "≤ 30"},
		{"outgoing not there yet", "/van-ban-di?loc=chua-toi", "≤ 30"},
		{"outgoing by recipient", "/van-ban-di?xep=noi", "≤ 30"},
		{"outgoing to an office", "/van-ban-di?noi=H40.31&xep=trich-yeu", "≤ 30"},
		{"outgoing by subject, from the middle", "/van-ban-di?xep=trich-yeu&so=9001&sau=" + fmt.Sprint(documents/2+1), "≤ 30"},
		{"outbox", "/hop-gui", "≤ 30"},
		{"a document", "/van-ban-den/" + c.corpus.At(c.bare).String(), "≤ 30"},
		{"search without a query", "/tim-kiem", "≤ 30"},
	} {
		if err := b.page(c, p.what, p.path, p.aim, documents); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) findPages(c *clerk, documents int) error {
	for _, p := range []timed{
		{"incoming with words", "/van-ban-den?chu=giai+phong+mat+bang&xep=noi", "≤ 100"},
		{"search for words", "/tim-kiem?q=giai+phong+mat+bang+duong+tinh", "≤ 100"},
		{"search for a code", "/tim-kiem?q=1234/ubnd", "≤ 100"},
		{"search for a name in files", "/tim-kiem?q=nguyen+thi+phuong", "≤ 100"},
		{"search for what most documents have", "/tim-kiem?q=ubnd", "≤ 100"},
		{"search for a beginning", "/tim-kiem?q=bao+cao+ke", "≤ 100"},
		{"search narrowed", "/tim-kiem?q=xa&hop=in&nam=2023&loai=BC&khan=1", "≤ 100"},
		{"search, newest first", "/tim-kiem?q=quyet+dinh&xep=moi", "≤ 100"},
	} {
		if err := b.page(c, p.what, p.path, p.aim, documents); err != nil {
			return err
		}
	}
	for _, p := range []struct{ what, path string }{
		{"work list", "/viec-can-lam"}, {"incoming", "/van-ban-den"}, {"outgoing", "/van-ban-di"}, {"search without a query", "/tim-kiem"}, {"results of a search", "/tim-kiem?q=giai+phong+mat+bang"},
	} {
		if err := b.firstLoad(c, p.what, p.path); err != nil {
			return err
		}
	}
	return b.recall(c)
}

// page measures how long the server takes for a page.
func (b *bench) page(c *clerk, what, path, aim string, documents int) error {
	times := make([]time.Duration, b.size(60, 30))
	for i := range times {
		begin := time.Now()
		if _, err := c.get(path); err != nil {
			return err
		}
		times[i] = time.Since(begin)
	}
	first := times[0]
	slices.Sort(times)
	fmt.Fprintf(b.log, "%8.1f ms p50 %8.1f ms p95 %8.1f ms first  %s\n", at(times, 0.5), at(times, 0.95), first.Seconds()*1e3, path)
	of := fmt.Sprintf("page: %s, of %d documents", what, documents)
	if err := b.figure(of+", p50", at(times, 0.5), "ms", "", ""); err != nil {
		return err
	}
	return b.figure(of+", p95", at(times, 0.95), "ms", aim, "")
}

// assetOf finds what a page loads from its own place.
var assetOf = regexp.MustCompile(`(?:href|src)="(/tinh/[^"]+)"`)

// firstLoad measures what a browser with nothing in its cache loads.
func (b *bench) firstLoad(c *clerk, what, path string) error {
	page, err := c.get(path)
	if err != nil {
		return err
	}
	raw, packed, requests := 0, 0, 0
	add := func(data []byte) error {
		var z bytes.Buffer
		w, err := gzip.NewWriterLevel(&z, gzip.BestCompression)
		if err != nil {
			return err
		}
		_, err = w.Write(data)
		raw, requests = raw+len(data), requests+1
		err = errors.Join(err, w.Close())
		packed += z.Len()
		return err
	}
	if err := add(page); err != nil {
		return err
	}
	for _, m := range assetOf.FindAllSubmatch(page, -1) {
		data, err := c.get(string(m[1]))
		if err == nil {
			err = add(data)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(
		b.figure("first load of "+what, float64(raw)/1024, "KiB", "≤ 60", ""),
		b.figure("first load of "+what+", gzip", float64(packed)/1024, "KiB", "≤ 25", ""),
		b.figure("requests of the first load of "+what, float64(requests), "", "≤ 5", ""))
}

// recall looks for the document of each pair as people do: on the first page of
// results, then narrowed by what they know of it, from page to page.
func (b *bench) recall(c *clerk) error {
	pairs := searchtest.Pairs()
	var times []time.Duration
	found, first := 0, 0
	for _, p := range pairs {
		id, ok := c.corpus.ID(p.Subject)
		if !ok {
			return fmt.Errorf("no document %q", p.Subject)
		}
		begin := time.Now()
		page, err := c.get("/tim-kiem?q=" + url.QueryEscape(p.Query))
		if err != nil {
			return err
		}
		times = append(times, time.Since(begin))
		hit := bytes.Contains(page, []byte(id.String()))
		if hit {
			first++
		} else if hit, err = c.narrowed(p.Query, id); err != nil {
			return err
		}
		if hit {
			found++
		} else {
			fmt.Fprintf(b.log, "not found: %q in %q\n", p.Query, p.Subject)
		}
	}
	slices.Sort(times)
	n := len(pairs)
	return errors.Join(
		b.figure(fmt.Sprintf("page: search for each of %d pairs, p95", n), at(times, 0.95), "ms", "≤ 100", ""),
		b.figure(fmt.Sprintf("documents on the first page, of %d pairs", n), 100*float64(first)/float64(n), "%", "", ""),
		b.figure(fmt.Sprintf("documents found on pages, of %d pairs", n), 100*float64(found)/float64(n), "%", "= 100", ""))
}

// narrowed looks for a document by year, type and box too.
func (c *clerk) narrowed(query string, id storage.ID) (bool, error) {
	d, err := c.corpus.Get(context.Background(), id)
	if err != nil {
		return false, err
	}
	path := "/tim-kiem?" + url.Values{"q": {query}, "nam": {d.Date[:4]}, "loai": {d.Type}, "hop": {string(d.Box)}, "gui": {d.From.Code}}.Encode()
	for path != "" {
		page, err := c.get(path)
		if err != nil || bytes.Contains(page, []byte(id.String())) {
			return err == nil, err
		}
		path = nextOf(page)
	}
	return false, nil
}

var nextLink = regexp.MustCompile(`rel="next" href="([^"]+)"`)

func nextOf(page []byte) string {
	if m := nextLink.FindSubmatch(page); m != nil {
		return html.UnescapeString(string(m[1]))
	}
	return ""
}

func (c *clerk) get(path string) ([]byte, error) {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for _, k := range c.cookies {
		r.AddCookie(k)
	}
	rec := httptest.NewRecorder()
	c.pages.ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Body)
	if err == nil && rec.Code != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, rec.Code, body[:min(len(body), 2000)])
	}
	return body, err
}

// quiet is a line and a queue without anything on it.
type quietQueue struct{}

func (quietQueue) First(context.Context, storage.ID) error { return nil }
func (quietQueue) IsFirst(storage.ID) bool                 { return false }

// names is the registry as the pages see it.
type names struct{ reg *registry.Registry }

func (n names) Lookup(_ context.Context, code string) (office.Party, error) {
	card, err := n.reg.Lookup(code)
	return office.Party{Code: card.Code, Name: card.Name}, err
}

func (n names) Search(context.Context, string, int) ([]office.Party, error) { return nil, nil }

// openPages fills an office and its index with made-up documents and signs a clerk
// in.
func (b *bench) openPages(ctx context.Context, db *sqlite.DB, dir string, documents int) (*clerk, error) {
	c := &clerk{corpus: searchtest.Corpus{Documents: documents, FileEvery: 4, FileText: 3000, Seed: 1}}
	id, err := lonelyIdentity()
	if err != nil {
		return nil, err
	}
	reg, err := registry.New(db, id.Device.Public(), registry.Options{})
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if c.bare, err = fillFromCorpus(ctx, db, c.corpus); err != nil {
		return nil, err
	}
	fmt.Fprintf(b.log, "%d documents filed in %v\n", documents, time.Since(begin).Round(time.Millisecond))
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1})
	if err != nil {
		return nil, err
	}
	desk, err := office.New(office.Options{DB: db, Queue: queue.New(db, blobs, queue.Options{}), Blobs: blobs, Registry: reg, Identity: id})
	if err != nil {
		return nil, err
	}
	c.index = search.New(search.Options{DB: db, Source: c.corpus, Reader: searchtest.Reader{}})
	begin = time.Now()
	if _, err := desk.Listing(ctx, office.Listing{Box: office.In, Sort: office.BySubject}); err != nil {
		return nil, err
	}
	if err := b.figure("documents of an older store that get their places in lists", float64(documents)/time.Since(begin).Seconds(), "1/s", "", ""); err != nil {
		return nil, err
	}
	return c, c.serve(ctx, db, dir, desk, blobs, reg)
}

// serve makes the pages of an office, and signs its clerk in.
func (c *clerk) serve(ctx context.Context, db *sqlite.DB, dir string, desk *office.Office, blobs *blob.Store, reg *registry.Registry) error {
	accounts, err := account.New(db, account.Options{})
	if err != nil {
		return err
	}
	if _, err := accounts.CreateUser(ctx, account.NewUser{Name: "vanthu", Display: "Văn thư", Role: account.Clerk, Password: benchPassword}); err != nil {
		return err
	}
	listener, err := httpd.Listen(httpd.Options{Address: "127.0.0.1:0", Files: desk, Alive: accounts.Alive})
	if err != nil {
		return err
	}
	defer listener.Close()
	up := web.Link{Up: true, Since: time.Now().Add(-time.Hour), Rate: 96 << 10}
	composing, err := compose.New(ctx, compose.Options{DB: db, Dir: filepath.Join(dir, "drafts")})
	if err != nil {
		return err
	}
	handled, err := handling.New(handling.Options{DB: db, Office: desk})
	if err != nil {
		return err
	}
	registers := books.New(books.Options{DB: db, Blobs: blobs, Source: desk, Heading: func() books.Heading { return books.Heading{Office: "UBND xã An Bình"} }})
	admin, sticks := unopened(db, dir)
	c.pages, err = web.New(web.Options{Composing: composing, Handling: handled, Books: registers, Admin: admin, Sticks: sticks, Papers: desk, Office: desk, Directory: names{reg}, Accounts: accounts, Link: func() web.Link { return up }, Queue: quietQueue{},
		Documents: listener.Documents(), Search: c.index, Config: web.Config{Unit: office.Party{Code: "H40.12", Name: "UBND xã An Bình"}, Version: "bench", UploadDir: filepath.Join(dir, "uploads")}})
	if err != nil {
		return err
	}
	return c.signIn("vanthu")
}

// unopened stands for what the pages that are measured do not ask.
func unopened(db *sqlite.DB, dir string) (web.Admin, web.Sticks) {
	errUnopened := errors.New("not a part of this measurement")
	return web.Admin{
			DB: db, Connectors: &connector.Host{}, Apps: &appkey.Store{}, Seals: struct{ web.Seals }{}, Aside: struct{ connector.Quarantine }{},
			Status:  func(context.Context) (api.Status, error) { return api.Status{}, errUnopened },
			Storage: func(context.Context) (web.Storage, error) { return web.Storage{}, errUnopened },
			Support: func(context.Context) []support.File { return nil },
		}, web.Sticks{
			Station: func() (usb.Station, error) { return nil, errUnopened }, Places: func() []stick.Place { return nil },
			Record: func(context.Context, string, string, string, map[string]string) error { return errUnopened }, Dir: filepath.Join(dir, "sticks"),
		}
}

// fillFromCorpus files the documents of a corpus, accepted but for the newest.
// The first incoming one, whose place is returned, has no seal and a file with
// content.
func fillFromCorpus(ctx context.Context, db *sqlite.DB, c searchtest.Corpus) (bare int, err error) {
	const part = 5000
	for ; ; bare++ {
		if d, err := c.Get(ctx, c.At(bare)); err != nil || d.Box == office.In {
			break
		}
	}
	for from := 0; from < c.Documents; from += part {
		err := db.Update(ctx, func(tx *sqlite.Tx) error {
			for i := from; i < min(c.Documents, from+part); i++ {
				d, err := c.Get(ctx, c.At(i))
				if err != nil {
					return err
				}
				if err := fileMadeUp(tx, d, c.Documents-i, i == bare); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return bare, nil
}

// fileMadeUp writes the rows of a document; left is how many are newer.
func fileMadeUp(tx *sqlite.Tx, d office.Document, left int, bare bool) error {
	to := office.Recipient{Party: office.Party{Code: "H40.12", Name: "UBND xã An Bình"}, State: d.State}
	if d.Box == office.Out {
		d.From, to.Party = to.Party, d.From
		if to.State == office.Arrived {
			to.State = office.Delivered
		}
		if left < 30 {
			to.State = office.Saved
		}
		d.State, d.Arrival = to.State, 0
	} else if d.State == office.Arrived && left > 200 {
		d.State = office.Accepted
	}
	if d.State != office.Accepted {
		d.Arrival = 0
	}
	res, err := tx.Exec(`INSERT INTO documents (id, box, state, urgency, from_code, from_name, subject, number, notation, type, type_name, date, edxml_id, size, created, expires, booked, arrival)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 120000, ?, ?, ?, ?)`,
		d.ID, string(d.Box), string(d.State), int(d.Urgency), d.From.Code, d.From.Name, d.Subject, d.Number, d.Notation, d.Type, d.TypeName, d.Date, d.EdXMLID,
		d.Created, d.Created.AddDate(0, 1, 0), d.Created.Year(), d.Arrival)
	if err != nil {
		return err
	}
	seq, err := res.LastInsertId()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO recipients (document, pos, code, code_key, name, state) VALUES (?, 0, ?, ?, ?, ?)`, seq, to.Code, registry.Key(to.Code), to.Name, string(to.State)); err != nil {
		return err
	}
	if d.Box == office.In && !bare {
		if _, err := tx.Exec(`INSERT INTO seals (document, verdict, reason, signer, name, signed_at, checked, issuer, serial) VALUES (?, 'passed', '', ?, ?, ?, ?, 'CA', '01')`,
			seq, d.From.Code, d.From.Name, d.Created, d.Created); err != nil {
			return err
		}
	}
	var inline any
	text := []byte(d.ID.String())
	if bare {
		inline = text
	}
	sum := sha256.Sum256(text)
	_, err = tx.Exec(`INSERT INTO attachments (document, idx, name, entry, media, size, sha256, inline) VALUES (?, 0, 'cong-van.txt', 'cong-van.txt', 'text/plain', ?, ?, ?)`,
		seq, len(text), sum[:], inline)
	return err
}
