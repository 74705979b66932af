package main

import (
	"testing"

	"tram/cmd/internal/answers"
	"tram/cmd/internal/cli"
)

func TestEveryCommandIsInTheTableOfAnswers(t *testing.T) {
	answers.Complete(t, program(cli.OS()).Root, map[string]string{
		"tram-hub run":            "it serves until it is stopped",
		"tram-hub config example": "it prints a file of settings",
	}, 15)
}
