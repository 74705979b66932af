package main

import (
	"testing"

	"tram/cmd/internal/answers"
	"tram/cmd/internal/cli"
)

func TestEveryCommandIsInTheTableOfAnswers(t *testing.T) {
	answers.Complete(t, program(cli.OS()).Root, map[string]string{
		"tram run":            "it serves until it is stopped",
		"tram config example": "it prints a file of settings",
		"tram extract-text":   "the service calls it, for agent/search/extract",
		"tram logs":           "it prints what the journal has",
		"tram wait online":    "its exit code is the answer",
		"tram wait idle":      "its exit code is the answer",
	}, 15)
}
