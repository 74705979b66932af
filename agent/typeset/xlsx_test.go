package typeset

import (
	"strings"
	"testing"
)

func TestEveryStyleOfValuesKeepsThemTextWhenEdited(t *testing.T) {
	if n := strings.Count(xlsxStyles, `quotePrefix="1"`); n != 3 {
		t.Errorf("%d of 3 styles do", n)
	}
}
