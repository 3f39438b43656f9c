package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

type grantAnswer struct {
	Role string `json:"role"`
	On   string `json:"on,omitempty"`
}

func (g grantAnswer) String() string {
	if g.On == "" {
		return g.Role
	}
	return g.Role + " on " + g.On
}

func grantsText(roles []string, grants []grantAnswer) string {
	all := append([]string(nil), roles...)
	for _, g := range grants {
		all = append(all, g.String())
	}
	return strings.Join(all, ", ")
}

// ctlRoles are roles on the tenant and elsewhere.
type ctlRoles struct {
	Role  []string `placeholder:"ROLE" help:"A role on all of the tenant: owner, admin, provider, approver, consumer or auditor. Give it again for more."`
	Grant []string `placeholder:"ROLE@ID" help:"A role on a team, an API, a product or an application, such as approver@prod_…. Give it again for more."`
}

func (c ctlRoles) grants() ([]grantAnswer, error) {
	out := []grantAnswer{}
	for _, text := range c.Grant {
		role, on, ok := strings.Cut(text, "@")
		if !ok || role == "" || on == "" {
			return nil, usagef("--grant %q is not ROLE@ID, such as approver@prod_0190…", text)
		}
		out = append(out, grantAnswer{role, on})
	}
	return out, nil
}

type memberAnswer struct {
	Person, Name, Email string
	Roles               []string
	Grants              []grantAnswer
	Teams               []string
	SignedIn            time.Time `json:"signed_in_at"`
}

func (m memberAnswer) row() []string {
	return []string{m.Name, m.Email, grantsText(m.Roles, m.Grants), fmt.Sprint(len(m.Teams)), when(m.SignedIn), m.Person}
}

func memberHeading() []string {
	return []string{"NAME", "ADDRESS", "ROLES", "TEAMS", "SIGNED IN", "ID"}
}

type ctlMembers struct {
	List   ctlMemberList   `cmd:"" default:"withargs" help:"List members and what they may."`
	Show   ctlMemberShow   `cmd:"" help:"Show a member and what they may."`
	Set    ctlMemberSet    `cmd:"" help:"Give a member these roles and no others."`
	Remove ctlMemberRemove `cmd:"" help:"Remove a member; their tokens for the tenant end."`
}

type ctlMemberList struct{ ctlFlags }

// Run prints the tenant's members.
func (c *ctlMemberList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/members")
	if err != nil {
		return err
	}
	return list(ctx, s, path, nil, memberHeading(), memberAnswer.row)
}

// member returns the path of a member named by id, e-mail address or name.
func (s *session) member(ctx context.Context, who string) (path string, m memberAnswer, err error) {
	if path, err = s.in(ctx, "/members"); err != nil {
		return "", m, err
	}
	all, err := s.all(ctx, path, nil)
	if err != nil {
		return "", m, err
	}
	byName := []memberAnswer{}
	for _, raw := range all {
		m = memberAnswer{}
		if err := json.Unmarshal(raw, &m); err != nil {
			return "", m, fmt.Errorf("read member: %w", err)
		}
		if m.Person == who || strings.EqualFold(m.Email, who) {
			return path + "/" + escape(m.Person), m, nil
		}
		if strings.EqualFold(m.Name, who) {
			byName = append(byName, m)
		}
	}
	switch len(byName) {
	case 0:
	case 1:
		return path + "/" + escape(byName[0].Person), byName[0], nil
	default:
		return "", m, usagef("%d members are called %q; say which by their address", len(byName), who)
	}
	return "", m, fmt.Errorf("nobody here is %q; 'portico members' lists who is", who)
}

type ctlMemberShow struct {
	ctlFlags
	Member string `arg:"" help:"E-mail address, name or id."`
}

// Run prints a member.
func (c *ctlMemberShow) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, m, err := s.member(ctx, c.Member)
	if err != nil {
		return err
	}
	answer, err := s.call(ctx, http.MethodGet, path, nil, nil, &m)
	if err != nil {
		return err
	}
	if c.JSON {
		return s.raw(answer)
	}
	return s.table([][]string{memberHeading(), m.row()})
}

type ctlMemberSet struct {
	ctlFlags
	ctlRoles
	Member string `arg:"" help:"E-mail address, name or id."`
}

// Run gives a member roles.
func (c *ctlMemberSet) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	grants, err := c.grants()
	if err != nil {
		return err
	}
	path, m, err := s.member(ctx, c.Member)
	if err != nil {
		return err
	}
	roles := c.Role
	if roles == nil {
		roles = []string{}
	}
	answer, err := s.call(ctx, http.MethodPatch, path, nil, map[string]any{"roles": roles, "grants": grants}, &m)
	if err != nil {
		return err
	}
	return s.done(answer, "%s: %s.", m.Name, orNone(nonEmpty(grantsText(m.Roles, m.Grants))))
}

func nonEmpty(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

type ctlMemberRemove struct {
	ctlFlags
	Member string `arg:"" help:"E-mail address, name or id."`
}

// Run removes a member.
func (c *ctlMemberRemove) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, m, err := s.member(ctx, c.Member)
	if err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodDelete, path, nil, nil, nil); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(io.Out, map[string]string{"person": m.Person})
	}
	s.say("%s is removed from %s.", m.Name, s.tenant)
	return nil
}

type invitationAnswer struct {
	ID, Email, Inviter, Link string
	Grants                   []grantAnswer
	Teams                    []string
	ExpiresAt                time.Time `json:"expires_at"`
}

func (i invitationAnswer) row() []string {
	return []string{i.Email, grantsText(nil, i.Grants), fmt.Sprint(len(i.Teams)), i.Inviter, when(i.ExpiresAt), i.ID}
}

type ctlInvite struct {
	ctlFlags
	ctlRoles
	ctlLink
	Email string   `arg:"" help:"Whom to invite."`
	Team  []string `placeholder:"TEAM" help:"A team to belong to, by slug, id or name. Give it again for more."`
}

// ctlLink is where a one-time link goes.
type ctlLink struct {
	Out string `placeholder:"FILE" help:"Write the link to this file (0600) and not to the terminal."`
}

func (c ctlLink) print(s *session, answer []byte, made invitationAnswer) error {
	if c.Out != "" {
		return os.WriteFile(c.Out, []byte(made.Link+"\n"), 0o600)
	}
	if s.flags.JSON {
		return s.raw(answer)
	}
	s.say("%s is invited. Pass this link on; it is good once, until %s, and for that address alone:", made.Email, when(made.ExpiresAt))
	fmt.Fprintln(s.io.Out, made.Link)
	return nil
}

// Run makes an invitation and prints its link.
func (c *ctlInvite) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	grants, err := c.grants()
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/invitations")
	if err != nil {
		return err
	}
	in := map[string]any{"email": c.Email, "grants": grants}
	if c.Role != nil {
		in["roles"] = c.Role
	}
	if c.Team != nil {
		teams := make([]string, len(c.Team))
		for i, called := range c.Team {
			if teams[i], err = s.ref(ctx, aTeam(), called); err != nil {
				return err
			}
		}
		in["teams"] = teams
	}
	var made invitationAnswer
	answer, err := s.call(ctx, http.MethodPost, path, nil, in, &made)
	if err != nil {
		return err
	}
	return c.print(s, answer, made)
}

type ctlInvitations struct {
	List   ctlInvitationList   `cmd:"" default:"withargs" help:"List invitations that are open or have ended."`
	Resend ctlInvitationResend `cmd:"" help:"Make a new link; the one before ends."`
	Revoke ctlInvitationRevoke `cmd:"" help:"End an invitation."`
}

type ctlInvitationList struct{ ctlFlags }

// Run prints the tenant's invitations.
func (c *ctlInvitationList) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/invitations")
	if err != nil {
		return err
	}
	return list(ctx, s, path, nil, []string{"ADDRESS", "ROLES", "TEAMS", "BY", "ENDS", "ID"}, invitationAnswer.row)
}

type ctlInvitationResend struct {
	ctlFlags
	ctlLink
	Invitation string `arg:"" help:"Id."`
}

// Run makes a new link of an invitation.
func (c *ctlInvitationResend) Run(ctx context.Context, io *ctlIO) error {
	s, err := c.open(io)
	if err != nil {
		return err
	}
	path, err := s.in(ctx, "/invitations/%s/resend", c.Invitation)
	if err != nil {
		return err
	}
	var made invitationAnswer
	answer, err := s.call(ctx, http.MethodPost, path, nil, nil, &made)
	if err != nil {
		return err
	}
	return c.print(s, answer, made)
}

type ctlInvitationRevoke struct {
	ctlFlags
	Invitation string `arg:"" help:"Id."`
}

// Run ends an invitation.
func (c *ctlInvitationRevoke) Run(ctx context.Context, io *ctlIO) error {
	return c.gone(ctx, io, "The invitation is revoked.", "invitation", c.Invitation, "/invitations/%s", c.Invitation)
}

// gone deletes what lies at a path below the tenant.
func (f ctlFlags) gone(ctx context.Context, io *ctlIO, said, kind, name, path string, parts ...any) error {
	s, err := f.open(io)
	if err != nil {
		return err
	}
	at, err := s.in(ctx, path, parts...)
	if err != nil {
		return err
	}
	if _, err := s.call(ctx, http.MethodDelete, at, nil, nil, nil); err != nil {
		return err
	}
	if f.JSON {
		return printJSON(io.Out, map[string]string{kind: name})
	}
	s.say("%s", said)
	return nil
}
