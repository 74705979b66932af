package lgsp

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"tram/agent/connector"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// Codes of the axis's answers.
const (
	codeOK          = "0"
	codeBadFile     = "10"
	codeCredentials = "15" // wrong id or secret
	codeNoReceiver  = "18"
	codeNoSender    = "19" // this office is not registered
	codeAxis        = "20" // a fault of the axis
	codeProcessing  = "21" // the axis could not work on the file
	codeNotEdXML    = "22"
	codeLocked      = "23" // the receiver is locked
)

// final are the codes that come again however often a document is sent. After
// the others it goes through once something is mended: settings, the account at
// the axis, the axis.
var final = map[string]bool{codeBadFile: true, codeNoReceiver: true, codeNotEdXML: true, codeLocked: true}

// maxSaid bounds the axis's own words in messages, characters.
const maxSaid = 200

// refusal is the problem that an answer with a code is.
func refusal(code, words string) *problem.Problem {
	key := "lgsp.code." + code
	if !i18n.Has("problem." + key) {
		key = "lgsp.code.other"
	}
	class := problem.Conflict
	switch {
	case code == codeCredentials || code == codeNoSender:
		class = problem.Denied
	case !final[code]:
		class = problem.LinkDown
	}
	return problem.New(class, key, "", i18n.Args{"code": clean(code), "text": clean(words)})
}

// clean is text of the axis as a message may show it.
func clean(text string) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(r rune) bool { return r < ' ' || r == 0x7f }), " ")
	if runes := []rune(text); len(runes) > maxSaid {
		text = string(runes[:maxSaid]) + "…"
	}
	return text
}

// refused is an answer by which the axis has certainly not taken what it was
// given.
type refused struct {
	code, text string
	p          *problem.Problem
}

func (r *refused) Error() string { return r.p.Error() }
func (r *refused) Unwrap() error { return r.p }

// fails makes the error of a code.
func fails(code, words string) error { return &refused{code, words, refusal(code, words)} }

// lasting marks an error of the axis that trying again does not mend.
func lasting(err error) error {
	var r *refused
	if errors.As(err, &r) && final[r.code] {
		return connector.Permanent(err)
	}
	return err
}

// errMissing says that the axis does not have a call.
var errMissing = errors.New("the axis has no such call")

// statusError is what a status of HTTP means that is no success.
func statusError(status int, where string) error {
	args := i18n.Args{"status": status, "where": where}
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fails(codeCredentials, http.StatusText(status))
	case status == http.StatusRequestEntityTooLarge:
		return fails(codeBadFile, http.StatusText(status))
	case status >= 300 && status < 400:
		return problem.New(problem.LinkDown, "lgsp.redirect", "url", args)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented:
		return problem.New(problem.LinkDown, "lgsp.no-call", "paths", args).Because(errMissing)
	}
	return problem.New(problem.LinkDown, "lgsp.status", "", args).Because(httpStatus(status))
}

// httpStatus is a status that says nothing more than itself.
type httpStatus int

func (s httpStatus) Error() string { return http.StatusText(int(s)) }

// away is that the axis cannot be reached.
func away(err error) error {
	return problem.New(problem.LinkDown, "lgsp.away", "", nil).Because(err)
}

// garbled is an answer that is none of this interface.
func garbled(where string, err error) error {
	return problem.New(problem.LinkDown, "lgsp.garbled", "", i18n.Args{"where": where}).Because(err)
}

// errDiffers is a message whose length or digest is not what the axis says.
func errDiffers(what string) error {
	return problem.New(problem.LinkDown, "lgsp.differs", "", i18n.Args{"what": what}).Because(fmt.Errorf("%s differs", what))
}

// pauses are those between tries that the axes' own clients keep; then hourly.
var pauses = []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute}

const laterPause = time.Hour

// pause is how long after the nth failure in a row the next try is.
func pause(n int) time.Duration {
	if n < 1 {
		n = 1
	}
	if n > len(pauses) {
		return laterPause
	}
	return pauses[n-1]
}
