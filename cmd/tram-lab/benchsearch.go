package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/search"
	"tram/agent/search/searchtest"
	"tram/storage/sqlite"
)

func benchSearchCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "search",
		Short: "Indexes made-up documents and searches them for what people type",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := bench{command: fmt.Sprintf("tram-lab bench search --count %d", count)}
			b.prints(cmd)
			return b.search(cmd.Context(), count)
		},
	}
	cmd.Flags().IntVar(&count, "count", 100_000, "documents")
	return cmd
}

// common are searches for words that very many documents have, alone, together
// and narrowed.
var common = []search.Query{
	{Text: "ubnd"}, {Text: "ủy ban nhân dân tỉnh"}, {Text: "uy ban nhan dan xa an binh"}, {Text: "quyết định"}, {Text: "báo cáo kết quả"},
	{Text: "nguyen van"}, {Text: "xa"}, {Text: "qd"}, {Text: "H40.12 nguyễn thị phượng"}, {Text: "quyết định phê duyệt tại xã"},
	{Text: "ubnd", Years: []int{2019}}, {Text: "xã", Types: []string{"BC"}, From: "2020-02-01", To: "2020-02-29"}, {Box: "out"},
}

// search measures the index over made-up documents of which one in four has a file
// with text, without the work of the office and of reading the files.
func (b *bench) search(ctx context.Context, count int) error {
	dir, err := os.MkdirTemp("", "tram-search-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := sqlite.Open(ctx, filepath.Join(dir, "office.db"), sqlite.Options{Schemas: []sqlite.Schema{search.Schema}})
	if err != nil {
		return err
	}
	defer db.Close()
	office := searchtest.Corpus{Documents: count, FileEvery: 4, FileText: 3000, Seed: 1}
	x := search.New(search.Options{DB: db, Source: office, Reader: searchtest.Reader{}})
	if err := b.indexing(ctx, x, db, count); err != nil {
		return err
	}
	return b.searching(ctx, x, office)
}

func (b *bench) indexing(ctx context.Context, x *search.Index, db *sqlite.DB, count int) error {
	running, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); _ = x.Run(running) }()
	defer func() { stop(); <-done }()
	begin := time.Now()
	var fields time.Duration
	for {
		s, err := x.State(ctx)
		if err != nil {
			return err
		}
		if s.Waiting == 0 && fields == 0 {
			fields = time.Since(begin)
		}
		if s.Waiting == 0 && s.Files == 0 {
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	all := time.Since(begin)
	if err := merged(ctx, x); err != nil {
		return err
	}
	var pages, size int64
	err := db.View(ctx, func(tx *sqlite.Tx) error {
		return tx.QueryRow(`SELECT page_count, page_size FROM pragma_page_count, pragma_page_size`).Scan(&pages, &size)
	})
	if err != nil {
		return err
	}
	if err := b.figure("documents that come into the index, half of the time at rest", float64(count)/fields.Seconds(), "1/s", "", ""); err != nil {
		return err
	}
	if err := b.figure("the same with the text of their files", float64(count)/all.Seconds(), "1/s", "", ""); err != nil {
		return err
	}
	return b.figure("size of the index and the kept texts, a document", float64(pages*size)/float64(count), "B", "", "")
}

// mergeTime is how long the index may take to join its segments.
const mergeTime = 5 * time.Minute

// merged waits until the index is as it is at rest.
func merged(ctx context.Context, x *search.Index) error {
	ctx, cancel := context.WithTimeout(ctx, mergeTime)
	defer cancel()
	for {
		due, err := x.MergeDue(ctx)
		if err != nil || !due {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("index not merged: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b *bench) searching(ctx context.Context, x *search.Index, office searchtest.Corpus) error {
	var typed, wide, plain []time.Duration
	missed := 0
	pairs := searchtest.Pairs()
	for _, p := range pairs {
		begin := time.Now()
		r, err := x.Search(ctx, search.Query{Text: p.Query, Facets: true})
		if err != nil {
			return err
		}
		typed = append(typed, time.Since(begin))
		hit, err := reaches(ctx, x, p, office, r)
		if err != nil {
			return err
		}
		if !hit {
			missed++
			fmt.Fprintf(b.log, "not found: %q in %q\n", p.Query, p.Subject)
		}
	}
	for _, q := range common {
		q.Facets = true
		took, err := searchTime(ctx, x, q)
		if err != nil {
			return err
		}
		fmt.Fprintf(b.log, "%8.1f ms  %+v\n", took.Seconds()*1000, q)
		wide = append(wide, took)
	}
	for _, q := range append(slices.Clone(common), asQueries(pairs)...) {
		took, err := searchTime(ctx, x, q)
		if err != nil {
			return err
		}
		plain = append(plain, took)
	}
	slices.Sort(plain)
	slices.Sort(typed)
	all := slices.Sorted(slices.Values(append(slices.Clone(typed), wide...)))
	for _, f := range []struct {
		name  string
		value float64
		unit  string
		aim   string
	}{
		{"search with facets, what people type, p95", at(typed, 0.95), "ms", "≤ 30"},
		{"search with facets, words that most documents have as well, p95", at(all, 0.95), "ms", "≤ 100"},
		{"search without facets, as the REST interface does, all of these, p95", at(plain, 0.95), "ms", "≤ 30"},
		{"the slowest search", at(all, 1), "ms", ""},
		{fmt.Sprintf("documents found of %d pairs", len(pairs)), 100 * float64(len(pairs)-missed) / float64(len(pairs)), "%", "= 100"},
	} {
		if err := b.figure(f.name, f.value, f.unit, f.aim, ""); err != nil {
			return err
		}
	}
	return nil
}

// searchTime is how long one search takes.
func searchTime(ctx context.Context, x *search.Index, q search.Query) (time.Duration, error) {
	begin := time.Now()
	_, err := x.Search(ctx, q)
	return time.Since(begin), err
}

func asQueries(pairs []searchtest.Pair) (all []search.Query) {
	for _, p := range pairs {
		all = append(all, search.Query{Text: p.Query})
	}
	return all
}

// at is a quantile of sorted times, in milliseconds.
func at(times []time.Duration, q float64) float64 {
	return times[min(len(times)-1, int(q*float64(len(times))))].Seconds() * 1000
}

// reaches looks for the document of a pair on all pages.
func reaches(ctx context.Context, x *search.Index, p searchtest.Pair, office searchtest.Corpus, r search.Result) (bool, error) {
	id, ok := office.ID(p.Subject)
	for ok {
		if slices.ContainsFunc(r.Hits, func(h search.Hit) bool { return h.ID == id }) {
			return true, nil
		}
		if r.Next == "" {
			break
		}
		var err error
		if r, err = x.Search(ctx, search.Query{Text: p.Query, After: r.Next, Limit: search.MaxLimit}); err != nil {
			return false, err
		}
	}
	return false, nil
}
