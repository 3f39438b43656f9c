package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

type tokenAnswer struct {
	ID, Name, Hint, Preset, Token, Maker string
	Scopes                               []string
	ExpiresAt                            time.Time `json:"expires_at"`
	LastUsed                             time.Time `json:"last_used_at"`
}

func (t tokenAnswer) row() []string {
	may := t.Preset
	if may == "" {
		may = strings.Join(t.Scopes, ", ")
	}
	ends := when(t.ExpiresAt)
	if ends == "" {
		ends = "never"
	}
	return []string{t.Name, "…" + t.Hint, may, ends, when(t.LastUsed), t.ID}
}

type ctlTokens struct {
	List   ctlTokenList   `cmd:"" default:"withargs" help:"List API tokens."`
	Create ctlTokenCreate `cmd:"" help:"Make an API token, which is shown this once."`
	Revoke ctlTokenRevoke `cmd:"" help:"End an API token: your own, or anybody's for who manages the tenant's."`
}

type ctlTokenList struct {
	ctlFlags
	All bool `help:"Everybody's, with who made them; for who manages the tenant's tokens."`
}

// Run prints the caller's tokens, or everybody's.
func (c *ctlTokenList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/tokens")
	if err != nil {
		return err
	}
	if c.All {
		return list(ctx, s, path+"/all", nil, []string{"NAME", "BY", "TOKEN", "MAY", "ENDS", "LAST USED", "ID"}, func(t tokenAnswer) []string {
			return slices.Insert(t.row(), 1, t.Maker)
		})
	}
	return list(ctx, s, path, nil, []string{"NAME", "TOKEN", "MAY", "ENDS", "LAST USED", "ID"}, tokenAnswer.row)
}

type ctlTokenCreate struct {
	ctlFlags
	Name   string   `arg:"" help:"What it is for."`
	Preset string   `enum:"read-only,publish,full," default:"" help:"What it may: read-only, publish (for pipelines that bring APIs) or full. Default: full, or the scopes."`
	Scope  []string `placeholder:"SCOPE" help:"A permission such as 'publish api', instead of a preset. Give it again for more."`
	Days   int      `default:"90" help:"How many days it is good for, at most 366."`
	Never  bool     `help:"It does not end; for operators."`
	Out    string   `placeholder:"FILE" help:"Write the token to this file (0600) and not to the terminal."`
}

// Run makes a token and prints it.
func (c *ctlTokenCreate) Run(ctx context.Context, io *ctlIO) error {
	if c.Preset != "" && c.Scope != nil {
		return usagef("--preset and --scope do not go together")
	}
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/tokens")
	if err != nil {
		return err
	}
	in := map[string]any{"name": c.Name}
	if c.Preset != "" {
		in["preset"] = c.Preset
	}
	if c.Scope != nil {
		in["scopes"] = c.Scope
	}
	if c.Never {
		in["never_expires"] = true
	} else {
		in["expires_at"] = time.Now().UTC().AddDate(0, 0, c.Days).Truncate(time.Second)
	}
	var made tokenAnswer
	answer, err := s.call(ctx, http.MethodPost, path, nil, in, &made)
	if err != nil {
		return err
	}
	if c.Out != "" {
		return os.WriteFile(c.Out, []byte(made.Token+"\n"), 0o600)
	}
	if c.JSON {
		return s.raw(answer)
	}
	s.say("%s may %s, until %s. It is shown this once:", made.Name, made.row()[2], made.row()[3])
	fmt.Fprintln(io.Out, made.Token)
	return nil
}

type ctlTokenRevoke struct {
	ctlFlags
	Token string `arg:"" help:"Id."`
}

// Run ends a token.
func (c *ctlTokenRevoke) Run(ctx context.Context, io *ctlIO) error {
	return c.gone(ctx, io, "The token is revoked.", "token", c.Token, "/tokens/%s", c.Token)
}
