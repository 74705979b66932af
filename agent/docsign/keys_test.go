package docsign

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"testing"
)

// stampingOnly is the extended key usage that RFC 3161 demands.
var stampingOnly = pkix.Extension{
	Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
	Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08},
}

// shortRSA is a key of 1024 bits. The standard library makes none; openssl does.
func shortRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	f := newFiles(t)
	f.must("openssl", "genrsa", "-traditional", "-out", "short.key", "1024")
	block, _ := pem.Decode(f.read("short.key"))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rawDER(der []byte) asn1.RawValue { return asn1.RawValue{FullBytes: der} }
