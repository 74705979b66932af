package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/config"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

func inviteCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "invite", Short: "hub.invite.short"}
	var o ca.InviteOptions
	var csv, out, replace string
	create := &cobra.Command{Use: "create", Short: "hub.invite.create.short", Long: "hub.invite.create.long", Args: cli.Args(0, 0)}
	f := create.Flags()
	f.StringVar(&csv, "csv", "", "hub.invite.csv")
	f.StringVar(&out, "out", "", "hub.invite.out")
	o.TTL = ca.DefaultInviteLife
	f.Var((*life)(&o.TTL), "ttl", "hub.invite.ttl")
	f.BoolVar(&o.New, "new", false, "hub.invite.new")
	f.StringVar(&o.Batch, "batch", "", "hub.invite.batch")
	f.StringVar(&replace, "replace", "", "hub.invite.replace")
	if err := create.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
	create.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case csv == "" && replace == "":
			return problem.New(problem.Usage, "cli.required-flag", "csv", i18n.Args{"flag": "--csv", "path": cmd.CommandPath()})
		case csv != "" && replace != "":
			return problem.New(problem.Usage, "invite.csv-or-replace", "replace", nil)
		}
		var data []byte
		if replace == "" {
			var err error
			if data, err = readLimited(csv, ca.MaxCSV); err != nil {
				return err
			}
		} else if err := c.Confirm(c.T("hub.invite.replace.ask", i18n.Args{"code": replace})); err != nil {
			return err
		}
		o.By = "cli"
		made, err := invites(cmd.Context(), c, data, replace, o)
		if err != nil {
			return err
		}
		if err := errors.Join(ca.WriteInvites(out, made), ca.WriteSheet(out, made, time.Now())); err != nil {
			return err
		}
		return c.Print(summary(made), func(w io.Writer) { printInvites(c, w, made, out) })
	}
	group.AddCommand(create, inviteListCommand(c), inviteRevokeCommand(c), inviteSignCommand(c))
	return group
}

// life is a flag that takes days, such as 30d, or hours, minutes and seconds.
type life time.Duration

const day = 24 * time.Hour

// Type names the flag's value in help.
func (l *life) Type() string { return "duration" }

func (l *life) String() string {
	d := time.Duration(*l)
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// Set reads the flag's value.
func (l *life) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, bad := strconv.ParseUint(days, 10, 16) // 16 bits of days do not overflow
		d, err = time.Duration(n)*day, bad
	}
	*l = life(d)
	return err
}

func readLimited(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(data)) > most {
		err = errors.New("file is too large")
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	return data, nil
}

func unreadable(path string, err error) *problem.Problem {
	return problem.New(problem.Usage, "tram.unreadable-file", "csv", i18n.Args{"file": path}).Because(err)
}

// withHub opens the hub's data folder for a moment.
func withHub(ctx context.Context, c *cli.Console, do func(*hub.Hub) error) error {
	cfg, err := config.LoadHub(c.Data, nil)
	if err != nil {
		return err
	}
	h, err := hub.Open(ctx, hub.Options{Dir: c.Data, Config: cfg, Logger: c.Logger("warn", "text"), Version: cli.Build().Version})
	if err != nil {
		return err
	}
	err = do(h)
	return errors.Join(err, h.Close(), service.Adopt(c.Data))
}

// invited is the stable JSON of one invite. The secret is only in the file.
type invited struct {
	Code  string         `json:"code"`
	Name  string         `json:"name"`
	State ca.InviteState `json:"state"`
	Until time.Time      `json:"until"`
	File  string         `json:"file,omitempty"`
}

func summary(made []ca.Made) []invited {
	list := []invited{}
	for _, m := range made {
		list = append(list, invited{m.Office.Code, m.Office.Name, m.State, m.Until, m.File})
	}
	return list
}

func printInvites(c *cli.Console, w io.Writer, made []ca.Made, out string) {
	var rows [][]string
	for _, m := range made {
		rows = append(rows, []string{m.Office.Code, m.Office.Name, c.T("hub.invite.state." + string(m.State)), m.Until.Local().Format("02/01/2006"), m.File})
	}
	c.Table(w, []string{"hub.col.code", "hub.col.name", "hub.col.invite", "hub.col.until", "hub.col.file"}, rows)
	c.Say("hub.invite.done", i18n.Args{"dir": out})
	c.Say("hub.invite.sheet", i18n.Args{"file": filepath.Join(out, ca.SheetFile)})
}

// clockForm is how moments are shown.
const clockForm = "02/01/2006 15:04:05"

func releaseCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "release CODE", Short: "hub.release.short", Long: "hub.release.long", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := release(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return c.Print(r, func(w io.Writer) {
				fmt.Fprintln(w, c.T("hub.release.done", i18n.Args{"code": r.Code, "name": r.Name}))
			})
		},
	}
}

// release asks the running hub, or works on the data folder when none runs.
func release(ctx context.Context, c *cli.Console, code string) (hub.Released, error) {
	caller := api.NewCaller(c.Data, hub.SocketName)
	defer caller.Close()
	var r hub.Released
	err := caller.Call(ctx, http.MethodPost, "/v1/release", hub.ReleaseRequest{Code: code}, &r)
	if err == nil || !stopped(err) {
		return r, err
	}
	err = withHub(ctx, c, func(h *hub.Hub) (err error) {
		r, err = h.Release(ctx, code, "cli")
		return err
	})
	return r, err
}

func statusCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "hub.status.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			caller := api.NewCaller(c.Data, hub.SocketName)
			defer caller.Close()
			var s hub.Status
			if err := caller.Call(cmd.Context(), http.MethodGet, "/v1/status", nil, &s); err != nil {
				return err
			}
			return c.Print(s, func(w io.Writer) { printStatus(c, w, s) })
		},
	}
}

// printStatus begins with one line that says it all.
func printStatus(c *cli.Console, w io.Writer, s hub.Status) {
	verdict := "hub.status.up"
	if !s.Up {
		verdict = "hub.status.no-broker"
	}
	fmt.Fprintln(w, c.T(verdict, i18n.Args{"code": s.Code, "name": s.Name, "broker": s.Broker}))
	fmt.Fprintln(w, " ", c.T("hub.status.offices", i18n.Args{
		"offices": s.Offices, "enrolled": s.Enrolled, "online": s.Online, "waiting": s.Waiting,
	}))
	if u := s.Upstream; u != nil {
		line := "hub.status.above-down"
		if u.Up {
			line = "hub.status.above"
		}
		fmt.Fprintln(w, " ", c.T(line, i18n.Args{"code": u.Code, "name": u.Name, "until": u.Until.Local().Format(dayForm)}))
		if u.Refusal != nil {
			fmt.Fprintln(w, " ", c.T("hub.status.above-refused", i18n.Args{"why": c.T("problem."+u.Refusal.Code, u.Refusal.Args)}))
		}
	}
	for _, condition := range s.Conditions {
		fmt.Fprintln(w, " ", cli.OneLine("! "+condition.Message(c.Lang)))
	}
	fmt.Fprintln(w, " ", c.T("hub.status.disk", i18n.Args{"free": cli.Bytes(s.DiskFree), "version": s.Version}))
}
