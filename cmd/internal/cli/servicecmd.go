package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"tram/agent/i18n"
	"tram/agent/service"
)

// ServiceOptions is what the service commands need of their program.
type ServiceOptions struct {
	Title       string                       // as Windows lists the service
	Description string                       // one line
	Size        service.Size                 // how large the program grows
	Ready       func(dataFolder string) bool // whether the program has what it needs to run; nil means always
	Waits       bool                         // it can be started before it is Ready, and waits for what it needs
	Needs       string                       // file in the data folder without which it is not started
	// Vouch tells whether the release signature of the folder that this program came in
	// ("": where it lies) is over it; nil means that nobody looks.
	Vouch func(c *Console, folder string) (bool, error)
	// Installed says what a person does next, once the service is set up; nil means nothing.
	Installed func(c *Console, folder string)
}

// serviceResult is the JSON form of what the service commands print.
type serviceResult struct {
	Name  string        `json:"name"`
	State service.State `json:"state"`
	Data  string        `json:"data"`
}

// Setup describes this program's service on this machine.
func (o ServiceOptions) Setup(c *Console) (service.Setup, error) {
	data, err := filepath.Abs(c.Data)
	if err != nil {
		return service.Setup{}, fmt.Errorf("find data folder: %w", err)
	}
	return service.Setup{
		Name: c.Program, Title: o.Title, Description: o.Description, Data: data, Size: o.Size, Needs: o.Needs, Version: Build().Version,
		Report: func(s service.Step) {
			mark := Done
			if s.Warning {
				mark = Warning
			}
			c.Step(mark, s.Key, s.Args)
		},
	}, nil
}

// ServiceCommands are install, uninstall, start, stop and restart of the
// program's service.
func ServiceCommands(c *Console, o ServiceOptions) []*cobra.Command {
	simple := func(name string, do func(service.Setup) error) *cobra.Command {
		return &cobra.Command{
			Use: name, Short: "cli." + name + ".short", Args: Args(0, 0),
			RunE: func(*cobra.Command, []string) error {
				s, err := o.Setup(c)
				if err != nil {
					return err
				}
				if err := do(s); err != nil {
					return err
				}
				return printService(c, s)
			},
		}
	}
	return []*cobra.Command{
		installCommand(c, o), uninstallCommand(c, o),
		simple("start", service.Start), simple("stop", service.Stop), simple("restart", service.Restart),
	}
}

func printService(c *Console, s service.Setup) error {
	state, err := service.Status(s)
	if err != nil {
		return err
	}
	return c.Print(serviceResult{s.Name, state, s.Data}, func(w io.Writer) {
		fmt.Fprintln(w, c.T("cli.service.state", i18n.Args{"name": s.Name, "state": c.T("cli.service." + string(state))}))
	})
}

// installFlags are what "install" may be told.
type installFlags struct {
	show, idle    bool
	program, from string
	open          []string
}

func installCommand(c *Console, o ServiceOptions) *cobra.Command {
	var f installFlags
	cmd := &cobra.Command{Use: "install", Short: "cli.install.short", Args: Args(0, 0)}
	cmd.Flags().BoolVar(&f.show, "print-unit", false, "cli.flag.print-unit")
	cmd.Flags().StringVar(&f.program, "program", "/opt/"+c.Program+"/"+c.Program, "cli.flag.program")
	cmd.Flags().BoolVar(&f.idle, "no-start", false, "cli.flag.no-start")
	cmd.Flags().StringArrayVar(&f.open, "open", nil, "cli.flag.open")
	if o.Vouch != nil {
		cmd.Flags().StringVar(&f.from, "from", "", "cli.flag.from")
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := o.Setup(c)
		if err != nil {
			return err
		}
		if f.show {
			s.Executable = f.program
			_, err := io.WriteString(unfolded(c.Out), service.Unit(s))
			return err
		}
		return f.install(cmd.Context(), c, o, s)
	}
	return cmd
}

func (f installFlags) install(ctx context.Context, c *Console, o ServiceOptions, s service.Setup) (err error) {
	if o.Vouch != nil {
		if s.Signed, err = o.Vouch(c, f.from); err != nil {
			return err
		}
	}
	if err := service.Install(ctx, s); err != nil {
		return err
	}
	if err := service.Open(ctx, s, f.open); err != nil {
		return err
	}
	if err := startInstalled(c, o, s, f.idle); err != nil {
		return err
	}
	if o.Installed != nil {
		o.Installed(c, f.from)
	}
	return printService(c, s)
}

// startInstalled runs the new program: a running service is restarted, a new
// one started when it has what it needs or can wait for it.
func startInstalled(c *Console, o ServiceOptions, s service.Setup, idle bool) error {
	state, err := service.Status(s)
	switch {
	case err != nil:
		return err
	case state == service.Running:
		return service.Restart(s)
	case idle:
		return nil
	case o.Ready != nil && !o.Ready(s.Data) && !o.Waits:
		return nil
	}
	return service.Start(s)
}

// uninstallCommand never deletes documents. It takes --keep-data, which people
// give out of caution, and does the same without it.
func uninstallCommand(c *Console, o ServiceOptions) *cobra.Command {
	cmd := &cobra.Command{Use: "uninstall", Short: "cli.uninstall.short", Args: Args(0, 0)}
	cmd.Flags().Bool("keep-data", true, "cli.flag.keep-data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := o.Setup(c)
		if err != nil {
			return err
		}
		if err := c.Confirm(c.T("cli.uninstall.ask", i18n.Args{"name": s.Name})); err != nil {
			return err
		}
		if err := service.Uninstall(cmd.Context(), s); err != nil {
			return err
		}
		return printService(c, s)
	}
	return cmd
}
