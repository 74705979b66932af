package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tram/agent"
	"tram/agent/api/appkey"
	v1 "tram/agent/api/v1"
	"tram/agent/hub/registry"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/search"
	"tram/storage/blob"
	"tram/storage/queue"
	"tram/storage/sqlite"
)

// benchAPICommand measures the public interface over a full register.
func benchAPICommand() *cobra.Command {
	b := bench{command: "tram-lab bench api"}
	cmd := &cobra.Command{
		Use: "api", Short: "Lists and searches over the REST interface of a full office; JSON lines", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b.prints(cmd)
			if b.quick {
				b.command += " --quick"
			}
			return b.api(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&b.quick, "quick", false, "with a tenth of the documents and offices")
	return cmd
}

// fullOffice is an office with many documents, and its interface.
type fullOffice struct {
	db      *sqlite.DB
	handler http.Handler
	key     string
}

func (b *bench) api(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "tram-bench-api-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	documents, offices := b.size(100_000, 10_000), b.size(11_000, 1_100)
	fmt.Fprintf(b.log, "filling an office with %d documents and %d offices\n", documents, offices)
	o, err := openFullOffice(ctx, dir, documents, offices)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.db.Close()) }()
	for _, q := range []struct{ what, path string }{
		{"list 50", "/documents?box=in"},
		{"list 50 from the middle", "/documents?box=in&cursor="},
		{"list 50 of a type", "/documents?box=in&type=BC"},
		{"list 50 in two states", "/documents?box=out&state=returned&state=failed"},
		{"list 50 of a sender", "/documents?box=in&office=000.00.07.H40"},
		{"list 50 to a recipient", "/documents?box=out&office=000.00.07.H40"},
		{"list 50 of a number", "/documents?box=in&number=76&notation=UBND"},
		{"list 50 urgent", "/documents?box=in&urgency=hoa-toc"},
		{"list 50 filed in a month", "/documents?box=in&filed_from=2026-03-01T00:00:00Z&filed_until=2026-03-31T00:00:00Z"},
		{"list 50 of a register", "/registers/out/2026?limit=50"},
		{"search offices", "/offices?q=an+binh+7"},
		{"search offices by a part of a word", "/offices?q=bin"},
	} {
		if q.path, err = o.middle(q.path); err != nil {
			return err
		}
		p95, err := o.p95(q.path, b.size(400, 100))
		if err != nil {
			return err
		}
		if err := b.figure(fmt.Sprintf("REST: %s, of %d documents and %d offices, p95", q.what, documents, offices), p95.Seconds()*1e3, "ms", "≤ 30", ""); err != nil {
			return err
		}
	}
	return nil
}

// middle fills a cursor in that lies half way.
func (o *fullOffice) middle(path string) (string, error) {
	const end = "&cursor="
	if len(path) < len(end) || path[len(path)-len(end):] != end {
		return path, nil
	}
	plain := path[:len(path)-len(end)]
	next := ""
	for range 50 {
		at := plain + "&limit=500"
		if next != "" {
			at += end + next
		}
		body, err := o.get(at)
		if err != nil {
			return "", err
		}
		var page v1.DocumentPage
		if err := json.Unmarshal(body, &page); err != nil {
			return "", err
		}
		if page.Next == "" {
			break
		}
		next = page.Next
	}
	return plain + end + next, nil
}

func (o *fullOffice) get(path string) ([]byte, error) {
	r := httptest.NewRequest(http.MethodGet, v1.Base+path, nil)
	r.Header.Set("Authorization", "Bearer "+o.key)
	rec := httptest.NewRecorder()
	o.handler.ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Body)
	if err == nil && rec.Code != http.StatusOK {
		err = fmt.Errorf("GET %s: %d %s", path, rec.Code, body)
	}
	if err == nil && len(body) < 100 {
		err = fmt.Errorf("GET %s found nothing: %s", path, body)
	}
	return body, err
}

func (o *fullOffice) p95(path string, count int) (time.Duration, error) {
	times := make([]time.Duration, count)
	for i := range times {
		begin := time.Now()
		if _, err := o.get(path); err != nil {
			return 0, err
		}
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	return times[count*95/100], nil
}

func openFullOffice(ctx context.Context, dir string, documents, offices int) (*fullOffice, error) {
	db, err := agent.OpenDB(ctx, dir, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	blobs, err := blob.Open(filepath.Join(dir, "blobs"), blob.Options{MinFree: -1})
	if err != nil {
		return nil, err
	}
	id, err := lonelyIdentity()
	if err != nil {
		return nil, err
	}
	authority := id.Device
	reg, err := registry.New(db, authority.Public(), registry.Options{})
	if err != nil {
		return nil, err
	}
	if err := fillOffice(ctx, db, reg, authority, id.Age.Recipient().String(), documents, offices); err != nil {
		return nil, err
	}
	desk, err := office.New(office.Options{DB: db, Queue: queue.New(db, blobs, queue.Options{}), Blobs: blobs, Registry: reg, Identity: id})
	if err != nil {
		return nil, err
	}
	apps := appkey.New(db, appkey.Options{})
	_, key, err := apps.Create(ctx, appkey.NewApp{Name: "bench", Kind: appkey.Document, Rate: appkey.MaxRate})
	if err != nil {
		return nil, err
	}
	h, err := v1.New(v1.Options{DB: db, Blobs: blobs, Apps: apps, Office: desk, Directory: reg, Search: search.New(search.Options{DB: db, Source: desk})})
	return &fullOffice{db, h, string(key)}, err
}

// lonelyIdentity is that of an office that never speaks to a hub.
func lonelyIdentity() (*identity.Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "000.00.01.H40"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	own, err := age.GenerateX25519Identity()
	return &identity.Identity{
		Code: "000.00.01.H40", Name: "UBND xã Mẫu", Hub: "H40", Device: key, DeviceCert: cert, Seal: key, SealCert: cert, Age: own,
		Trust: identity.Trust{CA: cert, Authority: cert, Hub: "H40"},
	}, err
}

// fillOffice writes signed cards of offices, and rows of documents of two years.
func fillOffice(ctx context.Context, db *sqlite.DB, reg *registry.Registry, authority crypto.Signer, recipient string, documents, offices int) error {
	names := []string{"An Bình", "Tân Phú", "Hòa Lạc", "Minh Sơn", "Đông Hải", "Phú Thọ", "Yên Bái"}
	code := func(i int) string { return fmt.Sprintf("000.%02d.%02d.H40", i/100, i%100) }
	var cards [][]byte
	for i := range offices {
		card, err := registry.SignCard(registry.Card{
			Code: code(i), Name: fmt.Sprintf("UBND xã %s %d", names[i%len(names)], i), Kind: "xa", Parent: "H40", Serial: uint64(i + 1), Issued: time.Now(),
			Device: authority.Public(), Recipient: recipient,
		}, authority)
		if err != nil {
			return err
		}
		cards = append(cards, card)
	}
	states := map[string][]string{"in": {"accepted", "accepted", "accepted", "arrived", "returned"}, "out": {"delivered", "accepted", "accepted", "returned", "hub"}}
	kinds := []string{"CV", "CV", "CV", "QĐ", "BC", "KH", "TTr"}
	begin := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	return db.Update(ctx, func(tx *sqlite.Tx) error {
		if _, err := reg.Merge(tx, cards); err != nil {
			return err
		}
		for i := range documents {
			box := []string{"in", "out"}[i%2]
			at := begin.Add(time.Duration(i) * (2 * 365 * 24 * time.Hour / time.Duration(documents)))
			from, to := code(i%97), "000.00.01.H40"
			if box == "out" {
				from, to = to, from
			}
			if _, err := tx.Exec(`INSERT INTO documents (seq, id, box, state, urgency, from_code, from_name, subject, number, notation, type, type_name, date, edxml_id, size, created, expires, booked)
				VALUES (?, ?, ?, ?, ?, ?, 'UBND xã An Bình', 'V/v báo cáo tình hình thực hiện nhiệm vụ phát triển kinh tế - xã hội', ?, 'UBND', ?, 'Công văn', ?, ?, 120000, ?, ?, ?)`,
				i+1, uuid.New(), box, states[box][i/2%5], map[bool]int{true: 3}[i%501 == 1], from, fmt.Sprint(i%900), kinds[i/2%len(kinds)],
				at.Format(time.DateOnly), fmt.Sprintf("%s,%s,%d/UBND", from, at.Format("2006/01/02"), i), at, at.AddDate(0, 1, 0), at.Year()); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO recipients (document, pos, code, code_key, name, state) VALUES (?, 0, ?, ?, 'UBND xã Tân Phú', 'accepted')`, i+1, to, registry.Key(to)); err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO attachments (document, idx, name, entry, media, size, sha256) VALUES (?, 0, 'cong-van.pdf', 'cong-van.pdf', 'application/pdf', 120000, randomblob(32))`, i+1); err != nil {
				return err
			}
		}
		return nil
	})
}
