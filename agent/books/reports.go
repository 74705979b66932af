package books

import (
	"context"
	"strings"

	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/register"
)

// report are the lines and the totals of a report on the handling of documents.
func (b *Books) report(ctx context.Context, kind register.Kind, year int, sel Selection) ([]line, []register.Total, error) {
	if kind == register.OutgoingReport {
		return b.outgoingReport(ctx, year, sel)
	}
	docs, err := b.o.Source.Yearbook(ctx, office.In, year)
	if err != nil {
		return nil, nil, err
	}
	followed, err := b.followed(ctx, docs)
	if err != nil {
		return nil, nil, err
	}
	var lines []line
	count := map[register.TotalKind]int{}
	for _, d := range docs {
		f := followed[d.ID]
		l := followUp(d, f)
		if !sel.has(l) {
			continue
		}
		lines = append(lines, l)
		deadline := dayOf(f.Deadline)
		count[register.TotalAll]++
		switch {
		case !f.Done.IsZero():
			count[register.TotalDone]++
			if !deadline.IsZero() && dayOf(f.Done).After(deadline) {
				count[register.TotalDoneLate]++
			}
		default:
			count[register.TotalOpen]++
			if !deadline.IsZero() && b.today().After(deadline) {
				count[register.TotalLate]++
			}
		}
	}
	if b.o.Followed == nil {
		return lines, totals(count, register.TotalAll), nil
	}
	return lines, totals(count, register.TotalAll, register.TotalDone, register.TotalDoneLate, register.TotalOpen, register.TotalLate), nil
}

func totals(count map[register.TotalKind]int, of ...register.TotalKind) []register.Total {
	var all []register.Total
	for _, k := range of {
		all = append(all, register.Total{Of: k, Count: count[k]})
	}
	return all
}

// outgoingReport says of each document how far it came with its recipients; done
// is one that all of them have accepted.
func (b *Books) outgoingReport(ctx context.Context, year int, sel Selection) ([]line, []register.Total, error) {
	docs, err := b.o.Source.Yearbook(ctx, office.Out, year)
	if err != nil {
		return nil, nil, err
	}
	var lines []line
	count := map[register.TotalKind]int{}
	for _, d := range docs {
		full := b.outgoing(d, head{})
		if !sel.has(full) {
			continue
		}
		values := map[register.Field]string{register.Progress: progress(d.Document)}
		for _, f := range []register.Field{register.CodeOf, register.DocumentDate, register.TypeSubject, register.Destination, register.Remarks} {
			values[f] = full.Values[f]
		}
		full.Values = values
		lines = append(lines, full)
		count[register.TotalAll]++
		if d.State == office.Accepted || d.State == office.Issued {
			count[register.TotalDone]++
		} else if d.State != office.Withdrawn && d.State != office.Recalled {
			count[register.TotalOpen]++
		}
	}
	return inOrder(lines), totals(count, register.TotalAll, register.TotalDone, register.TotalOpen), nil
}

// progress counts the recipients of a document by how far it came with them.
func progress(d office.Document) string {
	count := map[office.State]int{}
	for _, r := range d.To {
		count[r.State]++
	}
	var parts []string
	for _, s := range []office.State{office.Accepted, office.Issued, office.Delivered, office.AtHub, office.Sending, office.Saved, office.Returned, office.Failed, office.Withdrawn, office.Recalled} {
		if n := count[s]; n > 0 {
			parts = append(parts, paper("state."+string(s), i18n.Args{"count": n, "all": len(d.To)}))
		}
	}
	return strings.Join(parts, "; ")
}
