package edxml

import (
	"fmt"
	"strconv"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// label names an attachment in an error: by its name, or by its place when the
// message gives none, which is not known for n = 0.
func label(name string, n int) string {
	switch {
	case name != "":
		return name
	case n == 0:
		return "?"
	}
	return "#" + strconv.Itoa(n)
}

func errTooLarge() error {
	return problem.New(problem.Usage, "edxml.too-large", "", i18n.Args{"limit": MaxMessage >> 20})
}

func errNoAttachment(r Reference) error {
	name := r.Name
	if name == "" {
		name = "cid:" + r.ContentID
	}
	return problem.New(problem.Usage, "edxml.no-attachment", "Attachment", i18n.Args{"name": name})
}

func errUndecodable(name string) error {
	return problem.New(problem.Usage, "edxml.undecodable", "ContentTransferEncoded", i18n.Args{"name": name})
}

func errAttachmentLarge(name string, limit int64) error {
	return problem.New(problem.Usage, "edxml.attachment-large", "ContentTransferEncoded", i18n.Args{"name": name, "limit": megabytes(limit)})
}

func errTotalLarge(limit int64) error {
	return problem.New(problem.Usage, "edxml.attachments-large", "AttachmentEncoded", i18n.Args{"limit": megabytes(limit)})
}

func errTooMany(limit int) error {
	return problem.New(problem.Usage, "edxml.attachments-many", "AttachmentEncoded", i18n.Args{"limit": limit})
}

func errUnpackedLarge(name string, limit int64) error {
	return problem.New(problem.Usage, "edxml.unpacked-large", "ContentTransferEncoded", i18n.Args{"name": name, "limit": megabytes(limit)})
}

func errBomb(name string) error {
	return problem.New(problem.Usage, "edxml.zip-bomb", "ContentTransferEncoded", i18n.Args{"name": name, "limit": MaxRatio})
}

// errPlaces is for a message in which splitter and parser count contents
// differently, so that none can be told from another.
func errPlaces(parsed, split int) error {
	return problem.New(problem.Usage, "edxml.malformed", "", i18n.Args{"line": 1}).
		Because(fmt.Errorf("%d contents by the tree, %d by the text", parsed, split))
}

func errDialect(code, root, namespace string) *problem.Problem {
	return problem.New(problem.Usage, code, "", i18n.Args{"root": root, "namespace": namespace})
}

// megabytes is a limit for people, with one decimal where it is no whole number.
func megabytes(n int64) string {
	return strconv.FormatFloat(float64(n*10>>20)/10, 'f', -1, 64)
}
