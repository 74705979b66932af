package lgsp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds of answers, bytes unless it says otherwise.
const (
	maxAnswer = 1 << 20   // of one that is read whole
	maxList   = 64 << 20  // of a list of messages
	maxOffice = 512 << 20 // of the list of offices
	maxItem   = 256 << 10 // of one entry of a list
	maxField  = 4 << 10   // of a text that is kept
)

var errTooLong = errors.New("answer is too long")

// text is a value of JSON that is kept as text; objects and lists are none.
type text string

// UnmarshalJSON implements [json.Unmarshaler].
func (t *text) UnmarshalJSON(raw []byte) error {
	*t = ""
	var s string
	switch {
	case len(raw) > maxField, bytes.Equal(raw, []byte("null")), raw[0] == '{', raw[0] == '[':
	case raw[0] == '"':
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
		*t = text(strings.TrimSpace(s))
	default:
		*t = text(raw)
	}
	return nil
}

// answer is what a call comes back with, in the forms that are known: the code
// stands beside the data or within it.
type answer struct {
	Success   text `json:"success"`
	Status    text `json:"status"`
	Code      text `json:"code"`
	Message   text `json:"message"`
	DocID     text `json:"docId"`
	ErrorCode text `json:"errorCode"`
	ErrorDesc text `json:"errorDesc"`
	Token     text `json:"token"`
	// Of the services for dossiers: their code, the token of their sign-in, and
	// what a look-up has found.
	Error   text            `json:"error_code"`
	Session text            `json:"session"`
	Result  json.RawMessage `json:"result"`
}

// within fills what is not there from an answer inside.
func (a *answer) within(b answer) {
	for _, f := range []struct{ to, from *text }{
		{&a.Success, &b.Success}, {&a.DocID, &b.DocID}, {&a.ErrorCode, &b.ErrorCode}, {&a.ErrorDesc, &b.ErrorDesc}, {&a.Token, &b.Token}, {&a.Status, &b.Status},
	} {
		if *f.to == "" {
			*f.to = *f.from
		}
	}
}

// err says what the answer means: nil, a refusal with its code, or that it is
// none of this interface.
func (a answer) err(where string) error {
	words := string(a.ErrorDesc)
	if words == "" {
		words = string(a.Message)
	}
	switch {
	case a.ErrorCode != "" && a.ErrorCode != codeOK:
		return fails(string(a.ErrorCode), words)
	case strings.EqualFold(string(a.Success), "false"):
		return fails("–", words)
	case a.ErrorCode == codeOK, strings.EqualFold(string(a.Success), "true"), a.Code == "200", a.Code == codeOK, strings.EqualFold(string(a.Status), "ok"):
		return nil
	case a.Code != "":
		return fails(string(a.Code), words)
	}
	return garbled(where, errors.New("it says neither success nor failure"))
}

// readAnswer reads a short answer.
func readAnswer(r io.Reader) (a answer, err error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxAnswer+1))
	if err != nil {
		return answer{}, err
	}
	if len(raw) > maxAnswer {
		return answer{}, errTooLong
	}
	var whole struct {
		answer
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &whole); err != nil {
		return answer{}, fmt.Errorf("read answer: %w", err)
	}
	a = whole.answer
	var inner answer
	if len(whole.Data) > 0 && whole.Data[0] == '{' {
		if err := json.Unmarshal(whole.Data, &inner); err != nil {
			return answer{}, fmt.Errorf("read answer: %w", err)
		}
		a.within(inner)
	}
	if a.ErrorCode == "" && a.Error != "" {
		if a.ErrorCode = a.Error; strings.Trim(string(a.Error), "0") == "" {
			a.ErrorCode = codeOK // written "00" as well
		}
	}
	return a, nil
}

// entry is one entry of a list: a message, or an office.
type entry struct {
	DocID      text `json:"docId"`
	DocumentID text `json:"documentId"` // of edXML
	Kind       text `json:"messageType"`
	Status     text `json:"status"` // of the transport
	SHA256     text `json:"contentSha256"`
	Length     text `json:"contentLength"`

	Code    text `json:"code"`
	OrgCode text `json:"orgCode"`
	Name    text `json:"name"`
	OrgName text `json:"orgName"`
	OldCode text `json:"oldCode"`
	Code102 text `json:"code102"`
}

// States of the transport, in lower case.
const (
	initial    = "initial"
	processing = "processing"
	delivered  = "done"
	failed     = "fail"
)

func (e entry) state() string { return strings.ToLower(string(e.Status)) }

// length is what the axis says of the length; ok is false when it says nothing.
func (e entry) length() (n int64, ok bool) {
	n, err := strconv.ParseInt(string(e.Length), 10, 64)
	return n, err == nil && n >= 0
}

// eachEntry hands the entries of a list to do, one by one. Memory does not grow
// with the list, which is the answer itself or its data.
func eachEntry(r io.Reader, limit int64, do func(entry) error) (a answer, err error) {
	in := &allowance{r: io.LimitReader(r, limit), left: maxItem}
	d := json.NewDecoder(in)
	t, err := d.Token()
	if err != nil {
		return answer{}, fmt.Errorf("read list: %w", err)
	}
	if t == json.Delim('[') {
		return answer{Success: "true"}, in.entries(d, do)
	}
	if t != json.Delim('{') {
		return answer{}, errors.New("read list: neither a list nor an object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return answer{}, fmt.Errorf("read list: %w", err)
		}
		in.left = maxItem
		if name, _ := key.(string); name == "data" {
			err = in.data(d, &a, do)
		} else {
			err = a.field(d, name)
		}
		if err != nil {
			return answer{}, err
		}
	}
	_, err = d.Token()
	return a, err
}

// field takes one member of an answer.
func (a *answer) field(d *json.Decoder, name string) error {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return fmt.Errorf("read list: %w", err)
	}
	object, err := json.Marshal(map[string]json.RawMessage{name: raw})
	if err != nil {
		return fmt.Errorf("read list: %w", err)
	}
	return json.Unmarshal(object, a)
}

// allowance bounds what is read for one entry.
type allowance struct {
	r    io.Reader
	left int
}

func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, errTooLong
	}
	n, err := a.r.Read(p[:min(len(p), 4<<10, a.left)])
	a.left -= n
	return n, err
}

// data takes the data of an answer: a list, or an answer inside.
func (a *allowance) data(d *json.Decoder, outer *answer, do func(entry) error) error {
	t, err := d.Token()
	switch {
	case err != nil:
		return fmt.Errorf("read list: %w", err)
	case t == json.Delim('['):
		return a.entries(d, do)
	case t != json.Delim('{'):
		return nil // null, or a text
	}
	var inner answer
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return fmt.Errorf("read list: %w", err)
		}
		a.left = maxItem
		name, _ := key.(string)
		if err := inner.field(d, name); err != nil {
			return err
		}
	}
	outer.within(inner)
	_, err = d.Token()
	return err
}

func (a *allowance) entries(d *json.Decoder, do func(entry) error) error {
	for d.More() {
		a.left = maxItem
		var e entry
		if err := d.Decode(&e); err != nil {
			return fmt.Errorf("read list: %w", err)
		}
		if err := do(e); err != nil {
			return err
		}
	}
	a.left = maxItem
	_, err := d.Token()
	return err
}
