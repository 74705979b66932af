package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
)

// suggestionDistance is how many edits a mistyped command may be away from the
// one that is suggested.
const suggestionDistance = 2

// App is one program: its root command and the console that its commands
// write to.
type App struct {
	Root    *cobra.Command
	Console *Console // filled when Run has read the flags

	streams Streams
	lang    string
	started bool // a command of ours took over from the parser
}

// New makes the program name ("tram" or "tram-hub"). Its help text is the
// message "cli.<name>.short".
func New(name string, s Streams) *App {
	a := &App{Console: newConsole(name, s), streams: s}
	a.Root = &cobra.Command{Use: name, Short: "cli." + name + ".short", SilenceErrors: true, SilenceUsage: true}
	a.Root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	a.Root.SetIn(s.In)
	a.Root.SetOut(unfolded(a.Console.Out))
	a.Root.SetErr(a.Console.Err)
	a.Root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { a.help(cmd) })
	a.Root.SetUsageFunc(func(cmd *cobra.Command) error { a.help(cmd); return nil })
	a.commonFlags(name)
	return a
}

// Add adds commands to the root.
func (a *App) Add(commands ...*cobra.Command) { a.Root.AddCommand(commands...) }

func (a *App) commonFlags(name string) {
	c, f := a.Console, a.Root.PersistentFlags()
	data := a.streams.Getenv(dataVariable(name))
	if data == "" {
		data = config.DefaultDir(name)
	}
	f.StringVar(&c.Data, "data", data, "cli.flag.data")
	f.BoolVar(&c.JSON, "json", false, "cli.flag.json")
	f.BoolVar(&c.Plain, "plain", false, "cli.flag.plain")
	f.BoolVarP(&c.Quiet, "quiet", "q", false, "cli.flag.quiet")
	f.BoolVarP(&c.Verbose, "verbose", "v", false, "cli.flag.verbose")
	f.BoolVar(&c.NoInput, "no-input", false, "cli.flag.no-input")
	f.BoolVarP(&c.Yes, "yes", "y", false, "cli.flag.yes")
	f.BoolVar(&c.NoColor, "no-color", false, "cli.flag.no-color")
	f.StringVar(&a.lang, "lang", "", "cli.flag.lang")
	f.BoolP("help", "h", false, "cli.flag.help")
}

// dataVariable names the environment variable of the data folder.
func dataVariable(program string) string {
	return strings.ToUpper(strings.ReplaceAll(program, "-", "_")) + "_DATA"
}

// Main runs the program with the arguments of this process under its signals
// and returns its exit code. A second signal ends the process at once.
func (a *App) Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return a.Run(ctx, os.Args[1:])
}

// Run runs the program with args and returns its exit code. Errors are already
// reported. It may be called once.
func (a *App) Run(ctx context.Context, args []string) int {
	// The language is looked up before the flags are parsed, because the
	// parser's own complaints and the help need it.
	a.Console.Lang = i18n.Parse(localeOf(a.streams.Getenv))
	if lang := flagValue(args, "--lang"); lang != "" {
		a.Console.Lang = i18n.Parse(lang)
	}
	a.Console.JSON = slices.Contains(args, "--json")
	a.prepare(a.Root)
	a.Root.SetArgs(args)
	cmd, err := a.Root.ExecuteContextC(ctx)
	if err != nil && !a.started {
		err = a.usage(cmd, err)
	}
	a.Console.Report(err)
	return ExitCode(err)
}

// flagValue finds the value of a long flag in unparsed arguments.
func flagValue(args []string, flag string) string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
		if arg == flag && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// prepare translates the texts of cmd and all below it, lets commands that only
// hold others explain themselves, and marks where our code starts.
func (a *App) prepare(cmd *cobra.Command) {
	if cmd == a.Root {
		cmd.InitDefaultHelpCmd()
		cmd.InitDefaultCompletionCmd()
		for _, own := range cmd.Commands() {
			if own.Name() == "help" || own.Name() == "completion" {
				own.Short = "cli." + own.Name() + ".short"
			}
		}
	}
	cmd.Short, cmd.Long = a.Console.T(cmd.Short), a.Console.T(cmd.Long)
	translate := func(f *pflag.Flag) { f.Usage = a.Console.T(f.Usage) }
	cmd.LocalNonPersistentFlags().VisitAll(translate)
	cmd.PersistentFlags().VisitAll(translate)
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = cobra.ArbitraryArgs
		cmd.SuggestionsMinimumDistance = suggestionDistance
		cmd.RunE = a.group
	}
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			a.Console.settle(a.streams.Getenv)
			return run(cmd, args)
		}
	}
	if cmd.PreRunE == nil {
		cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return missingFlag(cmd) }
	}
	for _, sub := range cmd.Commands() {
		a.prepare(sub)
	}
}

// group answers a command that only holds others.
func (a *App) group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		a.help(cmd)
		return nil
	}
	if similar := cmd.SuggestionsFor(args[0]); len(similar) > 0 {
		return problem.New(problem.Usage, "cli.unknown-command-near", "",
			i18n.Args{"name": args[0], "nearest": cmd.CommandPath() + " " + similar[0]})
	}
	return problem.New(problem.Usage, "cli.unknown-command", "", i18n.Args{"name": args[0], "path": cmd.CommandPath()})
}

// missingFlag reports a required flag that is not given.
func missingFlag(cmd *cobra.Command) error {
	var missing error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		required := slices.Contains(f.Annotations[cobra.BashCompOneRequiredFlag], "true")
		if missing == nil && required && !f.Changed {
			missing = problem.New(problem.Usage, "cli.required-flag", f.Name,
				i18n.Args{"flag": "--" + f.Name, "path": cmd.CommandPath()})
		}
	})
	return missing
}
