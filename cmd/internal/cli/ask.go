package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// maxPassphrase bounds a passphrase file in bytes: a longer one is some other
// file.
const maxPassphrase = 1024

// Confirm asks a yes-or-no question, already in the caller's language. It
// returns nil for yes; --yes is yes. Without a terminal or with --no-input it
// does not wait but returns the problem "cli.needs-yes"; for no it returns
// "cli.declined".
func (c *Console) Confirm(question string) error {
	if c.Yes {
		return nil
	}
	if c.NoInput || !c.inTTY {
		return problem.New(problem.Usage, "cli.needs-yes", "", nil)
	}
	fmt.Fprintf(c.Err, "%s %s ", question, c.T("cli.yes-no"))
	line, err := c.In.ReadString('\n')
	if err != nil && line == "" {
		return problem.New(problem.Usage, declined, "", nil).Because(err)
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes", "c", "có", "co":
		return nil
	}
	return problem.New(problem.Usage, declined, "", nil)
}

// IsDeclined reports whether an error of Confirm is a person's no.
func IsDeclined(err error) bool { return problem.From(err).Code == declined }

// declined is the code of a no.
const declined = "cli.declined"

// Secret says where a passphrase comes from.
type Secret struct {
	File   string // path, "-" for standard input, "" to ask on the terminal
	Flag   string // the flag that gives File, for messages
	Prompt string // question on the terminal, in the caller's language
	Twice  bool   // ask twice and compare, for a new passphrase
}

// Passphrase reads a secret without showing it. A file's trailing line end is
// not part of it. An empty secret is a problem.
func (c *Console) Passphrase(s Secret) ([]byte, error) {
	var secret []byte
	var err error
	switch {
	case s.File == "-":
		secret, err = readSecret(c.In)
	case s.File != "":
		secret, err = readSecretFile(s.File)
	default:
		secret, err = c.askSecret(s)
	}
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		return nil, problem.New(problem.Usage, "cli.empty-passphrase", s.Flag, nil)
	}
	return secret, nil
}

func readSecretFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, problem.New(problem.Usage, "cli.passphrase-file", "", i18n.Args{"file": path}).Because(err)
	}
	defer f.Close()
	return readSecret(f)
}

func readSecret(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPassphrase+1))
	if err != nil {
		return nil, fmt.Errorf("read passphrase: %w", err)
	}
	if len(data) > maxPassphrase {
		return nil, problem.New(problem.Usage, "cli.long-passphrase", "", i18n.Args{"most": maxPassphrase})
	}
	return bytes.TrimRight(data, "\r\n"), nil
}

func (c *Console) askSecret(s Secret) ([]byte, error) {
	terminal, ok := c.stdin.(*os.File)
	if c.NoInput || !c.inTTY || !ok {
		return nil, problem.New(problem.Usage, "cli.needs-passphrase", s.Flag, i18n.Args{"flag": "--" + s.Flag})
	}
	ask := func(prompt string) ([]byte, error) {
		fmt.Fprintf(c.Err, "%s: ", prompt)
		defer fmt.Fprintln(c.Err)
		secret, err := term.ReadPassword(int(terminal.Fd()))
		if err != nil {
			return nil, fmt.Errorf("read passphrase: %w", err)
		}
		return secret, nil
	}
	secret, err := ask(s.Prompt)
	if err != nil || !s.Twice {
		return secret, err
	}
	again, err := ask(c.T("cli.again"))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(secret, again) {
		return nil, problem.New(problem.Usage, "cli.passphrases-differ", "", nil)
	}
	return secret, nil
}
