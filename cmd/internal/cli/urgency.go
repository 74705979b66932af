package cli

import (
	"slices"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Urgencies are the words of --urgency, by level.
var Urgencies = []string{"thuong", "khan", "thuong-khan", "hoa-toc"}

// ParseUrgency finds the level of a word of --urgency.
func ParseUrgency(word string) (uint8, error) {
	level := slices.Index(Urgencies, word)
	if level < 0 {
		return 0, problem.New(problem.Usage, "tram.bad-urgency", "urgency", i18n.Args{"value": word, "words": strings.Join(Urgencies, ", ")})
	}
	return uint8(level), nil
}
