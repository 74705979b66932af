package xmldsig

// Limits of what is read. Beyond one of them reading ends with [ErrLimit], and
// nothing is said of the signatures.
const (
	// MaxXML is the size of an XML document, in bytes; also of each part of a
	// package that has to be read as XML.
	MaxXML = 16 << 20
	// MaxDepth is how deep elements nest.
	MaxDepth = 128
	// MaxNodes counts elements, texts, comments and instructions.
	MaxNodes = 300_000
	// MaxAttributes of one element, declarations of namespaces included.
	MaxAttributes = 128
	// MaxBindings counts declarations of namespaces that are in scope at once.
	MaxBindings = 256
	// MaxSignatures in one document or package.
	MaxSignatures = 16
	// MaxReferences of one signature, those of its manifests included.
	MaxReferences = 4096
	// MaxCertificates beside one signature.
	MaxCertificates = 16
	// MaxCanonical is what is digested for one document, in bytes of canonical
	// form and a little for each node that is looked at. A short document can
	// have a very long canonical form.
	MaxCanonical = 128 << 20
	// MaxParts of a package.
	MaxParts = 4096
	// MaxUnpacked is the unpacked size of a whole package, in bytes.
	MaxUnpacked = 256 << 20
	// MaxPackageWork is what is unpacked and digested for one package, in bytes;
	// a part counts as often as it is read.
	MaxPackageWork = 768 << 20
)

// minRSA is the smallest RSA modulus that is not weak, in bits.
const minRSA = 2048
