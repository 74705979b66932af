package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/register"
)

func benchRegisterCommand() *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "register",
		Short: "Lays a year of register lines out on sheets and writes them as PDF, xlsx and docx",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := bench{command: fmt.Sprintf("tram-lab bench register --count %d", count)}
			b.prints(cmd)
			return b.registers(cmd.Context(), count)
		},
	}
	cmd.Flags().IntVar(&count, "count", 3_000, "lines of each book")
	return cmd
}

// registers measures the two registers that every office prints.
func (b *bench) registers(ctx context.Context, count int) error {
	for _, kind := range []register.Kind{register.Outgoing, register.Incoming} {
		book, err := register.Find(kind)
		if err != nil {
			return err
		}
		volume := register.Volume{Superior: "Ủy ban nhân dân tỉnh Minh Sơn", Office: "Ủy ban nhân dân xã An Bình", Place: "An Bình", Year: 2026, Number: 1}
		lines := registerLines(book, count)
		if err := b.register(ctx, book, volume, lines); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) register(ctx context.Context, book register.Book, volume register.Volume, lines []register.Line) error {
	what := fmt.Sprintf("%s register of %d lines: ", book.Kind, len(lines))
	var sheets []register.Sheet
	var pdf []byte
	table := register.Table{Book: book, Volume: volume, Lines: lines}
	for _, step := range []struct {
		name, aim string
		do        func() error
	}{
		{"laid out on sheets", "", func() (err error) {
			sheets, err = register.Paginate(book, volume, lines, register.Printed{})
			return err
		}},
		{"PDF", "", func() (err error) {
			pdf, err = register.Print{Cover: &register.Cover{Book: book, Volume: volume}, Sheets: sheets}.PDF()
			return err
		}},
		{"what was added since the last print, 20 lines", "≤ 30", func() error {
			last := sheets[0]
			for _, s := range sheets {
				if len(s.Rows) > 0 && s.Rows[len(s.Rows)-1].Key < lines[len(lines)-20].Key {
					last = s
				}
			}
			_, err := register.Paginate(book, volume, lines, last.Mark())
			return err
		}},
		{"xlsx", "", func() error { _, err := table.XLSX(); return err }},
		{"docx", "", func() error { _, err := table.DOCX(); return err }},
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		spent, heap, err := measured(step.do)
		if err != nil {
			return err
		}
		if err := b.figure(what+step.name, float64(spent.Microseconds())/1000, "ms", step.aim, ""); err != nil {
			return err
		}
		if err := b.figure(what+step.name+", heap in use at most", float64(heap)/(1<<20), "MiB", "", ""); err != nil {
			return err
		}
	}
	if err := b.figure(what+"pages", float64(len(sheets)), "", "", ""); err != nil {
		return err
	}
	return b.figure(what+"PDF", float64(len(pdf))/1e6, "MB", "", "")
}

// measured runs do and says how long it took, and how much heap was in use at
// most, looked at every few milliseconds.
func measured(do func() error) (time.Duration, uint64, error) {
	runtime.GC()
	var most atomic.Uint64
	look := func() {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		most.Store(max(most.Load(), m.HeapInuse))
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				look()
			case <-stop:
				return
			}
		}
	}()
	begin := time.Now()
	err := do()
	spent := time.Since(begin)
	close(stop)
	<-stopped
	look()
	return spent, most.Load(), err
}

// registerLines are lines as long as those of a commune's year.
func registerLines(book register.Book, count int) []register.Line {
	subjects := []string{
		"Quyết định về việc phê duyệt kế hoạch phòng, chống thiên tai và tìm kiếm cứu nạn trên địa bàn xã năm 2026", "Giấy mời họp giao ban tháng 6",
		"Công văn V/v rà soát, thống kê hộ nghèo, hộ cận nghèo theo chuẩn nghèo đa chiều giai đoạn 2026 - 2030",
		"Báo cáo kết quả thực hiện nhiệm vụ phát triển kinh tế - xã hội, bảo đảm quốc phòng, an ninh 6 tháng đầu năm và phương hướng, nhiệm vụ 6 tháng cuối năm 2026",
	}
	offices := []string{"Ủy ban nhân dân tỉnh Minh Sơn", "Sở Nông nghiệp và Môi trường; Văn phòng Ủy ban nhân dân tỉnh", "Công an xã An Bình"}
	lines := make([]register.Line, count)
	for i := range lines {
		day := register.Day(time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i*360/count))
		all := map[register.Field]string{
			register.CodeOf: register.Code(i+1, "QĐ-UBND"), register.DocumentDate: day, register.TypeSubject: subjects[i%len(subjects)], register.Signer: "Nguyễn Thị Ánh Tuyết",
			register.Destination: offices[i%len(offices)], register.CopyKeeper: "Văn thư", register.Copies: "12", register.HandoverDate: day, register.ArrivalDate: day,
			register.ArrivalNo: register.Number(i + 1), register.Author: offices[i%len(offices)], register.Recipient: "Trần Văn Thưởng",
		}
		lines[i] = register.Line{Key: fmt.Sprintf("%06d", i+1), Values: map[register.Field]string{}}
		for _, c := range book.Columns {
			if v := all[c.Field]; v != "" {
				lines[i].Values[c.Field] = v
			}
		}
	}
	return lines
}
