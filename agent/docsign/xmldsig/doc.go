// Package xmldsig checks the arithmetic and the reach of XML signatures
// (XMLDSig 1.1, XAdES baseline B and T) in an XML document, in an Office Open
// XML package and in an OpenDocument package. Whom a certificate belongs to is
// judged above.
//
// It is pure: bytes in, values out, no files, no network, no clock. It promises:
//
//   - A signature without [Fault] holds: each of its references has been found
//     exactly once, transformed by nothing but enveloped-signature and
//     canonicalisation (in a package also the relationship transform), digested
//     with SHA-256 or longer and found equal, and the signature over them
//     verifies with the key of Cert.
//   - Its Scope is [Whole] only when nothing that a reader of the document may
//     take for content lies outside of what was digested; else Gaps says what
//     lies outside. Wrapping, duplicate ids, unsigned objects and comments in
//     the middle of text are so never whole.
//   - Nothing is fetched, no DTD read, no entity expanded, no XPath or XSLT run,
//     no key taken but that of a certificate.
//   - Input is bounded by [MaxXML], [MaxDepth], [MaxNodes], [MaxAttributes],
//     [MaxSignatures], [MaxReferences], [MaxParts], [MaxUnpacked] and the work
//     by [MaxCanonical] and [MaxPackageWork]. What is larger is an error that says which, never a
//     signature that holds.
//
// The tree, its canonical form and the references are worked out here and not by
// goxmldsig, which is made for SAML: it looks at the first reference to the root
// and no other, knows no detached or enveloping signature, and its inclusive
// canonical form gives an element the namespaces of its parent even where it
// declares its own. Tests hold ours against xmllint, xmlsec1 and goxmldsig.
package xmldsig
