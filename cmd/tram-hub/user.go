package main

import (
	"fmt"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"tram/agent/api"
	"tram/agent/hub"
	"tram/agent/i18n"
	"tram/agent/web/account"
	"tram/cmd/internal/cli"
)

// userCommand manages who may sign in to the console. Passwords come from a file
// or the terminal, never from the command line.
func userCommand(c *cli.Console) *cobra.Command {
	group := &cobra.Command{Use: "user", Short: "hub.user.short", Long: "hub.user.long"}
	group.AddCommand(
		userAddCommand(c), userPasswordCommand(c), userRoleCommand(c), userListCommand(c),
		userChangeCommand(c, "disable NAME", "hub.user.disable.short", api.CloseAccount),
		userChangeCommand(c, "enable NAME", "hub.user.enable.short", api.OpenAccount),
		userChangeCommand(c, "unlock NAME", "tram.user.unlock.short", api.Unlock),
		userChangeCommand(c, "sign-out NAME", "tram.user.sign-out.short", api.SignOut),
	)
	return group
}

// named is the stable JSON of a change of an account.
type named struct {
	Name string `json:"name"`
}

func printNamed(c *cli.Console, name string) error {
	return c.Print(named{name}, func(w io.Writer) { fmt.Fprintln(w, c.T("tram.user.done", i18n.Args{"name": name})) })
}

// newPassword asks for one.
func newPassword(c *cli.Console, file, name string) (string, error) {
	secret, err := c.Passphrase(cli.Secret{File: file, Flag: "password-file", Prompt: c.T("tram.user.ask", i18n.Args{"name": name}), Twice: true})
	return string(secret), err
}

func userAddCommand(c *cli.Console) *cobra.Command {
	var n hub.NewAccount
	var file string
	cmd := &cobra.Command{Use: "add NAME", Short: "tram.user.add.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&n.Display, "display", "", "tram.user.display")
	cmd.Flags().StringVar(&n.Role, "role", string(account.Operator), "hub.user.role")
	cmd.Flags().StringVar(&n.Scope, "scope", "", "hub.user.scope")
	cmd.Flags().StringVar(&file, "password-file", "", "tram.user.password-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		n.Name = args[0]
		if n.Password, err = newPassword(c, file, n.Name); err != nil {
			return err
		}
		u, err := askFor(cmd.Context(), c, http.MethodPost, hub.AccountsPath, n, func(h *hub.Hub) (account.User, error) {
			return h.AddUser(cmd.Context(), n, "cli")
		})
		if err != nil {
			return err
		}
		return printNamed(c, u.Name)
	}
	return cmd
}

func userPasswordCommand(c *cli.Console) *cobra.Command {
	var file string
	cmd := &cobra.Command{Use: "password NAME", Short: "tram.user.password.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&file, "password-file", "", "tram.user.password-file")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		n := hub.NewAccount{Name: args[0]}
		if n.Password, err = newPassword(c, file, n.Name); err != nil {
			return err
		}
		_, err = askFor(cmd.Context(), c, http.MethodPost, hub.AccountsPath+"/password", n, func(h *hub.Hub) (struct{}, error) {
			return struct{}{}, h.SetPassword(cmd.Context(), n, "cli")
		})
		if err != nil {
			return err
		}
		return printNamed(c, n.Name)
	}
	return cmd
}

func userRoleCommand(c *cli.Console) *cobra.Command {
	var n hub.NewAccount
	cmd := &cobra.Command{Use: "role NAME", Short: "hub.user.role.short", Args: cli.Args(1, 1)}
	cmd.Flags().StringVar(&n.Role, "role", "", "hub.user.role")
	cmd.Flags().StringVar(&n.Scope, "scope", "", "hub.user.scope")
	_ = cmd.MarkFlagRequired("role")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		n.Name = args[0]
		_, err := askFor(cmd.Context(), c, http.MethodPost, hub.AccountsPath+"/role", n, func(h *hub.Hub) (struct{}, error) {
			return struct{}{}, h.SetRole(cmd.Context(), n, "cli")
		})
		if err != nil {
			return err
		}
		return printNamed(c, n.Name)
	}
	return cmd
}

func userChangeCommand(c *cli.Console, use, short string, what api.AccountChange) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cli.Args(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, err := askFor(cmd.Context(), c, http.MethodPost, hub.AccountsPath+"/"+string(what), hub.NewAccount{Name: args[0]}, func(h *hub.Hub) (struct{}, error) {
				return struct{}{}, h.ChangeUser(cmd.Context(), args[0], what, "cli")
			})
			if err != nil {
				return err
			}
			return printNamed(c, args[0])
		},
	}
}

func userListCommand(c *cli.Console) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "tram.user.list.short", Args: cli.Args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := askFor(cmd.Context(), c, http.MethodGet, hub.AccountsPath, nil, func(h *hub.Hub) ([]account.User, error) {
				return h.Users(cmd.Context())
			})
			if err != nil {
				return err
			}
			return c.Print(users, func(w io.Writer) {
				rows := make([][]string, len(users))
				for i, u := range users {
					rows[i] = []string{u.Name, u.Display, c.T("web.role." + string(u.Role)), u.Scope, c.T(userState(u))}
				}
				c.Table(w, []string{"web.account.name", "web.account.display", "web.account.role", "hub.user.col.scope", "hub.col.state"}, rows)
			})
		},
	}
}

// userState is what somebody who manages accounts has to know first.
func userState(u account.User) string {
	switch {
	case u.Disabled:
		return "tram.user.closed"
	case u.Locked:
		return "tram.user.locked"
	case u.Temporary:
		return "tram.user.temporary"
	case u.Issuer != "":
		return "tram.user.external"
	}
	return "tram.user.in-use"
}
