//go:build cgo

package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"tram/agent/sealkey/tokenwire"
)

func TestTries(t *testing.T) {
	for flags, want := range map[uint]tokenwire.Tries{
		0:                                 tokenwire.TriesMany,
		pkcs11.CKF_USER_PIN_TO_BE_CHANGED: tokenwire.TriesMany,
		pkcs11.CKF_USER_PIN_COUNT_LOW:     tokenwire.TriesFew,
		pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY:                              tokenwire.TriesLast,
		pkcs11.CKF_USER_PIN_COUNT_LOW | pkcs11.CKF_USER_PIN_FINAL_TRY | pkcs11.CKF_USER_PIN_LOCKED: tokenwire.TriesNone,
	} {
		if got := triesOf(flags); got != want {
			t.Errorf("flags %#x are %s, want %s", flags, got, want)
		}
	}
}

func TestLibrariesWordsAreSorted(t *testing.T) {
	for err, want := range map[error]tokenwire.Code{
		pkcs11.Error(pkcs11.CKR_PIN_INCORRECT):                   tokenwire.PINWrong,
		pkcs11.Error(pkcs11.CKR_PIN_LOCKED):                      tokenwire.PINLocked,
		pkcs11.Error(pkcs11.CKR_DEVICE_REMOVED):                  tokenwire.Absent,
		pkcs11.Error(pkcs11.CKR_USER_NOT_LOGGED_IN):              tokenwire.PINNeeded,
		pkcs11.Error(pkcs11.CKR_MECHANISM_INVALID):               tokenwire.Unsupported,
		pkcs11.Error(0x80000001):                                 tokenwire.Failed,
		errors.New("else"):                                       tokenwire.Failed,
		fmt.Errorf("x: %w", pkcs11.Error(pkcs11.CKR_PIN_LOCKED)): tokenwire.PINLocked,
		&fault{code: tokenwire.NoKey}:                            tokenwire.NoKey,
	} {
		if got := explain(err).code; got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
}

func TestTheHelperEndsWithItsInput(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"--module", "/no/lib.so"}, strings.NewReader(""), &out, &errs); code != 0 {
		t.Errorf("the end of its input is exit %d, %s", code, errs.String())
	}
	if code := run([]string{"--module", "/no/lib.so"}, strings.NewReader("hello world"), &out, &errs); code != 1 {
		t.Errorf("nonsense is exit %d", code)
	}
	for _, args := range [][]string{nil, {"--module", "lib.so"}, {"--module", "/lib.so", "1234"}, {"--pin", "1234"}} {
		if code := run(args, strings.NewReader(""), &out, &errs); code != 2 {
			t.Errorf("%q is exit %d", args, code)
		}
	}
	if out.Len() > 0 {
		t.Errorf("it said %q", out.String())
	}
	var in bytes.Buffer
	if err := tokenwire.WriteRequest(&in, tokenwire.Request{ID: 7, Do: tokenwire.List}); err != nil {
		t.Fatal(err)
	}
	run([]string{"--module", "/no/lib.so"}, &in, &out, &errs)
	if p, err := tokenwire.ReadReply(&out); err != nil || p.ID != 7 || p.Code != tokenwire.Unsupported {
		t.Errorf("a missing library is %+v, %v", p, err)
	}
}
