package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/agent/identity"
	"tram/agent/office"
	"tram/agent/problem"
	"tram/agent/seal"
	"tram/agent/sealbook"
	"tram/agent/sealkey"
	"tram/agent/service"
	"tram/cmd/internal/cli"
)

// sealCommand manages the office's seals. PINs and passwords come from a file
// or the terminal, never from the command line.
func sealCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "seal", Short: "tram.seals.short"}
	group.AddCommand(sealListCommand(c), sealAddCommand(c), sealCertificateCommand(c), sealUseCommand(c), sealRemoveCommand(c),
		sealTestCommand(c), sealUnlockCommand(c), sealTokensCommand(c))
	return group
}

// withBook opens the seals of the data folder, whether a service runs or not.
func withBook(c *cli.Console, do func(*sealbook.Book) error) error {
	id, err := identity.Load(c.Data)
	if err != nil {
		return err
	}
	b := sealbook.New(sealbook.Options{Dir: c.Data, Identity: identity.NewLive(id), Logger: c.Logger("error", "text")})
	defer b.Close()
	return do(b)
}

// changeBook does the same and gives new files to the service.
func changeBook(c *cli.Console, do func(*sealbook.Book) error) error {
	if err := withBook(c, do); err != nil {
		return err
	}
	return service.Adopt(c.Data)
}

// sealEntry is the stable JSON of one seal.
type sealEntry struct {
	Name    string            `json:"name"`
	Kind    sealbook.Kind     `json:"kind"`
	Role    seal.Role         `json:"role,omitempty"`
	Person  string            `json:"person,omitempty"`
	Actions []sealbook.Action `json:"actions"`
	State   string            `json:"state"` // "good", or the code of the problem
	Until   *time.Time        `json:"until,omitempty"`
	Days    *int              `json:"days,omitempty"` // left
	Request string            `json:"request,omitempty"`
}

func describeSeal(e sealbook.Entry, now time.Time) sealEntry {
	s := sealEntry{Name: e.Name, Kind: e.Kind, Actions: append([]sealbook.Action{}, e.Actions...), State: "good"}
	if e.Fault != nil {
		s.State = problem.From(e.Fault).Code
	}
	if e.Cert != nil {
		s.Role, s.Person = seal.SignerOf(e.Cert)
		until, days := e.Cert.NotAfter, int(e.Cert.NotAfter.Sub(now).Hours()/24)
		s.Until, s.Days = &until, &days
	}
	return s
}

func sealListCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{Use: "list", Short: "tram.seals.list.short", Args: cli.Args(0, 0), RunE: func(*cobra.Command, []string) error {
		return withBook(c, func(b *sealbook.Book) error {
			entries, err := b.List()
			if err != nil {
				return err
			}
			list := []sealEntry{}
			for _, e := range entries {
				list = append(list, describeSeal(e, time.Now()))
			}
			return c.Print(list, func(w io.Writer) { printSeals(c, w, entries, list) })
		})
	}}
}

func printSeals(c *cli.Console, w io.Writer, entries []sealbook.Entry, list []sealEntry) {
	var rows [][]string
	for i, s := range list {
		state, until, role := c.T("tram.seals.good"), "–", "–"
		if fault := entries[i].Fault; fault != nil {
			state = problem.From(fault).Message(c.Lang)
		}
		if s.Until != nil {
			until = c.T("tram.seals.until", i18n.Args{"date": s.Until.Local().Format("02/01/2006"), "days": *s.Days})
			role = strings.TrimSpace(c.T("seal.role."+string(s.Role)) + " " + s.Person)
		}
		var actions []string
		for _, a := range s.Actions {
			actions = append(actions, c.T("tram.seals.action."+string(a)))
		}
		rows = append(rows, []string{s.Name, role, c.T("tram.seals.kind." + string(s.Kind)), strings.Join(actions, ", "), until, state})
	}
	c.Table(w, []string{"tram.col.name", "tram.col.role", "tram.col.kind", "tram.col.use", "tram.col.until", "tram.col.state"}, rows)
}

// actionsOf reads the words of --for.
func actionsOf(words []string) ([]sealbook.Action, error) {
	actions := []sealbook.Action{}
	for _, w := range words {
		a := sealbook.Action(strings.TrimSpace(w))
		if a == "" {
			continue
		}
		if !slices.Contains(sealbook.Actions, a) {
			return nil, problem.New(problem.Usage, "seal.action", "for", i18n.Args{"action": w})
		}
		if !slices.Contains(actions, a) {
			actions = append(actions, a)
		}
	}
	return actions, nil
}

func sealAddCommand(c *cli.Console) *cobra.Command {
	var n sealbook.NewSeal
	var words []string
	var secret string
	cmd := &cobra.Command{Use: "add NAME", Short: "tram.seals.add.short", Long: "tram.seals.add.long", Args: cli.Args(1, 1)}
	f := cmd.Flags()
	f.StringVar(&n.File, "pkcs12", "", "tram.seals.pkcs12")
	f.StringVar(&n.Module, "module", "", "tram.seals.module")
	f.StringVar(&n.Token, "token", "", "tram.seals.token")
	f.StringVar(&n.Key, "key", "", "tram.seals.key")
	f.BoolVar(&n.RSA, "rsa", false, "tram.seals.rsa")
	f.StringSliceVar(&words, "for", nil, "tram.seals.for")
	f.StringVar(&secret, "pin-file", "", "tram.seals.pin-file")
	f.StringVar(&n.Secret.File, "service-pin-file", "", "tram.seals.service-pin-file")
	f.StringVar(&n.Secret.Credential, "service-credential", "", "tram.seals.service-credential")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		n.Name, n.Kind = args[0], sealbook.KindFile
		switch {
		case n.File != "" && n.Module != "":
			return problem.New(problem.Usage, "seal.kind", "pkcs12", nil)
		case n.File != "":
			n.Kind = sealbook.KindPKCS12
		case n.Module != "":
			n.Kind = sealbook.KindPKCS11
		}
		if n.Actions, err = actionsOf(words); err != nil {
			return err
		}
		n.Ask = askPIN(c, n.Name, secret)
		return changeBook(c, func(b *sealbook.Book) error {
			added, err := b.Add(cmd.Context(), n)
			if err != nil {
				return err
			}
			entry := describeSeal(sealbook.Entry{Seal: added.Seal, Cert: added.Cert}, time.Now())
			entry.Request = added.Request
			if added.Cert == nil {
				entry.State = "seal.no-certificate"
			}
			return c.Print(entry, func(w io.Writer) {
				key := "tram.seals.added"
				if added.Cert == nil {
					key = "tram.seals.requested"
				}
				fmt.Fprintln(w, c.T(key, i18n.Args{"name": n.Name, "file": added.Request, "code": b.Code()}))
			})
		})
	}
	return cmd
}

// askPIN asks for a PIN or password; file "" asks on the terminal.
func askPIN(c *cli.Console, name, file string) func() ([]byte, error) {
	return func() ([]byte, error) {
		return c.Passphrase(cli.Secret{File: file, Flag: "pin-file", Prompt: c.T("tram.seals.ask", i18n.Args{"name": name})})
	}
}

func sealCertificateCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{Use: "certificate NAME FILE", Short: "tram.seals.certificate.short", Args: cli.Args(2, 2), RunE: func(_ *cobra.Command, args []string) error {
		return changeBook(c, func(b *sealbook.Book) error {
			cert, err := sealbook.ReadCertificate(args[1])
			if err != nil {
				return err
			}
			if err := b.Certify(args[0], cert); err != nil {
				return err
			}
			return c.Print(map[string]any{"name": args[0], "until": cert.NotAfter}, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.seals.certified", i18n.Args{"name": args[0], "date": cert.NotAfter.Local().Format("02/01/2006")}))
			})
		})
	}}
}

func sealUseCommand(c *cli.Console) *cobra.Command {
	var words []string
	cmd := &cobra.Command{Use: "use NAME", Short: "tram.seals.use.short", Long: "tram.seals.use.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringSliceVar(&words, "for", nil, "tram.seals.for")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		actions, err := actionsOf(words)
		if err != nil {
			return err
		}
		return changeBook(c, func(b *sealbook.Book) error {
			if err := b.Use(args[0], actions); err != nil {
				return err
			}
			return c.Print(map[string]any{"name": args[0], "actions": actions}, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.seals.used", i18n.Args{"name": args[0]}))
			})
		})
	}
	return cmd
}

func sealRemoveCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{Use: "remove NAME", Short: "tram.seals.remove.short", Args: cli.Args(1, 1), RunE: func(_ *cobra.Command, args []string) error {
		if err := c.Confirm(c.T("tram.seals.remove.ask", i18n.Args{"name": args[0]})); err != nil {
			return err
		}
		return changeBook(c, func(b *sealbook.Book) error {
			if err := b.Remove(args[0]); err != nil {
				return err
			}
			return c.Print(map[string]string{"name": args[0]}, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.seals.removed", i18n.Args{"name": args[0]}))
			})
		})
	}}
}

func sealTestCommand(c *cli.Console) *cobra.Command {
	var secret string
	cmd := &cobra.Command{Use: "test NAME", Short: "tram.seals.test.short", Long: "tram.seals.test.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&secret, "pin-file", "", "tram.seals.pin-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withBook(c, func(b *sealbook.Book) error {
			t, err := b.Test(cmd.Context(), args[0], askPIN(c, args[0], secret))
			if err != nil {
				return err
			}
			return c.Print(map[string]any{"name": t.Name, "milliseconds": t.Took.Milliseconds()}, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.seals.tested", i18n.Args{"name": t.Name, "ms": t.Took.Milliseconds()}))
			})
		})
	}
	return cmd
}

func sealUnlockCommand(c *cli.Console) *cobra.Command {
	var secret string
	var last bool
	cmd := &cobra.Command{Use: "unlock NAME", Short: "tram.seals.unlock.short", Long: "tram.seals.unlock.long", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&secret, "pin-file", "", "tram.seals.pin-file")
	cmd.Flags().BoolVar(&last, "last-try", false, "tram.seals.last-try")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		pin, err := askPIN(c, args[0], secret)()
		if err != nil {
			return err
		}
		defer clear(pin)
		if err := unlockSeal(cmd.Context(), c, sealbook.UnlockRequest{Name: args[0], Secret: pin, Last: last}); err != nil {
			return err
		}
		return c.Print(sealbook.Unlocked{Name: args[0]}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.seals.unlocked", i18n.Args{"name": args[0], "hours": int(sealkey.DefaultPINLife.Hours())}))
		})
	}
	return cmd
}

func unlockSeal(ctx context.Context, c *cli.Console, q sealbook.UnlockRequest) error {
	caller := api.NewCaller(c.Data, api.SocketName)
	defer caller.Close()
	return caller.Call(ctx, http.MethodPost, sealbook.UnlockPath, q, new(sealbook.Unlocked))
}

func sealTokensCommand(c *cli.Console) *cobra.Command {
	var module string
	cmd := &cobra.Command{Use: "tokens", Short: "tram.seals.tokens.short", Args: cli.Args(0, 0)}
	cmd.Flags().StringVar(&module, "module", "", "tram.seals.module")
	if err := cmd.MarkFlagRequired("module"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := sealkey.ListTokens(cmd.Context(), sealkey.TokenOptions{Helper: sealkey.HelperPath(), Module: module})
		if err != nil {
			return sealbook.Explain(module, err)
		}
		return c.Print(list, func(w io.Writer) {
			var rows [][]string
			for _, t := range list {
				for _, k := range t.Keys {
					rows = append(rows, []string{t.Label, t.Serial, k.Label, "id:" + k.ID, k.Type, c.T("tram.seals.tries." + string(t.Tries))})
				}
			}
			c.Table(w, []string{"tram.col.token", "tram.col.serial", "tram.col.key", "tram.col.id", "tram.col.kind", "tram.col.tries"}, rows)
		})
	}
	return cmd
}

// sealedBy is a seal's office with role and person.
func sealedBy(c *cli.Console, s *office.Seal) string { return sealWords(c, s.Name, s.Role, s.Person) }

func sealWords(c *cli.Console, name, role, person string) string {
	if role == "" {
		return name
	}
	return strings.TrimSuffix(name+", "+c.T("seal.role."+role)+" "+person, " ")
}
