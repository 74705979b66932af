package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/i18n"
	"tram/cmd/internal/cli"
)

// userCommand manages sign-ins. Passwords come from a file or the terminal,
// never from the command line.
func userCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "user", Short: "tram.user.short"}
	group.AddCommand(
		accountCommand(c, "add NAME", "tram.user.add.short", func(cmd *cobra.Command, client *api.Client, a api.Account) error {
			return client.CreateAccount(cmd.Context(), a)
		}),
		accountCommand(c, "password NAME", "tram.user.password.short", func(cmd *cobra.Command, client *api.Client, a api.Account) error {
			return client.SetPassword(cmd.Context(), a.Name, a.Password)
		}),
		userListCommand(c),
		userChangeCommand(c, "unlock NAME", "tram.user.unlock.short", api.Unlock),
		userChangeCommand(c, "sign-out NAME", "tram.user.sign-out.short", api.SignOut),
		userChangeCommand(c, "close NAME", "tram.user.close.short", api.CloseAccount),
		userChangeCommand(c, "open NAME", "tram.user.open.short", api.OpenAccount),
	)
	return group
}

func accountCommand(c *cli.Console, use, short string, do func(*cobra.Command, *api.Client, api.Account) error) *cobra.Command {
	var a api.Account
	var file string
	cmd := &cobra.Command{Use: use, Short: short, Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&a.Display, "display", "", "tram.user.display")
	cmd.Flags().StringVar(&a.Role, "role", "clerk", "tram.user.role")
	cmd.Flags().StringVar(&file, "password-file", "", "tram.user.password-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		a.Name = args[0]
		if a.Display == "" {
			a.Display = a.Name
		}
		secret, err := c.Passphrase(cli.Secret{File: file, Flag: "password-file", Prompt: c.T("tram.user.ask", i18n.Args{"name": a.Name}), Twice: true})
		if err != nil {
			return err
		}
		a.Password = string(secret)
		client := api.NewClient(c.Data)
		defer client.Close()
		if err := do(cmd, client, a); err != nil {
			return err
		}
		return c.Print(map[string]string{"name": a.Name}, func(w io.Writer) {
			fmt.Fprintln(w, c.T("tram.user.done", i18n.Args{"name": a.Name}))
		})
	}
	return cmd
}

func userListCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "tram.user.list.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client := api.NewClient(c.Data)
			defer client.Close()
			list, err := client.Accounts(cmd.Context())
			if err != nil {
				return err
			}
			return c.Print(list, func(w io.Writer) {
				for _, a := range list {
					fmt.Fprintf(w, "%-16s %-8s %-10s %s\n", a.Name, a.Role, userState(c, a), a.Display)
				}
			})
		},
	}
}

// userState is what an IT officer has to know first about an account.
func userState(c *cli.Console, a api.Account) string {
	switch {
	case a.Closed:
		return c.T("tram.user.closed")
	case a.Locked:
		return c.T("tram.user.locked")
	case a.Temporary:
		return c.T("tram.user.temporary")
	}
	return c.T("tram.user.in-use")
}

func userChangeCommand(c *cli.Console, use, short string, what api.AccountChange) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client := api.NewClient(c.Data)
			defer client.Close()
			if err := client.ChangeAccount(cmd.Context(), args[0], what); err != nil {
				return err
			}
			return c.Print(map[string]string{"name": args[0]}, func(w io.Writer) {
				fmt.Fprintln(w, c.T("tram.user.done", i18n.Args{"name": args[0]}))
			})
		},
	}
}
