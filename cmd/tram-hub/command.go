package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/clock"
	order "tram/agent/command"
	"tram/agent/hub"
	"tram/agent/hub/command"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// commandCommand orders the boxes of offices to do something.
func commandCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "command", Short: "command.short"}
	group.AddCommand(sendOrderCommand(c), listOrdersCommand(c), showOrderCommand(c), withdrawOrderCommand(c))
	return group
}

func sendOrderCommand(c *cli.Console) *cobra.Command {
	var until string
	var life time.Duration
	words := strings.ReplaceAll(command.Words(), ", ", "|")
	cmd := &cobra.Command{Use: "send OFFICE " + words, Short: "command.send.short", Long: "command.send.long", Args: cli.Args(2, 2)}
	cmd.Flags().StringVar(&until, "until", "", "command.flag.until")
	cmd.Flags().DurationVar(&life, "life", order.DefaultLife, "command.flag.life")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := hub.OrderRequest{Office: args[0], Command: order.Name(args[1]), Life: life}
		var ok bool
		if q.Until, ok = momentOf(until, time.Now()); !ok {
			return problem.New(problem.Usage, "command.until", "until", i18n.Args{"days": int(command.MaxHold / (24 * time.Hour))})
		}
		did, err := askFor(cmd.Context(), c, http.MethodPost, hub.OrdersPath, q, func(h *hub.Hub) (hub.ShownOrder, error) { return h.Do(cmd.Context(), q) })
		if err != nil {
			return err
		}
		return tellOrder(c, did)
	}
	return cmd
}

// momentOf reads a time that a person has typed: of today, or of tomorrow when that is
// over; "" is none.
func momentOf(text string, now time.Time) (at time.Time, ok bool) {
	if text = strings.TrimSpace(text); text == "" {
		return time.Time{}, true
	}
	if at, err := time.ParseInLocation("2/1/2006 15:04", text, clock.Vietnam); err == nil {
		return at, true
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, true
	}
	hour, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, false
	}
	now = now.In(clock.Vietnam)
	at = time.Date(now.Year(), now.Month(), now.Day(), hour.Hour(), hour.Minute(), 0, 0, clock.Vietnam)
	if !at.After(now) {
		at = at.AddDate(0, 0, 1)
	}
	return at, true
}

func listOrdersCommand(c *cli.Console) *cobra.Command {
	var q command.Query
	cmd := &cobra.Command{Use: "list", Short: "command.list.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&q.Office, "office", "", "command.flag.office")
	cmd.Flags().BoolVar(&q.Open, "open", false, "command.flag.open")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ask := url.Values{"office": {q.Office}}
		if q.Open {
			ask.Set("open", "")
		}
		list, err := askFor(cmd.Context(), c, http.MethodGet, hub.OrdersPath+"?"+ask.Encode(), nil, func(h *hub.Hub) ([]hub.ShownOrder, error) {
			return h.ListOrders(cmd.Context(), q)
		})
		if err != nil {
			return err
		}
		return c.Print(list, func(w io.Writer) {
			var rows [][]string
			for _, r := range list {
				rows = append(rows, []string{r.ID.String(), r.Office, string(r.Command), r.By, moment(r.Created), r.Text(c.Lang)})
			}
			c.Table(w, []string{"command.col.id", "command.col.office", "command.col.command", "command.col.by", "command.col.created", "command.col.state"}, rows)
		})
	}
	return cmd
}

func showOrderCommand(c *cli.Console) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "show ID", Short: "command.show.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&file, "archive", "", "command.flag.archive")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id := "?" + url.Values{"id": {args[0]}}.Encode()
		r, err := askFor(cmd.Context(), c, http.MethodGet, hub.OrdersPath+"/show"+id, nil, func(h *hub.Hub) (hub.ShownOrder, error) {
			return h.ShowOrder(cmd.Context(), args[0])
		})
		if err != nil {
			return err
		}
		if file != "" {
			archive, err := askFor(cmd.Context(), c, http.MethodGet, hub.OrdersPath+"/archive"+id, nil, func(h *hub.Hub) (a hub.OrderArchive, err error) {
				a.Data, err = h.Orders().Archive(cmd.Context(), args[0])
				return a, err
			})
			if err != nil {
				return err
			}
			if err := fsx.WriteFile(file, archive.Data, 0o600); err != nil {
				return err
			}
			c.Say("command.show.saved", i18n.Args{"file": file})
		}
		return tellOrder(c, r)
	}
	return cmd
}

func withdrawOrderCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "withdraw ID", Short: "command.withdraw.short", Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := askFor(cmd.Context(), c, http.MethodPost, hub.OrdersPath+"/withdraw", hub.WithdrawRequest{ID: args[0]}, func(h *hub.Hub) (hub.ShownOrder, error) {
				return h.Undo(cmd.Context(), args[0])
			})
			if err != nil {
				return err
			}
			return tellOrder(c, r)
		},
	}
}

// tellOrder tells one order with its answer.
func tellOrder(c *cli.Console, r hub.ShownOrder) error {
	return c.Print(r, func(w io.Writer) {
		line := func(key string, args i18n.Args) { fmt.Fprintln(w, cli.OneLine(c.T(key, args))) }
		fmt.Fprintln(w, r.ID)
		line("command.show.head", i18n.Args{"command": r.Command, "code": r.Office, "name": r.Name, "state": r.Text(c.Lang)})
		line("command.show.given", i18n.Args{"by": r.By, "role": string(r.Role), "created": moment(r.Created), "expires": moment(r.Expires)})
		if !r.Until.IsZero() {
			line("command.show.until", i18n.Args{"until": moment(r.Until)})
		}
		if !r.Taken.IsZero() || !r.Answered.IsZero() {
			line("command.show.way", i18n.Args{"taken": moment(r.Taken), "answered": moment(r.Answered)})
		}
		if r.Withdrawn != "" {
			line("command.show.withdrawn", i18n.Args{"by": r.Withdrawn})
		}
		if r.Archive > 0 {
			line("command.show.archive", i18n.Args{"size": cli.Bytes(r.Archive)})
		}
		var text bytes.Buffer
		if len(r.Result) > 0 && json.Indent(&text, r.Result, "", "  ") == nil {
			for l := range strings.Lines(text.String()) {
				fmt.Fprintln(w, cli.OneLine(strings.TrimSuffix(l, "\n")))
			}
		}
	})
}
