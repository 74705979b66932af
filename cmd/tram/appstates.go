package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tram/agent/api/appkey"
	"tram/agent/dossier/code"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
)

// appStatesCommand shows or sets how an application calls the statuses of dossiers.
func appStatesCommand(c *cli.Console) *cobra.Command {
	var opencps, remove bool
	cmd := &cobra.Command{Use: "states NAME [FILE]", Short: "tram.app.states.short", Args: cli.Args(1, 2)}
	cmd.Flags().BoolVar(&opencps, "opencps", false, "tram.app.states.opencps")
	cmd.Flags().BoolVar(&remove, "clear", false, "tram.app.states.clear")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		client := appkey.NewClient(c.Data)
		defer client.Close()
		file, set, err := mappingOf(args[1:], opencps, remove)
		if err != nil {
			return err
		}
		var s appkey.States
		if set {
			s, err = client.SetStates(cmd.Context(), args[0], file)
		} else {
			s, err = client.States(cmd.Context(), args[0])
		}
		if err != nil {
			return err
		}
		return c.Print(s, func(w io.Writer) {
			if s.System == "" {
				fmt.Fprintln(w, c.T("tram.app.states.none", i18n.Args{"name": s.Name}))
				return
			}
			var text bytes.Buffer
			if err := json.Indent(&text, s.Mapping, "", "  "); err != nil {
				text.Write(s.Mapping) // as it came
			}
			fmt.Fprintln(w, text.String())
		})
	}
	return cmd
}

// mappingOf is the mapping file that the words of a command name; set is false when
// they name none.
func mappingOf(files []string, opencps, remove bool) (file []byte, set bool, err error) {
	named := len(files)
	for _, flag := range []bool{opencps, remove} {
		if flag {
			named++
		}
	}
	switch {
	case named > 1:
		return nil, false, problem.New(problem.Usage, "app.states-one", "", nil)
	case remove:
		return nil, true, nil
	case opencps:
		file, err = code.OpenCPS().Encode()
		return file, true, err
	case len(files) == 0:
		return nil, false, nil
	}
	in, err := os.Open(files[0])
	if err != nil {
		return nil, false, problem.New(problem.Usage, "tram.unreadable-file", "file", i18n.Args{"file": files[0]}).Because(err)
	}
	defer in.Close()
	m, err := code.ReadMapping(in)
	if err != nil {
		return nil, false, err
	}
	file, err = m.Encode()
	return bytes.TrimSpace(file), true, err
}
