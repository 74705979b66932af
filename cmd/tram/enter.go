package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/clock"
	"tram/agent/config"
	"tram/agent/i18n"
	"tram/agent/office"
	"tram/agent/register"
	"tram/cmd/internal/cli"
)

// enterCommand enters paper documents in the registers.
func enterCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "enter", Short: "tram.enter.short"}
	in := entry{EntryRequest: api.EntryRequest{Box: office.In, By: "cli"}}
	arriving := enterOne(c, "in [SCAN…]", "tram.enter.in.short", &in)
	f := arriving.Flags()
	f.StringVar(&in.From.Name, "from", "", "tram.enter.from")
	f.StringVar(&in.From.Code, "from-code", "", "tram.enter.from-code")
	f.StringVar(&in.Code, "code", "", "tram.enter.code")
	f.StringVar(&in.Arrived, "arrived", "", "tram.enter.arrived")
	out := entry{EntryRequest: api.EntryRequest{Box: office.Out, By: "cli"}}
	issuing := enterOne(c, "out [SCAN…]", "tram.enter.out.short", &out)
	f = issuing.Flags()
	f.StringArrayVar(&out.names, "to", nil, "tram.enter.to")
	f.StringVar(&out.Notation, "notation", "", "tram.send.notation")
	f.StringVar(&out.Signer, "signer", "", "tram.enter.signer")
	f.IntVar(&out.Copies, "copies", 0, "tram.enter.copies")
	group.AddCommand(arriving, issuing)
	return group
}

// entry is what the flags say.
type entry struct {
	api.EntryRequest
	names []string // of recipients
}

// enterOne has what both kinds of documents have.
func enterOne(c *cli.Console, use, short string, req *entry) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cli.Args(0, -1)}
	f := cmd.Flags()
	f.StringVar(&req.Number, "number", "", "tram.enter.number")
	f.StringVar(&req.Subject, "subject", "", "tram.send.subject")
	f.StringVar(&req.Type, "type", "", "tram.enter.type")
	f.StringVar(&req.Date, "date", "", "tram.enter.date")
	urgency := f.String("urgency", config.Urgencies[0], "tram.send.urgency")
	f.BoolVar(&req.Cleared, "cleared", false, "tram.send.cleared")
	f.BoolVar(&req.Sure, "sure", false, "tram.enter.sure")
	if err := cmd.MarkFlagRequired("subject"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if req.Urgency, err = cli.ParseUrgency(*urgency); err != nil {
			return err
		}
		for _, name := range req.names {
			req.To = append(req.To, office.Party{Name: name})
		}
		doc, err := handOver(c, args, func(client *api.Client, names []string, files []io.Reader) (office.Document, error) {
			req.Files = names
			return client.Enter(cmd.Context(), req.EntryRequest, files)
		})
		if err != nil {
			return err
		}
		return c.Print(map[string]any{"id": doc.ID, "arrival": doc.Arrival, "number": doc.Number, "notation": doc.Notation}, func(w io.Writer) {
			if doc.Box == office.In {
				fmt.Fprintln(w, c.T("tram.enter.in.done", i18n.Args{"number": doc.Arrival, "id": doc.ID}))
				return
			}
			fmt.Fprintln(w, c.T("tram.enter.out.done", i18n.Args{"number": numberOf(doc), "id": doc.ID}))
		})
	}
	return cmd
}

// numbersCommand tells what the series give next and what they left out.
func numbersCommand(c *cli.Console) *cobra.Command {
	cmd := &cobra.Command{Use: "numbers", Short: "tram.numbers.short", Args: cli.Args(0, 0)}
	f := cmd.Flags()
	year := f.Int("year", 0, "tram.numbers.year")
	kind := f.String("type", "", "tram.numbers.type")
	notation := f.String("notation", "", "tram.send.notation")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		client := api.NewClient(c.Data)
		defer client.Close()
		if *year == 0 {
			*year = time.Now().In(clock.Vietnam).Year()
		}
		list := []office.Outlook{}
		for _, box := range []office.Box{office.In, office.Out} {
			look, err := client.Outlook(cmd.Context(), box, *year, *kind, *notation)
			if err != nil {
				return err
			}
			list = append(list, look)
		}
		return c.Print(list, func(w io.Writer) {
			for _, look := range list {
				fmt.Fprintln(w, c.T("tram.numbers."+string(look.Box), i18n.Args{"year": look.Year, "number": register.Number(look.Next)}))
				if gaps := register.Ranges(look.Gaps); gaps != "" {
					fmt.Fprintln(w, "  "+c.T("tram.numbers.gaps", i18n.Args{"numbers": gaps}))
				}
			}
		})
	}
	return cmd
}
