package cli

import (
	"slices"
	"strings"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// ParseUrgency finds the level of a word of --urgency.
func ParseUrgency(word string) (uint8, error) {
	level := slices.Index(config.Urgencies, word)
	if level < 0 {
		return 0, problem.New(problem.Usage, "tram.bad-urgency", "urgency", i18n.Args{"value": word, "words": strings.Join(config.Urgencies, ", ")})
	}
	return uint8(level), nil
}
