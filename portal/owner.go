package portal

import (
	"context"

	"portico/internal/apim"
	"portico/manager"
)

// ownerChoices are those whom the reader may make applications for or give one
// to, with the team that owns it now; none where there is nothing to choose.
// is says that the application is there already, and of whom.
func (p *portal) ownerChoices(ctx context.Context, r *reader, is *manager.ApplicationDetail) ([]choice, error) {
	owners, err := p.Tenants.Owners(ctx, r.Actor, r.Tenant.ID, apim.Write, apim.ObjectApplication)
	if err != nil {
		return nil, err
	}
	var out []choice
	if owners.None || is != nil && is.Application.Team == "" {
		out = append(out, choice{Label: "No team: the organisation's"})
	}
	known := is == nil || is.Application.Team == ""
	for _, team := range owners.Teams {
		out = append(out, choice{Value: string(team.ID), Label: team.Name})
		known = known || team.ID == is.Application.Team
	}
	if !known { // somebody else's, which it may stay
		out = append(out, choice{Value: string(is.Application.Team), Label: is.Owner})
	}
	if len(out) == 1 && out[0].Value == "" {
		return nil, nil // there is no team
	}
	return out, nil
}

// whose says in a list whose an application is: "you", a team, or the whole
// organisation.
func (r *reader) whose(a manager.ApplicationDetail) string {
	switch {
	case a.Owner != "":
		return a.Owner
	case a.Application.By != "" && a.Application.By == r.Actor.Person:
		return "you"
	}
	return r.Tenant.Name
}

// ownedBy says on an application's page whose it is.
func (r *reader) ownedBy(a manager.ApplicationDetail) string {
	switch {
	case a.Owner != "":
		return "owned by the team " + a.Owner + " of " + r.Tenant.Name
	case a.Application.By != "" && a.Application.By == r.Actor.Person:
		return "owned by " + r.Tenant.Name + ", made by you"
	}
	return "owned by " + r.Tenant.Name
}
