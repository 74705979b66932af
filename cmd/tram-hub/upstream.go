package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"tram/agent/config"
	"tram/agent/enroll"
	paper "tram/agent/enroll/invite"
	"tram/agent/hub"
	"tram/agent/hub/ca"
	"tram/agent/hub/registry"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

// upstreamCommand makes this hub an office of the hub above.
func upstreamCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "upstream", Short: "hub.upstream.short"}
	join := &cobra.Command{Use: "enroll INVITE", Short: "hub.upstream.enroll.short", Long: "hub.upstream.enroll.long", Args: cli.Args(1, 1)}
	join.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := enroll.FindInvite(args[0])
		if err != nil {
			return err
		}
		inv, err := enroll.ReadInvite(path)
		if err != nil {
			return err
		}
		if err := mayJoin(c, inv); err != nil {
			return err
		}
		if err := c.Confirm(c.T("hub.upstream.ask", i18n.Args{
			"code": inv.Code, "name": inv.Name, "hub": inv.HubName, "fingerprint": paper.Fingerprint(inv.CA),
		})); err != nil {
			return err
		}
		r, err := hub.JoinUpstream(cmd.Context(), c.Data, enroll.Options{Invite: path, Logger: c.Logger("warn", "text")})
		if err != nil {
			return err
		}
		if err := service.Adopt(c.Data); err != nil {
			return err
		}
		return c.Print(map[string]any{"state": r.State, "code": r.Code, "hub": r.Hub, "ca_fingerprint": r.Fingerprint}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("hub.upstream."+string(r.State), i18n.Args{"code": r.Code, "hub": r.Hub, "name": r.HubName}))
		})
	}
	group.AddCommand(join)
	return group
}

// mayJoin refuses an invite that is not for this hub.
func mayJoin(c *cli.Console, inv *paper.Invite) error {
	if !ca.Exists(c.Data) {
		return problem.New(problem.NotEnrolled, "hub.none", "data", i18n.Args{"dir": filepath.Clean(c.Data)})
	}
	cfg, err := config.LoadHub(c.Data, nil)
	if err != nil {
		return err
	}
	switch {
	case registry.Key(inv.Code) != registry.Key(cfg.Code):
		return problem.New(problem.BadInvite, "upstream.other-code", "INVITE", i18n.Args{"invited": inv.Code, "code": cfg.Code})
	case inv.Kind != registry.KindHub:
		return problem.New(problem.BadInvite, "enroll.not-hub", "INVITE", i18n.Args{"code": inv.Code})
	}
	return nil
}
