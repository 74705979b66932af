package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/enroll"
	"tram/agent/enroll/invite"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

// enrollment is the stable JSON of `tram enroll`.
type enrollment struct {
	State       enroll.State `json:"state"`
	Code        string       `json:"code"`
	Name        string       `json:"name"`
	Hub         string       `json:"hub"`
	Fingerprint string       `json:"ca_fingerprint,omitempty"`
	Why         string       `json:"why,omitempty"` // code of what it waits for
	why         *problem.Problem
}

func enrollCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "enroll INVITE", Short: "tram.enroll.short", Long: "tram.enroll.long", Args: cli.Args(0, 1)}
	again := cmd.Flags().Bool("again", false, "tram.enroll.again")
	request := cmd.Flags().String("offline-request", "", "tram.enroll.offline-request")
	response := cmd.Flags().String("response", "", "tram.enroll.response")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := os.MkdirAll(c.Data, 0o700); err != nil {
			return fmt.Errorf("make data folder: %w", err)
		}
		if *response != "" {
			return takeResponse(cmd.Context(), c, *response)
		}
		if len(args) == 0 {
			return cli.Args(1, 1)(cmd, args)
		}
		path, err := enroll.FindInvite(args[0])
		if err != nil {
			return err
		}
		inv, err := enroll.ReadInvite(path)
		if err != nil {
			return err
		}
		joined, err := enroll.Status(c.Data)
		if err != nil {
			return err
		}
		if joined.State != enroll.Already || *again {
			question := c.T("tram.enroll.ask", i18n.Args{
				"code": inv.Code, "name": inv.Name, "hub": inv.HubName, "fingerprint": invite.Words(inv.CA) + " · " + invite.Fingerprint(inv.CA),
			})
			if err := c.Confirm(question); err != nil {
				return err
			}
		}
		if *request != "" {
			return writeRequest(cmd.Context(), c, path, *request, *again)
		}
		result, err := join(cmd.Context(), c, path, *again)
		if err != nil {
			return err
		}
		if result.State == enroll.Already && joined.State != enroll.Already {
			result.State = enroll.Enrolled // just now, by the running service
		}
		return c.Print(result, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.enroll."+string(result.State), i18n.Args{"code": result.Code, "name": result.Name, "hub": result.Hub}))
			if result.why != nil {
				fmt.Fprintf(w, "! %s\n  %s\n", result.why.Message(c.Lang), result.why.Next(c.Lang))
			}
		})
	}
	return cmd
}

// join hands the invite to the running service, or does its work here when
// none is running.
func join(ctx context.Context, c *cli.Console, path string, again bool) (enrollment, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return enrollment{}, fmt.Errorf("read invite: %w", err)
	}
	client := api.NewClient(c.Data)
	defer client.Close()
	if again {
		var s api.Status
		if s, err = client.EnrollAgain(ctx, raw); err == nil {
			r, err := enroll.Status(c.Data)
			r.State = enroll.State(s.State)
			return summarise(r, err)
		}
	} else if _, err = client.Enroll(ctx, raw); err == nil {
		return summarise(enroll.Status(c.Data))
	}
	if p := problem.From(err); !errors.Is(err, problem.New(0, "service.not-running", "", nil)) {
		return enrollment{}, p
	}
	now, err := clock.Open(c.Data)
	if err != nil {
		return enrollment{}, err
	}
	result, err := enroll.Enroll(ctx, enroll.Options{Dir: c.Data, Invite: path, Now: now.Now, Again: again, Logger: c.Logger("warn", "text")})
	if err == nil && result.State == enroll.Enrolled {
		now.Heard(now.Now().Add(result.ClockOffset))
		err = now.Keep()
	}
	if err := errors.Join(err, service.Adopt(c.Data)); err != nil {
		return enrollment{}, err
	}
	return summarise(result, nil)
}

func summarise(r enroll.Result, err error) (enrollment, error) {
	e := enrollment{State: r.State, Code: r.Code, Name: r.Name, Hub: r.Hub, Fingerprint: r.Fingerprint}
	if r.State == enroll.Waiting && r.Why != nil {
		e.Why, e.why = r.Why.Code, r.Why
	}
	return e, err
}
