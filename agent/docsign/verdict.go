package docsign

// Indication is the main status of a validation, ETSI EN 319 102-1 clause 5.1.3.
type Indication string

// Indications. None stands for a file without a signature, which says nothing
// about its content.
const (
	Passed        Indication = "PASSED"
	Indeterminate Indication = "INDETERMINATE"
	Failed        Indication = "FAILED"
	None          Indication = "NONE"
)

// SubIndication says why a validation did not pass, in the words of ETSI
// EN 319 102-1 tables 5 and 6.
type SubIndication string

// Sub-indications. FORMAT_FAILURE, HASH_FAILURE, SIG_CRYPTO_FAILURE, REVOKED,
// EXPIRED and NOT_YET_VALID come with FAILED, the others with INDETERMINATE.
const (
	FormatFailure            SubIndication = "FORMAT_FAILURE"
	HashFailure              SubIndication = "HASH_FAILURE"
	SigCryptoFailure         SubIndication = "SIG_CRYPTO_FAILURE"
	Revoked                  SubIndication = "REVOKED"
	Expired                  SubIndication = "EXPIRED"
	NotYetValid              SubIndication = "NOT_YET_VALID"
	SigConstraintsFailure    SubIndication = "SIG_CONSTRAINTS_FAILURE"
	ChainConstraintsFailure  SubIndication = "CHAIN_CONSTRAINTS_FAILURE"
	CryptoConstraintsFailure SubIndication = "CRYPTO_CONSTRAINTS_FAILURE"
	TimestampOrderFailure    SubIndication = "TIMESTAMP_ORDER_FAILURE"
	NoSigningCertificate     SubIndication = "NO_SIGNING_CERTIFICATE_FOUND"
	NoCertificateChain       SubIndication = "NO_CERTIFICATE_CHAIN_FOUND"
	SignedDataNotFound       SubIndication = "SIGNED_DATA_NOT_FOUND"
	RevokedNoPOE             SubIndication = "REVOKED_NO_POE"
	RevokedCANoPOE           SubIndication = "REVOKED_CA_NO_POE"
	OutOfBoundsNoPOE         SubIndication = "OUT_OF_BOUNDS_NO_POE"
	NoPOE                    SubIndication = "NO_POE"
	TryLater                 SubIndication = "TRY_LATER"
	Generic                  SubIndication = "GENERIC"
)

// Reason names what decided a verdict. Its text is the message
// "docsign.reason.<Code>" of the catalogue with Args as its placeholders;
// Detail is the technical cause in English, for experts and logs.
type Reason struct {
	Code   string            `json:"code"`
	Args   map[string]string `json:"args,omitempty"`
	Detail string            `json:"detail,omitempty"`
}

// Outcome is an indication with what led to it.
type Outcome struct {
	Indication    Indication    `json:"indication"`
	SubIndication SubIndication `json:"sub_indication,omitempty"`
	Reason        Reason        `json:"reason,omitzero"`
}

// outcome is the short form for a reason without placeholders.
func outcome(i Indication, s SubIndication, code, detail string) Outcome {
	return Outcome{i, s, Reason{Code: code, Detail: detail}}
}

func passed() Outcome { return Outcome{Indication: Passed} }

// rank orders outcomes from good to bad.
func (o Outcome) rank() int {
	switch {
	case o.Indication == Failed:
		return 4
	case o.Indication == Indeterminate && o.SubIndication != TryLater:
		return 3
	case o.Indication == Indeterminate:
		return 2
	case o.Indication == Passed:
		return 1
	}
	return 0
}

// worse gives the worse of two outcomes, and a when they are alike.
func worse(a, b Outcome) Outcome {
	if b.rank() > a.rank() {
		return b
	}
	return a
}
