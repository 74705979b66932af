package sealkey

import (
	"encoding/asn1"
	"math/big"
)

// RawOf turns an ECDSA signature on P-256 into r and s side by side.
func RawOf(der []byte) []byte {
	var v struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &v); err != nil {
		return nil
	}
	raw := make([]byte, 64)
	v.R.FillBytes(raw[:32])
	v.S.FillBytes(raw[32:])
	return raw
}
