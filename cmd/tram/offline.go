package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/enroll"
	"tram/agent/i18n"
	"tram/agent/problem"
	"tram/agent/service"
	"tram/cmd/internal/cli"
	"tram/storage/fsx"
)

// writeRequest makes the request that is carried to the hub by stick, in the
// running service or, when none runs, here.
func writeRequest(ctx context.Context, c *cli.Console, path, out string, again bool) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read invite: %w", err)
	}
	client := api.NewClient(c.Data)
	defer client.Close()
	made, err := client.OfflineRequest(ctx, raw, again)
	if notRunning(err) {
		made, err = requestHere(c, path, again)
	}
	if err != nil {
		return err
	}
	if made.Request != nil { // none on a box that is enrolled
		if err := fsx.WriteFile(out, made.Request, 0o600); err != nil {
			return fmt.Errorf("write request: %w", err)
		}
	}
	inv, err := enroll.ReadInvite(path)
	if err != nil {
		return err
	}
	return c.Print(enrollment{State: enroll.State(made.State), Code: inv.Code, Name: inv.Name, Hub: inv.Hub}, func(w io.Writer) {
		key := "tram.enroll.requested"
		if made.Request == nil {
			key = "tram.enroll." + made.State
		}
		fmt.Fprintln(w, c.T(key, i18n.Args{"code": inv.Code, "name": inv.Name, "hub": inv.Hub, "file": out}))
	})
}

func requestHere(c *cli.Console, path string, again bool) (api.Request, error) {
	now, err := clock.Open(c.Data)
	if err != nil {
		return api.Request{}, err
	}
	body, r, err := enroll.OfflineRequest(enroll.Options{Dir: c.Data, Invite: path, Now: now.Now, Again: again, Logger: c.Logger("warn", "text")})
	return api.Request{State: string(r.State), Request: body}, errors.Join(err, service.Adopt(c.Data))
}

// takeResponse takes in the answer that was carried back.
func takeResponse(ctx context.Context, c *cli.Console, path string) error {
	answer, err := enroll.ReadAnswer(path)
	if err != nil {
		return err
	}
	client := api.NewClient(c.Data)
	defer client.Close()
	got, err := client.OfflineResponse(ctx, answer)
	if notRunning(err) {
		got, err = responseHere(c, answer)
	}
	if err != nil {
		return err
	}
	result, err := summarise(enroll.Status(c.Data))
	if err != nil {
		return err
	}
	result.State = enroll.State(got.State)
	return c.Print(result, func(w io.Writer) {
		fmt.Fprintln(w, c.T("tram.enroll."+got.State, i18n.Args{"code": result.Code, "name": result.Name, "hub": result.Hub}))
	})
}

func responseHere(c *cli.Console, answer []byte) (api.Request, error) {
	now, err := clock.Open(c.Data)
	if err != nil {
		return api.Request{}, err
	}
	r, err := enroll.OfflineResponse(enroll.Options{Dir: c.Data, Now: now.Now, Logger: c.Logger("warn", "text")}, answer)
	if err == nil && r.State == enroll.Enrolled {
		now.Heard(now.Now().Add(r.ClockOffset))
		err = now.Keep()
	}
	return api.Request{State: string(r.State)}, errors.Join(err, service.Adopt(c.Data))
}

func notRunning(err error) bool {
	return errors.Is(err, problem.New(problem.NotRunning, "service.not-running", "", nil))
}
