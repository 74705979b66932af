package support

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"syscall"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// plainSettings are those whose value nobody can put a name or secret into:
// numbers, times, sizes and words to choose from.
var plainSettings = map[string]bool{
	"language": true, "log.level": true, "log.format": true, "limits.file": true, "limits.files": true, "limits.total": true,
	"documents.lifetime": true, "storage.reserve": true, "mqtt.keepalive": true, "mqtt.keyexchange": true, "trust.ocsp": true,
	"metered.urgency": true, "metered.size": true, "metered.budget": true, "metered.month": true, "metered.hours": true,
	"line.times": true, "line.urgency": true, "line.idle": true, "line.timeout": true,
}

// setting is a setting as it may be told. Value is nil for one that is set and
// not told.
type setting struct {
	Key    string        `json:"key"`
	Value  *string       `json:"value"`
	Source config.Source `json:"source"`
}

func settings(values []config.Value) []setting {
	usual := map[string]string{}
	for _, v := range config.DefaultOffice().Values() {
		usual[v.Key] = v.Value
	}
	list := []setting{}
	for _, v := range values {
		s := setting{Key: v.Key, Source: v.Origin.Source}
		if known, ok := usual[v.Key]; plainSettings[v.Key] || ok && v.Value == known {
			s.Value = &v.Value
		}
		list = append(list, s)
	}
	return list
}

// shortNumber is a number that is no telephone number and no identity number.
var shortNumber = regexp.MustCompile(`^-?[0-9]{1,9}$`)

// day is a date as conditions carry them.
var day = regexp.MustCompile(`^[0-9]{2}/[0-9]{2}/[0-9]{4}$`)

// word is a name that the program chose, such as an action.
var word = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,63}$`)

// numbers keeps what is a number or a date.
func numbers(args i18n.Args) map[string]string {
	kept := map[string]string{}
	for key, value := range args {
		if text := fmt.Sprint(value); word.MatchString(key) && (shortNumber.MatchString(text) || day.MatchString(text)) {
			kept[key] = text
		}
	}
	return kept
}

// maxKinds bounds how many kinds of one error are told.
const maxKinds = 12

// kindsOf tells an error by the kinds in its chain, without any text that may
// name a file, an address or what somebody wrote.
func kindsOf(err error) string {
	var kinds []string
	walk(err, func(e error) bool {
		switch x := e.(type) {
		case *problem.Problem:
			kinds = append(kinds, x.Code)
		case syscall.Errno:
			kinds = append(kinds, x.Error())
		default:
			if name := reflect.TypeOf(e).String(); name != "*fmt.wrapError" && name != "*errors.errorString" {
				kinds = append(kinds, name)
			}
		}
		return len(kinds) < maxKinds
	})
	if len(kinds) == 0 {
		return "error"
	}
	return strings.Join(kinds, " < ")
}

// walk goes through all errors that err wraps, until visit has enough.
func walk(err error, visit func(error) bool) bool {
	if err == nil {
		return true
	}
	if !visit(err) {
		return false
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range many.Unwrap() {
			if !walk(e, visit) {
				return false
			}
		}
		return true
	}
	return walk(errors.Unwrap(err), visit)
}
