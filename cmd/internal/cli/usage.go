package cli

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// configKey is the annotation of a flag that is a setting.
const configKey = "tram/config-key"

// ConfigFlag gives cmd the flag name for the setting key; its help is the
// setting's own. ConfigFlags collects what was given.
func ConfigFlag(cmd *cobra.Command, name, key string) {
	cmd.Flags().String(name, "", "config."+key)
	flag := cmd.Flags().Lookup(name)
	flag.Annotations = map[string][]string{configKey: {key}}
}

// ConfigFlags returns the settings given on the command line of cmd.
func ConfigFlags(cmd *cobra.Command) config.Flags {
	flags := config.Flags{}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if keys := f.Annotations[configKey]; len(keys) == 1 {
			flags[keys[0]] = config.Flag{Name: f.Name, Value: f.Value.String()}
		}
	})
	return flags
}

// Args accepts from least to most arguments; most < 0 means any number.
func Args(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && (most < 0 || len(args) <= most) {
			return nil
		}
		code := "cli.too-few-arguments"
		if len(args) >= least {
			code = "cli.too-many-arguments"
		}
		return problem.New(problem.Usage, code, "", i18n.Args{"path": cmd.CommandPath(), "usage": cmd.UseLine()})
	}
}

// usage turns a complaint of the parser into a problem in the caller's
// language.
func (a *App) usage(cmd *cobra.Command, err error) error {
	if isProblem(err) {
		return err
	}
	path := a.Root.Name()
	if cmd != nil {
		path = cmd.CommandPath()
	}
	args := i18n.Args{"path": path, "why": err.Error()}
	code := "cli.usage"
	var unknown *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		code, args["flag"] = "cli.unknown-flag", dashed(unknown.GetSpecifiedName())
	case errors.As(err, &empty):
		code, args["flag"] = "cli.flag-needs-value", dashed(empty.GetSpecifiedName())
	case errors.As(err, &invalid):
		code, args["flag"], args["value"] = "cli.bad-flag-value", "--"+invalid.GetFlag().Name, invalid.GetValue()
	}
	return problem.New(problem.Usage, code, "", args).Because(err)
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// help writes the help of cmd to standard output.
func (a *App) help(cmd *cobra.Command) {
	c, w := a.Console, a.Console.Out
	about := cmd.Long
	if about == "" {
		about = cmd.Short
	}
	fmt.Fprintf(w, "%s\n\n%s\n", about, c.T("cli.help.usage"))
	line := cmd.CommandPath() + strings.TrimPrefix(cmd.Use, cmd.Name())
	if cmd.HasAvailableSubCommands() {
		line += " " + c.T("cli.help.command")
	}
	fmt.Fprintf(w, "  %s [--…]\n", line)
	if cmd.Example != "" {
		fmt.Fprintf(w, "\n%s\n%s\n", c.T("cli.help.example"), strings.TrimRight(cmd.Example, "\n"))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(w, "\n%s\n", c.T("cli.help.commands"))
		align(w, commandRows(cmd))
	}
	own, common := cmd.LocalFlags(), cmd.InheritedFlags()
	if cmd == a.Root {
		own, common = pflag.NewFlagSet("", pflag.ContinueOnError), cmd.PersistentFlags()
	}
	if own.HasAvailableFlags() {
		fmt.Fprintf(w, "\n%s\n", c.T("cli.help.flags"))
		align(w, flagRows(own))
	}
	if common.HasAvailableFlags() {
		fmt.Fprintf(w, "\n%s\n", c.T("cli.help.common"))
		align(w, flagRows(common))
	}
	if cmd == a.Root {
		a.exitHelp(w)
	}
}

func (a *App) exitHelp(w io.Writer) {
	var rows [][]string
	for _, code := range exitCodes {
		rows = append(rows, []string{"  " + strconv.Itoa(code), a.Console.T(exitKey(code))})
	}
	fmt.Fprintf(w, "\n%s\n", a.Console.T("cli.help.exit"))
	align(w, rows)
}

func commandRows(cmd *cobra.Command) [][]string {
	var rows [][]string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			rows = append(rows, []string{"  " + sub.Name(), sub.Short})
		}
	}
	return rows
}

func flagRows(flags *pflag.FlagSet) [][]string {
	var rows [][]string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "      --" + f.Name
		if f.Shorthand != "" {
			name = "  -" + f.Shorthand + ", --" + f.Name
		}
		if kind != "" {
			name += " " + strings.ToUpper(kind)
		}
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" {
			usage += " [" + f.DefValue + "]"
		}
		rows = append(rows, []string{name, usage})
	})
	return rows
}
