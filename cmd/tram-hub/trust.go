package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	paper "tram/agent/enroll/invite"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// dayForm is how days are shown.
const dayForm = "02/01/2006"

// askFor is ask with the answer as a value.
func askFor[T any](ctx context.Context, c *cli.Console, method, path string, in any, do func(*hub.Hub) (T, error)) (out T, err error) {
	err = ask(ctx, c, method, path, in, &out, func(h *hub.Hub) (err error) {
		out, err = do(h)
		return err
	})
	return out, err
}

// certCommand lists and revokes the offices' certificates.
func certCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "cert", Short: "hub.cert.short"}
	list := &cobra.Command{Use: "list", Short: "hub.cert.list.short", Args: cli.Args(0, 0)}
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		certs, err := askFor(cmd.Context(), c, http.MethodGet, hub.CertsPath, nil, func(h *hub.Hub) ([]ca.Certificate, error) {
			return h.Certificates(cmd.Context())
		})
		if err != nil {
			return err
		}
		return c.Print(certs, func(w io.Writer) { printCerts(c, w, certs) })
	}
	var reason string
	revoke := &cobra.Command{Use: "revoke CODE", Short: "hub.cert.revoke.short", Long: "hub.cert.revoke.long", Args: cli.Args(1, 1)}
	revoke.Flags().StringVar(&reason, "reason", string(ca.ReasonOther), "hub.cert.reason")
	revoke.RunE = func(cmd *cobra.Command, args []string) error {
		if err := c.Confirm(c.T("hub.cert.ask", i18n.Args{"code": args[0]})); err != nil {
			return err
		}
		req := hub.RevokeRequest{Code: args[0], Reason: ca.Reason(reason)}
		r, err := askFor(cmd.Context(), c, http.MethodPost, hub.RevokePath, req, func(h *hub.Hub) (hub.CertRevoked, error) {
			return h.RevokeCert(cmd.Context(), req.Code, req.Reason, "cli")
		})
		if err != nil {
			return err
		}
		return c.Print(r, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.cert.revoked", i18n.Args{"code": r.Code, "count": len(r.Revoked)}))
			if r.CRL != "" {
				c.Say("hub.cert.crl", i18n.Args{"file": r.CRL})
			}
		})
	}
	group.AddCommand(list, revoke)
	return group
}

func printCerts(c *cli.Console, w io.Writer, certs []ca.Certificate) {
	var rows [][]string
	for _, cert := range certs {
		state := "hub.cert.state.good"
		switch {
		case cert.Revoked != nil:
			state = "hub.cert.state.revoked"
		case !cert.Received:
			state = "hub.cert.state.sent"
		}
		rows = append(rows, []string{cert.Code, c.T("tram.cert." + cert.Unit), cert.Until.Local().Format(dayForm), c.T(state), cert.Serial})
	}
	c.Table(w, []string{"hub.col.code", "tram.cert.col.unit", "hub.col.until", "hub.col.state", "tram.cert.col.serial"}, rows)
}

// waitingCommand lists the waiting room and decides on those in it.
func waitingCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "waiting", Short: "hub.waiting.short", Long: "hub.waiting.long"}
	all := false
	list := &cobra.Command{Use: "list", Short: "hub.waiting.list.short", Args: cli.Args(0, 0)}
	list.Flags().BoolVar(&all, "all", false, "hub.waiting.all")
	list.RunE = func(cmd *cobra.Command, _ []string) error {
		room, err := askFor(cmd.Context(), c, http.MethodGet, hub.WaitingPath+"?all="+strconv.FormatBool(all), nil, func(h *hub.Hub) ([]ca.Waiting, error) {
			return h.WaitingRoom(cmd.Context(), all)
		})
		if err != nil {
			return err
		}
		return c.Print(room, func(w io.Writer) { printWaiting(c, w, room) })
	}
	group.AddCommand(list, decideCommand(c, "admit", ca.Admitted), decideCommand(c, "refuse", ca.Refused))
	return group
}

func decideCommand(c *cli.Console, name string, d ca.Decision) *cobra.Command {
	cmd := &cobra.Command{Use: name + " ID", Short: "hub.waiting." + name + ".short", Args: cli.Args(1, 1)}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseInt(args[0], 10, 64)
		if err != nil {
			return problem.New(problem.NotFound, "waiting.none", "ID", i18n.Args{"id": args[0]})
		}
		req := hub.DecideRequest{ID: id, Decision: d}
		box, err := askFor(cmd.Context(), c, http.MethodPost, hub.WaitingPath, req, func(h *hub.Hub) (ca.Waiting, error) {
			return h.Decide(cmd.Context(), req.ID, req.Decision, "cli")
		})
		if err != nil {
			return err
		}
		return c.Print(box, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.waiting."+string(d), i18n.Args{"code": box.Code, "name": box.Name, "keys": box.Keys}))
		})
	}
	return cmd
}

func printWaiting(c *cli.Console, w io.Writer, room []ca.Waiting) {
	if len(room) == 0 {
		c.Say("hub.waiting.empty")
		return
	}
	var rows [][]string
	for _, box := range room {
		decision := "–"
		if box.Decision != ca.Undecided {
			decision = c.T("hub.waiting.decision." + string(box.Decision))
		}
		rows = append(rows, []string{fmt.Sprint(box.ID), box.Code, box.Name, c.T("hub.waiting.reason." + string(box.Reason)), box.Keys,
			box.First.Local().Format(clockForm), box.Remote, decision})
	}
	c.Table(w, []string{"hub.waiting.col.id", "hub.col.code", "hub.col.name", "hub.waiting.col.reason", "hub.waiting.col.keys",
		"hub.waiting.col.first", "hub.waiting.col.remote", "hub.waiting.col.decision"}, rows)
}

// inviteListCommand lists invites.
func inviteListCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "hub.invite.list.short", Args: cli.Args(0, 0)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := askFor(cmd.Context(), c, http.MethodGet, hub.InvitesPath, nil, func(h *hub.Hub) ([]ca.InviteInfo, error) {
			return h.Invites(cmd.Context())
		})
		if err != nil {
			return err
		}
		return c.Print(list, func(w io.Writer) {
			var rows [][]string
			for _, i := range list {
				rows = append(rows, []string{i.Code, i.Name, c.T("hub.invite.state." + string(i.State)), i.Batch, i.Short, i.NotAfter.Local().Format(dayForm)})
			}
			c.Table(w, []string{"hub.col.code", "hub.col.name", "hub.col.invite", "hub.invite.col.batch", "sheet.short", "hub.col.until"}, rows)
		})
	}
	return cmd
}

// inviteRevokeCommand withdraws a batch of invites, such as those on a stick
// that was lost.
func inviteRevokeCommand(c *cli.Console) *cobra.Command {
	var batch string
	cmd := &cobra.Command{Use: "revoke", Short: "hub.invite.revoke.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&batch, "batch", "", "hub.invite.revoke.batch")
	if err := cmd.MarkFlagRequired("batch"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		r, err := askFor(cmd.Context(), c, http.MethodPost, hub.InvitesPath+"/revoke", hub.RevokedBatch{Batch: batch}, func(h *hub.Hub) (hub.RevokedBatch, error) {
			return h.RevokeBatch(cmd.Context(), batch, "cli")
		})
		if err != nil {
			return err
		}
		if r.Count == 0 {
			return problem.New(problem.NotFound, "invite.no-batch", "batch", i18n.Args{"batch": batch})
		}
		return c.Print(r, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.invite.revoked", i18n.Args{"batch": r.Batch, "count": r.Count}))
		})
	}
	return cmd
}

// invites asks for the invites of a list of offices, or for that of the box that
// replaces an office's.
func invites(ctx context.Context, c *cli.Console, csv []byte, replace string, o ca.InviteOptions) ([]ca.Made, error) {
	if replace == "" {
		return askFor(ctx, c, http.MethodPost, hub.InvitesPath, hub.InviteRequest{CSV: string(csv), O: o}, func(h *hub.Hub) ([]ca.Made, error) {
			return h.Invite(ctx, csv, o)
		})
	}
	return askFor(ctx, c, http.MethodPost, hub.InvitesPath+"/replace", hub.ReplaceRequest{Code: replace, O: o}, func(h *hub.Hub) ([]ca.Made, error) {
		return h.Replace(ctx, replace, o)
	})
}

// inviteSignCommand answers a request that came by stick.
func inviteSignCommand(c *cli.Console) *cobra.Command {
	var out string
	cmd := &cobra.Command{Use: "sign FILE", Short: "hub.invite.sign.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&out, "out", "", "hub.invite.sign.out")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := readLimited(args[0], paper.MaxRequest)
		if err != nil {
			return err
		}
		signed, err := askFor(cmd.Context(), c, http.MethodPost, hub.InvitesPath+"/sign", hub.SignRequest{Request: body}, func(h *hub.Hub) (hub.Signed, error) {
			return h.SignInvite(cmd.Context(), body)
		})
		if err != nil {
			return err
		}
		if err := fsx.WriteFile(out, signed.Answer, 0o600); err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		return c.Print(map[string]string{"code": signed.Code, "file": out}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.invite.signed", i18n.Args{"code": signed.Code, "file": out}))
		})
	}
	return cmd
}
