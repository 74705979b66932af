package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"tram/cmd/internal/cli"
)

// silent are commands that print no result.
var silent = map[string]string{
	"tram-hub run":            "it serves until it is stopped",
	"tram-hub config example": "it prints a file of settings",
}

// TestEveryCommandIsInTheTableOfAnswers of cmd/README.md; what its fields are is
// compared with the source in cmd/internal/house.
func TestEveryCommandIsInTheTableOfAnswers(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, child := range cmd.Commands() {
			walk(child)
		}
		name := cmd.CommandPath()
		if !cmd.Runnable() || cmd.HasSubCommands() || silent[name] != "" {
			return
		}
		seen++
		if !strings.Contains(string(page), "| `"+name+"`") && !strings.Contains(string(page), ", `"+name+"`") {
			t.Errorf("the table does not say what %q prints", name)
		}
	}
	walk(program(cli.OS()).Root)
	if seen < 15 {
		t.Errorf("only %d commands were found", seen)
	}
}
