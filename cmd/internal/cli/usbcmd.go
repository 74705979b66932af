package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/stick"
	"tram/sync/usb"
)

// WithStation does something with the office or hub of the data folder.
type WithStation func(ctx context.Context, do func(usb.Station) error) error

// USBCommand is "usb" with "usb export" and "usb import". Of a program with
// several neighbours, toRequired, an export must name one.
func USBCommand(c *Console, with WithStation, toRequired bool) *cobra.Command {
	group := &cobra.Command{Use: "usb", Short: "usb.short"}
	group.AddCommand(usbExport(c, with, toRequired), usbImport(c, with))
	return group
}

// withStick opens the stick for what do does and says when it may be removed.
func withStick(ctx context.Context, field, dir string, with WithStation, do func(*usb.Stick, usb.Station) error) error {
	s, err := usb.Open(dir)
	if err != nil {
		return problem.New(problem.Usage, "usb.no-folder", field, i18n.Args{"dir": dir}).Because(err)
	}
	err = with(ctx, func(st usb.Station) error { return stick.Explain(do(s, st)) })
	return errors.Join(err, s.Close())
}

type size config.Size

// Type names the flag's value in help.
func (s *size) Type() string   { return "size" }
func (s *size) String() string { return config.Size(*s).String() }

// Set reads the flag's value.
func (s *size) Set(text string) error {
	n, err := config.ParseSize(text)
	*s = size(n)
	return err
}

func usbExport(c *Console, with WithStation, toRequired bool) *cobra.Command {
	var o usb.ExportOptions
	var out, urgency string
	var ids []string
	var most size
	cmd := &cobra.Command{Use: "export", Short: "usb.export.short", Long: "usb.export.long", Args: Args(0, 0)}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "usb.export.out")
	f.StringVar(&o.To, "to", "", "usb.export.to")
	f.StringVar(&urgency, "urgency", config.Urgencies[0], "usb.export.urgency")
	f.StringSliceVar(&ids, "id", nil, "usb.export.id")
	f.Var(&most, "max-size", "usb.export.max-size")
	required := []string{"out"}
	if toRequired {
		required = append(required, "to")
	}
	for _, name := range required {
		if err := cmd.MarkFlagRequired(name); err != nil {
			panic(err) // the flag is defined above
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if o.Urgency, err = ParseUrgency(urgency); err != nil {
			return err
		}
		for _, text := range ids {
			id, err := uuid.Parse(text)
			if err != nil {
				return problem.New(problem.Usage, "api.bad-id", "id", i18n.Args{"id": text}).Because(err)
			}
			o.IDs = append(o.IDs, id)
		}
		o.MaxBytes = int64(most)
		progress := c.Progress(c.T("usb.export.progress"))
		o.Progress = progress.Set
		var done usb.Exported
		err = withStick(cmd.Context(), "out", out, with, func(s *usb.Stick, st usb.Station) (err error) {
			done, err = usb.Export(cmd.Context(), s, st, o)
			return err
		})
		progress.Finish()
		if err != nil {
			return err
		}
		return exported(c, done)
	}
	return cmd
}

func exported(c *Console, x usb.Exported) error {
	args := i18n.Args{
		"to": x.To, "count": x.Bundles, "size": Bytes(x.Bytes), "already": x.Already, "left": x.Left, "left_size": Bytes(x.LeftSize),
	}
	err := c.Print(x, func(w io.Writer) {
		switch {
		case x.Bundles > 0:
			fmt.Fprintln(w, c.T("usb.export.done", args))
		case x.Already > 0:
			fmt.Fprintln(w, c.T("usb.export.already", args))
		default:
			fmt.Fprintln(w, c.T("usb.export.nothing", args))
		}
	})
	if err != nil {
		return err
	}
	c.Step(Done, "usb.remove")
	if x.Left > 0 {
		c.Step(Warning, "usb.export.left", args)
		return ErrPartial
	}
	return nil
}

// imported is the stable JSON of "usb import".
type imported struct {
	Packages []usb.Result `json:"packages"`
}

func usbImport(c *Console, with WithStation) *cobra.Command {
	dry := false
	cmd := &cobra.Command{Use: "import DIR", Short: "usb.import.short", Long: "usb.import.long", Args: Args(1, 1)}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "usb.import.dry-run")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		list := []usb.Result{}
		err := withStick(cmd.Context(), "DIR", args[0], with, func(s *usb.Stick, st usb.Station) error {
			list = list[:0]
			found, err := usb.Look(cmd.Context(), s, st)
			if err != nil {
				return err
			}
			if !c.JSON {
				showPackages(c, found)
			}
			for _, f := range found {
				r := usb.Result{Found: f}
				if !dry {
					progress := c.Progress(c.T("usb.import.progress", i18n.Args{"from": f.From.Code}))
					r, err = usb.Take(cmd.Context(), s, st, f, usb.ImportOptions{Progress: progress.Set})
					progress.Finish()
				}
				if err != nil && f.State != usb.Invalid {
					return err
				}
				list = append(list, r)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := c.Print(imported{list}, func(w io.Writer) { showResults(c, w, list, dry) }); err != nil {
			return err
		}
		c.Step(Done, "usb.remove")
		return verdict(c, list)
	}
	return cmd
}

// showPackages says what is on the stick before anything is taken from it.
func showPackages(c *Console, found []usb.Found) {
	if len(found) == 0 {
		return
	}
	var rows [][]string
	for _, f := range found {
		rows = append(rows, []string{
			named(f.From), named(f.To), moment(f.Created), strconv.Itoa(f.Bundles), Bytes(f.Bytes), strconv.Itoa(f.Replies), c.T("usb.state." + string(f.State)),
		})
	}
	c.Table(c.Out, []string{"usb.col.from", "usb.col.to", "usb.col.created", "usb.col.count", "usb.col.size", "usb.col.replies", "usb.col.state"}, rows)
}

func named(p usb.Party) string {
	if p.Name == "" {
		return p.Code
	}
	return p.Code + " " + p.Name
}

// moment is a time of a package, empty for one that could not be read.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("02/01/2006 15:04")
}

func showResults(c *Console, w io.Writer, list []usb.Result, dry bool) {
	for _, r := range list {
		args := i18n.Args{
			"from": named(r.From), "taken": r.Taken, "refused": r.Refused, "later": r.Later, "replies": r.Replies,
			"time": r.Imported.Local().Format("15:04"), "date": r.Imported.Local().Format("02/01/2006"),
		}
		switch {
		case r.State == usb.Imported:
			fmt.Fprintln(w, c.T("usb.import.before", args))
		case !dry && (r.State == usb.New || r.State == usb.Incomplete):
			fmt.Fprintln(w, c.T("usb.import.done", args))
		}
	}
}

// verdict is the error of an import whose packages are not all in order.
func verdict(c *Console, list []usb.Result) error {
	var faults problem.List
	var other *problem.Problem
	mine, later := 0, 0
	for _, r := range list {
		switch {
		case r.State == usb.Invalid:
			faults = append(faults, problem.New(problem.BadSeal, "usb.invalid", "", nil).Because(r.Why))
		case r.State == usb.Other:
			other = problem.New(problem.BadSeal, "usb.other-office", "", i18n.Args{"to": named(r.To), "self": named(r.Self)})
		case r.State == usb.Incomplete && r.Bundles+r.Replies == 0:
			faults = append(faults, problem.New(problem.BadSeal, "usb.incomplete", "", i18n.Args{"from": named(r.From)}))
		case r.Full:
			faults = append(faults, problem.New(problem.Full, "usb.no-room", "", nil))
		default:
			mine++
		}
		if r.NoReturn {
			c.Step(Warning, "usb.import.no-return")
		}
		if r.Later > 0 && !r.Full {
			later += r.Later
			c.Step(Warning, "usb.import.later", i18n.Args{"count": r.Later})
		}
	}
	switch {
	case len(faults) > 0:
		return faults
	case mine == 0 && other != nil:
		return other
	case mine == 0:
		return problem.New(problem.NotFound, "usb.nothing", "", nil)
	case later > 0:
		return ErrPartial
	}
	return nil
}
