package web

import (
	"time"

	"tram/agent/docsign"
	"tram/agent/office"
	"tram/storage"
)

// signedAt is when the signatures of the samples were made.
var signedAt = noon.Add(-26 * time.Hour)

func signatureOf(o docsign.Outcome, name, title, organization string) docsign.Signature {
	return docsign.Signature{Kind: docsign.KindSignature, Outcome: o, Scope: docsign.Scope{Kind: docsign.ScopeWhole},
		Signer: docsign.Party{Name: name, Title: title, Organization: organization, Issuer: "CN=CA chuyên dùng Chính phủ", Serial: "5d4109c2",
			NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(1, 0, 0)},
		Claimed: signedAt, Digest: "SHA-256", Algorithm: "RSA 2048",
		Chain:      []docsign.Party{{Name: name}, {Name: "CA chuyên dùng Chính phủ"}, {Name: "CA gốc Chính phủ"}},
		Revocation: []docsign.Revocation{{Certificate: name, Status: docsign.StatusGood, Source: "crl", Origin: "http://ca.gov.vn/pki/pub/crl/cp.crl", Issued: noon.Add(-4 * time.Hour)}}}
}

func outcomeOf(i docsign.Indication, sub docsign.SubIndication, code string) docsign.Outcome {
	return docsign.Outcome{Indication: i, SubIndication: sub, Reason: docsign.Reason{Code: code, Args: map[string]string{"name": "Nguyễn Văn A", "date": "2026-11-01T02:00:00Z"}}}
}

// reports are a file in each state of the trust panel.
func reports() map[string]docsign.Report {
	good := outcomeOf(docsign.Passed, "", "")
	report := func(o docsign.Outcome, change func(*docsign.Report)) docsign.Report {
		r := docsign.Report{Version: 1, Name: "QD.pdf", Format: docsign.FormatPDF, SHA256: "9f86d081884c7d65", CheckedAt: noon.Add(-time.Hour), Outcome: o,
			Signatures: []docsign.Signature{signatureOf(o, "Nguyễn Văn A", "Chủ tịch", "UBND tỉnh Thanh Sơn"), signatureOf(good, "UBND tỉnh Thanh Sơn", "", "con dấu cơ quan")}}
		if change != nil {
			change(&r)
		}
		return r
	}
	later := outcomeOf(docsign.Indeterminate, docsign.TryLater, "revocation-missing")
	return map[string]docsign.Report{
		"signed-good": report(good, func(r *docsign.Report) {
			r.Signatures[0].Proven, r.Signatures[0].ProvenBy = signedAt, "TSA Chính phủ"
		}),
		"signed-added": report(good, func(r *docsign.Report) {
			r.Additions = true
			for i := range r.Signatures {
				r.Signatures[i].Scope = docsign.Scope{Kind: docsign.ScopeAdditions, Revision: 1, Revisions: 2, Length: 300, Changes: []string{"annotation"}}
			}
		}),
		"signed-later": report(later, func(r *docsign.Report) {
			r.Signatures[0].Revocation = []docsign.Revocation{{Certificate: "Nguyễn Văn A", Status: docsign.StatusUnknown}}
		}),
		"signed-unknown": report(outcomeOf(docsign.Indeterminate, docsign.NoCertificateChain, "no-chain"), nil),
		"signed-weak":    report(outcomeOf(docsign.Indeterminate, docsign.CryptoConstraintsFailure, "weak-digest"), nil),
		"signed-changed": report(outcomeOf(docsign.Failed, docsign.HashFailure, "hash"), nil),
		"signed-revoked": report(outcomeOf(docsign.Failed, docsign.Revoked, "revoked"), func(r *docsign.Report) {
			r.Signatures[0].Revocation = []docsign.Revocation{{Status: docsign.StatusRevoked, Source: "crl", Issued: noon.Add(-4 * time.Hour), RevokedAt: noon.AddDate(0, 0, -20)}}
		}),
		"signed-expired": report(outcomeOf(docsign.Failed, docsign.Expired, "expired"), nil),
		"signed-none":    report(outcomeOf(docsign.None, "", "none"), func(r *docsign.Report) { r.Signatures = nil }),
	}
}

// seedChecks files a sealed document for each report.
func seedChecks(f *fakeOffice, s seeded) {
	from := directory[1]
	for name, r := range reports() {
		at := f.now().Add(-30 * time.Hour)
		d := f.add(office.Document{Box: office.In, From: from, To: []office.Recipient{{Party: us, State: office.Delivered}}, Subject: "Quyết định mẫu " + name,
			Number: "9", Notation: "QĐ-UBND", Type: "QD", TypeName: "Quyết định", Date: "2026-11-20", State: office.Arrived, Created: at,
			Seal:   &office.Seal{Verdict: "passed", Signer: from.Code, Name: from.Name, SignedAt: at, Checked: at, Issuer: "CA Trạm H40", Serial: "5d:41"},
			Events: []office.Event{{Step: office.Arrived, At: at, Learnt: at, Signer: us.Code, Evidence: "status"}}}, "QD.pdf", samplePDF("QUYET DINH", 1, ""))
		f.setChecks(d.ID, office.Check{Cause: "arrival", Report: r})
		s[name] = d
	}
}

func (f *fakeOffice) setChecks(id storage.ID, c office.Check) {
	f.change(func() {
		d, _ := f.find(id)
		d.Checks = []office.Check{c}
		f.checks[id] = []office.Check{c}
	})
}
