package books

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/clock"
	"tram/agent/office"
	"tram/agent/register"
	"tram/storage"
	"tram/storage/sqlite"
)

func (d *desk) bytes(id int64) string {
	d.t.Helper()
	_, body, err := d.PDF(d.t.Context(), id)
	d.fatal(err)
	defer body.Close()
	data, err := io.ReadAll(body)
	d.fatal(err)
	return string(data)
}

func TestLinesOfTheTwoRegisters(t *testing.T) {
	d := newDesk(t)
	d.file(office.In, 1)
	d.file(office.Out, 5)
	in, out := d.sheets(register.Incoming), d.sheets(register.Outgoing)
	for _, c := range []struct {
		sheets []register.Sheet
		field  register.Field
		want   string
	}{
		{in, register.ArrivalNo, "01"}, {in, register.ArrivalDate, "23/11/2026"}, {in, register.Author, "Sở Nông nghiệp và Môi trường"},
		{in, register.CodeOf, "1/CV-UBND"}, {in, register.DocumentDate, "23/11/2026"}, {in, register.Receipt, ""},
		{in, register.TypeSubject, "Công văn. V/v rà soát, thống kê hộ nghèo, hộ cận nghèo theo chuẩn nghèo đa chiều giai đoạn 2026 - 2030"},
		{out, register.CodeOf, "05/QĐ-UBND"}, {out, register.Signer, "Nguyễn Thị Ánh Tuyết"}, {out, register.Copies, "3"}, {out, register.HandoverDate, "23/11/2026"},
		{out, register.Destination, "Ủy ban nhân dân tỉnh Tây Ninh; Sở Nông nghiệp và Môi trường; Công an xã Mỹ Hạnh"}, {out, register.CopyKeeper, "Văn thư"},
	} {
		if got := values(c.sheets, c.field); len(got) != 1 || got[0] != c.want {
			t.Errorf("%s is %q, want %q", c.field, got, c.want)
		}
	}
}

func TestNewLinesGoBehindThePrintedPages(t *testing.T) {
	d := newDesk(t)
	d.file(office.In, 1, 2, 4)
	first := d.printed(register.Incoming)
	if s := d.state(register.Incoming); s.Pages != 1 || s.Last != "04" || s.Pending != 0 || s.Printed != 3 || !s.LastAt.Equal(d.now) {
		t.Errorf("after the first print %+v", s)
	}
	_, err := d.Print(t.Context(), register.Incoming, 2026, "lan")
	wantProblem(t, err, "books.nothing-new")

	// 3 comes late, below a number that is printed.
	d.file(office.In, 5, 3)
	before := d.sheets(register.Incoming)[:1]
	second := d.printed(register.Incoming)
	if second.First != first.Last+1 || second.Lines != 2 {
		t.Errorf("the second print is %+v", second)
	}
	sheets := d.sheets(register.Incoming)
	if got := values(sheets, register.ArrivalNo); !slices.Equal(got, []string{"01", "02", "04", "03", "05"}) {
		t.Errorf("numbers are %v", got)
	}
	if before[0].Mark() != sheets[0].Mark() || sheets[1].Page != 2 || sheets[0].Closing == nil || sheets[1].Closing.FirstPage != 2 {
		t.Errorf("the printed page changed, or its follower is no new print: %+v", sheets[1].Mark())
	}
}

func TestAnOpenPrintIsFinishedFirst(t *testing.T) {
	d := newDesk(t)
	d.file(office.In, 1, 2)
	job := d.print(register.Incoming)
	d.file(office.In, 3)
	_, err := d.Print(t.Context(), register.Incoming, 2026, "lan")
	wantProblem(t, err, "books.print-open")
	_, err = d.NewVolume(t.Context(), register.Incoming, 2026, "lan")
	wantProblem(t, err, "books.print-open")
	if s := d.state(register.Incoming); s.Open == nil || s.Open.ID != job.ID || s.Pending != 1 || s.Pages != 1 {
		t.Fatalf("while a print is open %+v", s)
	}
	data := d.bytes(job.ID)
	_, err = d.Discard(t.Context(), job.ID, "lan")
	d.fatal(err)
	if s := d.state(register.Incoming); s.Open != nil || s.Pending != 3 || s.Pages != 0 {
		t.Fatalf("after it failed %+v", s)
	}
	if d.bytes(job.ID) != data {
		t.Error("the file of a print that failed is gone")
	}
	for content, want := range map[string]bool{data: true, "another": false} {
		if used, err := d.Uses(t.Context(), sha256.Sum256([]byte(content))); err != nil || used != want {
			t.Errorf("in use: %v, %v, want %v", used, err, want)
		}
	}
	again := d.printed(register.Incoming)
	if again.First != 1 || again.Lines != 3 {
		t.Errorf("the next print is %+v", again)
	}
	for range 2 {
		_, err = d.Confirm(t.Context(), again.ID, "lan")
		d.fatal(err)
	}
	_, err = d.Discard(t.Context(), again.ID, "lan")
	wantProblem(t, err, "books.print-over")
	_, err = d.Confirm(t.Context(), job.ID, "lan")
	wantProblem(t, err, "books.print-over")
	for action, want := range map[string]int{"books.print": 2, "books.print-failed": 1, "books.printed": 1} {
		if got := d.audited(action); got != want {
			t.Errorf("%d entries %s, want %d", got, action, want)
		}
	}
}

func TestCorrections(t *testing.T) {
	d := newDesk(t)
	ids := d.file(office.In, 1, 2)
	key := ids[0].String()
	correct := func(key, text string) {
		t.Helper()
		d.fatal(d.Correct(t.Context(), register.Incoming, 2026, key, text, "lan"))
	}
	correct(key, "Tác giả là UBND tỉnh")
	if got := values(d.sheets(register.Incoming), register.Remarks); got[0] != "\n23/11/2026: Tác giả là UBND tỉnh" && got[0] != "23/11/2026: Tác giả là UBND tỉnh" {
		t.Errorf("before it is printed Ghi chú says %q", got)
	}
	d.printed(register.Incoming)
	if s := d.state(register.Incoming); s.Pending != 0 {
		t.Errorf("a correction that is printed is pending: %+v", s)
	}
	correct(key, "Ngày văn bản là 20/11/2026")
	f, err := d.Line(t.Context(), register.Incoming, 2026, key)
	d.fatal(err)
	if f.Page != 1 || len(f.Notes) != 2 || f.Notes[1].By != "lan" {
		t.Errorf("found %+v", f)
	}
	sheets := d.sheets(register.Incoming)
	if n := values(sheets, register.ArrivalNo); !slices.Equal(n, []string{"01", "02", "01"}) {
		t.Errorf("numbers are %v", n)
	}
	if r := values(sheets, register.Remarks); r[2] != "Đính chính dòng đã in ở trang 1: Ngày văn bản là 20/11/2026" {
		t.Errorf("the correction says %q", r[2])
	}
	d.printed(register.Incoming)
	correct(noteKey(2), "Ngày văn bản là 21/11/2026")
	if r := values(d.sheets(register.Incoming), register.Remarks); r[3] != "Đính chính dòng đã in ở trang 2: Ngày văn bản là 21/11/2026" {
		t.Errorf("the correction of a correction says %q", r[3])
	}
	wantProblem(t, d.Correct(t.Context(), register.Incoming, 2026, key, "  ", "lan"), "books.no-note")
	wantProblem(t, d.Correct(t.Context(), register.Incoming, 2026, key, strings.Repeat("ă", MaxNote+1), "lan"), "books.long-note")
	wantProblem(t, d.Correct(t.Context(), register.Incoming, 2026, "x", "y", "lan"), "books.no-line")
}

func TestARecallAfterThePrintBecomesALine(t *testing.T) {
	d := newDesk(t)
	ids := d.file(office.Out, 1, 2)
	d.printed(register.Outgoing)
	d.update(func(tx *sqlite.Tx) error {
		_, err := tx.Exec(`INSERT INTO asks (document, kind, code_key, reason, actor, at, state) SELECT seq, 'recall', 'h40.0', 'nhầm', 'lan', ?, 'asked' FROM documents WHERE id = ?`, d.now, ids[1])
		return err
	})
	sheets := d.sheets(register.Outgoing)
	if r := values(sheets, register.Remarks); len(r) != 3 || r[1] != "" || r[2] != "Đính chính dòng đã in ở trang 1: Thu hồi ngày 23/11/2026" {
		t.Fatalf("Ghi chú says %q", r)
	}
	d.printed(register.Outgoing)
	if s := d.state(register.Outgoing); s.Pending != 0 || s.Pages != 2 {
		t.Errorf("it is printed again and again: %+v", s)
	}
}

func TestVolumes(t *testing.T) {
	d := newDesk(t)
	_, err := d.NewVolume(t.Context(), register.Incoming, 2026, "lan")
	wantProblem(t, err, "books.volume-empty")
	d.file(office.In, 1, 2)
	d.printed(register.Incoming)
	n, err := d.NewVolume(t.Context(), register.Incoming, 2026, "lan")
	d.fatal(err)
	if n != 2 {
		t.Errorf("the new volume is %d", n)
	}
	d.file(office.In, 3)
	job := d.printed(register.Incoming)
	if job.Volume != 2 || job.First != 1 {
		t.Errorf("the first print of it is %+v", job)
	}
	for volume, want := range map[int]string{1: "01 02", 2: "03"} {
		table, err := d.Table(t.Context(), register.Incoming, 2026, Selection{Volume: volume})
		d.fatal(err)
		var got []string
		for _, l := range table.Lines {
			got = append(got, l.Values[register.ArrivalNo])
		}
		if strings.Join(got, " ") != want || table.Volume.Number != volume {
			t.Errorf("volume %d has %v", volume, got)
		}
	}
	p, err := d.Preview(t.Context(), register.Incoming, 2026, Selection{Volume: 1}, 1, 10)
	d.fatal(err)
	if len(p.Sheets) != 1 || p.Sheets[0].Footer() != "Trang 1/1 · Quyển số 01" {
		t.Errorf("volume 1 shows %+v", p.Sheets)
	}
}

func TestBooksWrittenByHand(t *testing.T) {
	d := newDesk(t)
	day := dayOf(d.now)
	_, err := d.Write(t.Context(), register.Postal, Entry{Fields: map[register.Field]string{register.Remarks: strings.Repeat("x", MaxField+1)}}, "lan")
	for _, code := range []string{"books.no-day", "books.empty", "books.long"} {
		wantProblem(t, err, code)
	}
	fields := func(code string) map[register.Field]string {
		return map[register.Field]string{register.CodeOf: code, register.Destination: "Sở Nội vụ", register.Envelopes: "2"}
	}
	key, err := d.Write(t.Context(), register.Postal, Entry{Day: day, Fields: fields("12/UBND")}, "lan")
	d.fatal(err)
	_, err = d.Write(t.Context(), register.Postal, Entry{Key: key, Day: day, Fields: fields("12/UBND-VX")}, "lan")
	d.fatal(err)
	_, err = d.Write(t.Context(), register.Postal, Entry{Key: key, Day: day.AddDate(1, 0, 0), Fields: fields("12/UBND-VX")}, "lan")
	wantProblem(t, err, "books.entry-year")
	if got := values(d.sheets(register.Postal), register.CodeOf); !slices.Equal(got, []string{"12/UBND-VX"}) {
		t.Errorf("the book has %v", got)
	}
	d.printed(register.Postal)
	_, err = d.Write(t.Context(), register.Postal, Entry{Key: key, Day: day, Fields: fields("13/UBND")}, "lan")
	wantProblem(t, err, "books.printed")
	_, err = d.Write(t.Context(), register.Incoming, Entry{Day: day, Fields: map[register.Field]string{}}, "lan")
	wantProblem(t, err, "books.not-by-hand")
	_, err = d.Write(t.Context(), register.KeptCopies, Entry{Day: day, Fields: map[register.Field]string{register.UserOf: "Trần Văn An", register.CodeDate: "05/QĐ-UBND, 02/02/2026", register.Permission: "Chủ tịch"}}, "lan")
	d.fatal(err)
	if got := values(d.sheets(register.KeptCopies), register.DateOf); !slices.Equal(got, []string{"23/11/2026"}) {
		t.Errorf("the book of kept copies has %v", got)
	}
}

func TestReportsCount(t *testing.T) {
	d := newDesk(t)
	ids := d.file(office.In, 1, 2, 3, 4)
	at := func(day int) time.Time { return time.Date(2026, 11, day, 10, 0, 0, 0, clock.Vietnam) }
	d.seen = map[storage.ID]Followed{
		ids[0]: {Recipient: "Ông An", Deadline: at(20), Done: at(19), Reply: "15/UBND"},
		ids[1]: {Deadline: at(20), Done: at(21)}, ids[2]: {Deadline: at(22)},
	}
	d.make(signers{d.office})
	p, err := d.Preview(t.Context(), register.IncomingReport, 2026, Selection{}, 1, 10)
	d.fatal(err)
	got := map[register.TotalKind]int{}
	for _, total := range p.Totals {
		got[total.Of] = total.Count
	}
	for k, want := range map[register.TotalKind]int{register.TotalAll: 4, register.TotalDone: 2, register.TotalDoneLate: 1, register.TotalOpen: 2, register.TotalLate: 1} {
		if got[k] != want {
			t.Errorf("%s is %d, want %d", k, got[k], want)
		}
	}
	if n := values(d.sheets(register.FollowUp), register.ArrivalNo); !slices.Equal(n, []string{"01", "02", "03"}) {
		t.Errorf("the follow-up register has %v", n)
	}
	if r := values(d.sheets(register.Incoming), register.Recipient); r[0] != "Ông An" {
		t.Errorf("the register names %q", r)
	}
	d.file(office.Out, 1)
	out, err := d.Preview(t.Context(), register.OutgoingReport, 2026, Selection{From: at(23), To: at(23)}, 1, 10)
	d.fatal(err)
	if len(out.Totals) != 3 || out.Totals[1].Count != 1 || values(out.Sheets, register.Progress)[0] != "2/2 nơi đã tiếp nhận" {
		t.Errorf("the report on outgoing documents: %+v, %q", out.Totals, values(out.Sheets, register.Progress))
	}
	_, err = d.Preview(t.Context(), register.OutgoingReport, 2026, Selection{From: at(23), To: at(22)}, 1, 10)
	wantProblem(t, err, "books.period")
}

func TestWorkFiles(t *testing.T) {
	d := newDesk(t)
	in, out := d.file(office.In, 1, 2), d.file(office.Out, 7)
	_, err := d.SaveFile(t.Context(), File{Year: 2026, Code: strings.Repeat("x", MaxFileCode+1)}, "lan")
	for _, code := range []string{"books.file-long", "books.file-empty.title", "books.file-empty.retention", "books.file-empty.keeper"} {
		wantProblem(t, err, code)
	}
	f := File{Year: 2026, Code: "01/UB-VX", Title: "Phòng chống thiên tai", Retention: "10 năm", Keeper: "Văn thư"}
	id, err := d.SaveFile(t.Context(), f, "lan")
	d.fatal(err)
	f.Code = "01/ub - vx"
	_, err = d.SaveFile(t.Context(), f, "lan")
	wantProblem(t, err, "books.file-taken")
	f.Code = "02/UB-VX"
	other, err := d.SaveFile(t.Context(), f, "lan")
	d.fatal(err)
	for _, doc := range []storage.ID{out[0], in[0], in[1], in[0]} {
		d.fatal(d.PutIn(t.Context(), id, doc, "1", "lan"))
	}
	d.fatal(d.PutIn(t.Context(), other, in[0], "", "lan"))
	d.fatal(d.TakeOut(t.Context(), id, in[0], "lan"))
	_, table, err := d.Contents(t.Context(), id)
	d.fatal(err)
	var got []string
	for _, l := range table.Lines {
		got = append(got, l.Values[register.Ordinal]+" "+l.Values[register.CodeOf])
	}
	if !slices.Equal(got, []string{"01 07/GM-UBND", "02 2/GM-UBND"}) {
		t.Errorf("the file holds %q", got)
	}
	in1, err := d.FilesOf(t.Context(), in[0])
	d.fatal(err)
	if len(in1) != 1 || in1[0].ID != other {
		t.Errorf("a document is in %+v", in1)
	}
	list, err := d.Table(t.Context(), register.FileList, 2026, Selection{})
	d.fatal(err)
	if len(list.Lines) != 2 || list.Lines[0].Values[register.Period] != "23/11/2026" || list.Lines[0].Values[register.Serial] != "01" {
		t.Errorf("the list of files has %+v", list.Lines)
	}
	for _, format := range []Format{PDF, XLSX, DOCX} {
		data, err := d.ExportContents(t.Context(), id, format)
		d.fatal(err)
		if len(data) < 1000 {
			t.Errorf("%s has %d bytes", format, len(data))
		}
	}
	_, err = d.ExportContents(t.Context(), id, "odt")
	wantProblem(t, err, "books.format")
	wantProblem(t, d.PutIn(t.Context(), 99, in[0], "", "lan"), "books.no-file")
}

func TestNumbersAreInOrderSeriesBySeries(t *testing.T) {
	for text, want := range map[string]int{"15": 15, "015": 15, "15a": 15, "a15": 0, "": 0, "99999999999999999999": math.MaxInt} {
		if got := leading(text); got != want {
			t.Errorf("%q begins with %d, want %d", text, got, want)
		}
	}
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, clock.Vietnam) }
	entry := func(series string, number, at int) line {
		return line{Line: register.Line{Key: fmt.Sprintf("%s%d", series, number)}, series: series, number: number, day: day(at)}
	}
	for _, c := range []struct {
		name  string
		lines []line
		want  string
	}{
		{"none", nil, ""},
		{"one series, a number of an earlier day given late", []line{entry("", 1, 1), entry("", 3, 3), entry("", 2, 5)}, "1 2 3"},
		{"two beside each other by day", []line{entry("QĐ", 1, 1), entry("QĐ", 2, 4), entry("TB", 1, 2), entry("TB", 2, 9)}, "QĐ1 TB1 QĐ2 TB2"},
		{"days out of order within one", []line{entry("QĐ", 2, 1), entry("QĐ", 1, 8), entry("TB", 1, 2)}, "TB1 QĐ1 QĐ2"},
	} {
		var got []string
		for _, l := range inOrder(c.lines) {
			got = append(got, l.Key)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}
