package seal

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// TestP9_UnsealedReceiptsAreBoundedTogether: they pack well, and are read into
// memory.
func TestP9_UnsealedReceiptsAreBoundedTogether(t *testing.T) {
	p := newPKI(t)
	head := mustSeal(t, p.sealer(officeCert(), nil), Named{Name: MessageName, Data: []byte("<message/>")})
	with := func(n int) []byte {
		var extra []Extra
		for i := range n {
			extra = append(extra, Extra{Name: CustodyName(fmt.Sprint("H", i)), Data: make([]byte, MaxReceipt)})
		}
		var file bytes.Buffer
		if err := WriteContainer(&file, head, opener(), extra); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	most := MaxReceipts / MaxReceipt
	for n, want := range map[int]error{most: nil, most + 1: ErrTooLarge} {
		file := with(n)
		_, err := verify(t, p, file)
		list, read := ReadReceipts(bytes.NewReader(file), int64(len(file)))
		if !errors.Is(err, want) || !errors.Is(read, want) || want == nil && (len(list) != n || err != nil) {
			t.Errorf("%d receipts: %v, %v", n, err, read)
		}
	}
}

func TestOnlyTheAuthoritysCertificateNeedsNoSeal(t *testing.T) {
	p := newPKI(t)
	head := mustSeal(t, p.sealer(officeCert(), nil), Named{Name: MessageName, Data: []byte("<message/>")})
	for name, want := range map[string]Reason{
		AuthorityName("H40"): "", CardName("H40.1"): "", receiptFolder + "other.cer": ReasonUnsealed, receiptFolder + "authority-H40.txt": ReasonUnsealed,
	} {
		var file bytes.Buffer
		if err := WriteContainer(&file, head, opener(), []Extra{{Name: name, Data: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		if r, err := verify(t, p, file.Bytes()); err != nil || r.Reason != want {
			t.Errorf("%s: %s %q, %v", name, r.Result, r.Reason, err)
		}
	}
	if IsCard(HeaderName) || IsCustody(CardName("A")) || IsAuthority(CustodyName("A")) || !IsCustody(CustodyName("A")) || !IsCard(CardName("A")) {
		t.Error("names of one kind are taken for another")
	}
}
