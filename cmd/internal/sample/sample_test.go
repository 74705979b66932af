package sample

import (
	"bytes"
	"testing"
)

func TestPDFHasAboutTheSizeAskedFor(t *testing.T) {
	l := Letter{Office: "UBND XÃ A", Number: "01/UBND-VP", Place: "A", Date: "ngày 22 tháng 11 năm 2026", Subject: "V/v thử", Body: []string{"Kính gửi: Ủy ban nhân dân xã B."}, Signer: "Nguyễn Văn A"}
	for _, size := range []int64{0, 1 << 20, 5 << 20} {
		data, err := PDF(l, size, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(data, []byte("%PDF-")) {
			t.Fatal("no PDF")
		}
		got := int64(len(data))
		t.Logf("asked for %d bytes, got %d", size, got)
		if size > 0 && (got < size*9/10 || got > size+(1<<20)) {
			t.Errorf("asked for %d bytes, got %d", size, got)
		}
	}
}

func TestSmallPDFHasExactlyTheSizeAskedFor(t *testing.T) {
	for _, size := range []int{1000, 5000, 32 << 10} {
		if got := len(SmallPDF(size, 7)); got != size {
			t.Errorf("asked for %d bytes, got %d", size, got)
		}
	}
	if bytes.Equal(SmallPDF(1000, 1), SmallPDF(1000, 2)) {
		t.Error("two seeds gave the same file")
	}
}

func TestSetIsComplete(t *testing.T) {
	set, err := Set("H40.12", "UBND xã An Bình", "H40.15", "UBND phường Tân Lập")
	if err != nil {
		t.Fatal(err)
	}
	if len(set) != 6 {
		t.Fatalf("%d documents", len(set))
	}
	for _, d := range set {
		for _, f := range d.Files {
			if len(f.Data) == 0 {
				t.Errorf("%s: %s is empty", d.Subject, f.Name)
			}
		}
	}
}

func TestMixIsAsLargeAsAskedForAndRepeats(t *testing.T) {
	const documents, size = 20, 3_000_000
	mix, err := Mix(documents, size, 7)
	if err != nil {
		t.Fatal(err)
	}
	total, pdf := 0, 0
	names := map[string]bool{}
	for _, f := range mix {
		total += len(f.Data)
		names[f.Name] = true
		if bytes.HasPrefix(f.Data, []byte("%PDF")) {
			pdf += len(f.Data)
		}
	}
	if len(names) != documents || total < size*97/100 || total > size*103/100 || pdf < total*7/10 {
		t.Errorf("%d documents, %d bytes, of them %d in PDF", len(names), total, pdf)
	}
	again, err := Mix(documents, size, 7)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range again {
		if !bytes.Equal(f.Data, mix[i].Data) {
			t.Errorf("%s differs in the second run", f.Name)
		}
	}
}
