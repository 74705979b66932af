package i18n

import "time"

// Span writes how long something takes or has lasted, to the minute.
func Span(lang Lang, d time.Duration) string {
	minutes := int(d / time.Minute)
	switch {
	case minutes < 1:
		return T(lang, "span.now")
	case minutes < 60:
		return T(lang, "span.minutes", Args{"m": minutes})
	case minutes < 24*60 && minutes%60 == 0:
		return T(lang, "span.hours", Args{"h": minutes / 60})
	case minutes/(24*60) == 1:
		return T(lang, "span.day")
	case minutes < 24*60:
		return T(lang, "span.hours-minutes", Args{"h": minutes / 60, "m": minutes % 60})
	}
	return T(lang, "span.days", Args{"d": minutes / (24 * 60)})
}
