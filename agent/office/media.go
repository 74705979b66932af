package office

import (
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// mediaTypes by extension. The system's own table differs between machines,
// and the type stands in what is sealed.
var mediaTypes = map[string]string{
	".pdf": "application/pdf", ".edxml": "application/xml", ".xml": "application/xml", ".txt": "text/plain",
	".csv": "text/csv", ".rtf": "application/rtf", ".zip": "application/zip", ".7z": "application/x-7z-compressed",
	".rar": "application/vnd.rar", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".tif": "image/tiff",
	".tiff": "image/tiff", ".doc": "application/msword", ".xls": "application/vnd.ms-excel", ".ppt": "application/vnd.ms-powerpoint",
	".docx":  "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx":  "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".pptx":  "application/vnd.openxmlformats-officedocument.presentationml.presentation",
	".odt":   "application/vnd.oasis.opendocument.text",
	".ods":   "application/vnd.oasis.opendocument.spreadsheet",
	".asice": "application/vnd.etsi.asic-e+zip",
}

const unknownMedia = "application/octet-stream"

// MediaType tells a file's type from its name alone.
func MediaType(name string) string {
	if t, ok := mediaTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	return unknownMedia
}

// maxFileName is the longest name of an attachment, in bytes of UTF-8: what
// common file systems store.
const maxFileName = 255

// checkFileName returns name in NFC, or the code of what is wrong with it.
func checkFileName(name string) (clean, fault string) {
	if !utf8.ValidString(name) {
		return "", "send.file-name-characters"
	}
	name = norm.NFC.String(name)
	switch {
	case strings.TrimSpace(name) == "":
		return "", "send.file-name-empty"
	case strings.ContainsAny(name, `/\`), name == ".", name == "..", isDrive(name):
		return "", "send.file-name-path"
	case strings.ContainsFunc(name, invisible):
		return "", "send.file-name-characters"
	case len(name) > maxFileName:
		return "", "send.file-name-long"
	}
	return name, ""
}

// isDrive recognises the start of a Windows path, such as "C:x".
func isDrive(name string) bool {
	return len(name) >= 2 && name[1] == ':' && (name[0]|0x20) >= 'a' && (name[0]|0x20) <= 'z'
}

// invisible tells control characters and those that only change how others are
// shown, with which a name can pretend to be another.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError
}
