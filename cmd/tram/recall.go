package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/cmd/internal/cli"
	"tram/storage"
)

func withdrawCommand(c *cli.Console) *cobra.Command {
	req := api.RecallRequest{By: "cli"}
	cmd := withDocument(c, "withdraw ID", "tram.withdraw.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Withdraw(cmd.Context(), id, req)
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.withdraw.done", i18n.Args{"number": numberOf(d)}))
		})
	})
	cmd.Flags().StringVar(&req.Reason, "reason", "", "tram.withdraw.reason")
	return cmd
}

func recallCommand(c *cli.Console) *cobra.Command {
	req := api.RecallRequest{By: "cli"}
	cmd := withDocument(c, "recall ID", "tram.recall.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Recall(cmd.Context(), id, req)
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) { printRecall(c, w, d) })
	})
	cmd.Flags().StringSliceVar(&req.To, "to", nil, "tram.recall.to")
	reasonFlag(cmd, &req.Reason, "tram.recall.reason")
	return cmd
}

// printRecall says whom the recall concerns and how far it came.
func printRecall(c *cli.Console, w io.Writer, d office.Document) {
	if d.State == office.Withdrawn {
		fmt.Fprintln(w, c.T("tram.withdraw.done", i18n.Args{"number": numberOf(d)}))
		return
	}
	for _, to := range d.To {
		if to.Recall != nil {
			fmt.Fprintln(w, cli.OneLine(to.Code+" "+to.Name+": "+askWords(c, "recall", to.Recall)))
		}
	}
}

// askWords says what a recipient was asked and answered.
func askWords(c *cli.Console, kind string, a *office.Ask) string {
	return strings.TrimSpace(c.T("tram."+kind+"."+string(a.State)) + " " + a.AnswerIn(c.Lang))
}

func grantCommand(c *cli.Console) *cobra.Command {
	return withDocument(c, "grant ID", "tram.grant.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Grant(cmd.Context(), id, api.RecallRequest{By: "cli"})
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) { fmt.Fprintln(w, c.T("tram.grant.done")) })
	})
}

func refuseCommand(c *cli.Console) *cobra.Command {
	req := api.RecallRequest{By: "cli"}
	cmd := withDocument(c, "refuse ID", "tram.refuse.short", func(cmd *cobra.Command, client *api.Client, id storage.ID) error {
		d, err := client.Refuse(cmd.Context(), id, req)
		if err != nil {
			return err
		}
		return c.Print(d, func(w io.Writer) { fmt.Fprintln(w, c.T("tram.refuse.done")) })
	})
	reasonFlag(cmd, &req.Reason, "tram.refuse.reason")
	return cmd
}

func reasonFlag(cmd *cobra.Command, into *string, usage string) {
	cmd.Flags().StringVar(into, "reason", "", usage)
	if err := cmd.MarkFlagRequired("reason"); err != nil {
		panic(err) // the flag is defined above
	}
}

// changeFlags are the flags of send about earlier documents. The function that
// it returns reads the IDs.
func changeFlags(cmd *cobra.Command, d *api.DraftRequest) (read func() error) {
	var replaces, replies []string
	var updates string
	f := cmd.Flags()
	f.StringSliceVar(&replaces, "replaces", nil, "tram.send.replaces")
	f.StringSliceVar(&replies, "replies", nil, "tram.send.replies")
	f.StringVar(&updates, "updates", "", "tram.send.updates")
	f.StringSliceVar(&d.Removed, "removed", nil, "tram.send.removed")
	f.StringVar(&d.ChangeReason, "reason", "", "tram.send.reason")
	return func() (err error) {
		d.Replaces = make([]storage.ID, len(replaces))
		for i, text := range replaces {
			if d.Replaces[i], err = changeID("replaces", text); err != nil {
				return err
			}
		}
		d.Replies = make([]storage.ID, len(replies))
		for i, text := range replies {
			if d.Replies[i], err = changeID("replies", text); err != nil {
				return err
			}
		}
		if updates != "" {
			d.Updates, err = changeID("updates", updates)
		}
		return err
	}
}

func changeID(flag, text string) (storage.ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return id, problem.New(problem.Usage, "api.bad-id", flag, i18n.Args{"id": text}).Because(err)
	}
	return id, nil
}

// printChanges shows what a document is linked to, and what its sender asks.
func printChanges(c *cli.Console, w io.Writer, d office.Document) {
	for _, l := range d.Links {
		what := strings.TrimSpace(l.Symbol + " " + l.Subject)
		if what == "" {
			what = l.EdXMLID
		}
		fmt.Fprintln(w, cli.OneLine(c.T("tram.link."+string(l.Kind))+" "+what))
	}
	if r := d.Request; r != nil {
		fmt.Fprintln(w, cli.OneLine(c.T("tram.request."+r.Kind, i18n.Args{
			"who": strings.TrimSpace(r.Person + " (" + r.From + ")"), "time": r.At.Local().Format(clockForm), "reason": r.Reason,
		})+" "+c.T("tram.request."+string(r.State))+" "+r.Answer))
	}
	for _, to := range d.To {
		if to.Recall != nil {
			fmt.Fprintln(w, cli.OneLine(to.Code+": "+askWords(c, "recall", to.Recall)))
		}
		if to.Update != nil {
			fmt.Fprintln(w, cli.OneLine(to.Code+": "+askWords(c, "update", to.Update)))
		}
	}
}
