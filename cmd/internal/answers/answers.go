// Package answers holds the programs, in their tests, to the table in
// cmd/README.md of what each command prints. What the fields are is compared with
// the source in cmd/internal/house.
package answers

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Complete checks that the table names each command below root that prints a
// result. silent are those that print none, with the reason; a program has at
// least so many others.
func Complete(t testing.TB, root *cobra.Command, silent map[string]string, least int) {
	t.Helper()
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
	walk(root)
	if seen < least {
		t.Errorf("only %d commands were found", seen)
	}
}
