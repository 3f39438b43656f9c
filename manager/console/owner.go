package console

import (
	"portico/internal/apim"
	"portico/ui"
)

// noTeam is how pages call it that no team owns a thing.
const noTeam = "No team"

// ownerField says in a form whose a thing is.
type ownerField struct {
	Choices []choice // none where there is nothing to choose
	Hint    string
	Lost    string // what the reader could no longer do, were it whose the form says
	Sure    string // the value that confirms it
}

// ownerField offers those whom the reader may give a thing to, and whose it is
// now. id and team are "" of a thing that is still to be made.
func (h *Console) ownerField(v *visit, object apim.Object, id, team apim.ID, f form) (ownerField, error) {
	owners, err := h.Tenants.Owners(v.ctx(), v.actor, v.tenant.ID, apim.Write, object)
	if err = unlessForbidden(err); err != nil {
		return ownerField{}, err
	}
	var out ownerField
	if owners.None || id != "" && team == "" {
		out.Choices = append(out.Choices, choice{"", noTeam + ": the organisation's"})
	}
	known := team == ""
	for _, t := range owners.Teams {
		out.Choices = append(out.Choices, choice{string(t.ID), t.Name})
		known = known || t.ID == team
	}
	if !known { // somebody else's, which it may stay
		d, err := h.Tenants.Team(v.ctx(), v.actor, v.tenant.ID, string(team))
		if err != nil {
			return ownerField{}, err
		}
		out.Choices = append(out.Choices, choice{string(team), d.Team.Name})
	}
	if len(out.Choices) == 1 && out.Choices[0].value == "" {
		out.Choices = nil // there is no team
	}
	out.Hint = "Its members have the team's roles on it."
	if to, changed := f.newOwner(team); changed && id != "" {
		if out.Lost = v.lost(object, id, team, to); out.Lost != "" {
			out.Sure = sure(to)
		}
	}
	return out, nil
}

// owner is the team that a form names, nil where it does not ask.
func (f form) owner() *apim.ID {
	if !f.has("team") {
		return nil
	}
	return new(apim.ID(f.value("team")))
}

func (f form) newOwner(team apim.ID) (to apim.ID, changed bool) {
	if owner := f.owner(); owner != nil && *owner != team {
		return *owner, true
	}
	return "", false
}

// sure is what a form confirms with that a thing goes to a team: another choice
// after the question needs an answer of its own.
func sure(to apim.ID) string {
	if to == "" {
		return string(apim.NoTeam)
	}
	return string(to)
}

// confirmOwner fails the form while the reader would lose something by giving a
// thing away and has not said that they know.
func (v *visit) confirmOwner(f *form, object apim.Object, id, team apim.ID) {
	if to, changed := f.newOwner(team); changed && f.value("sure") != sure(to) && v.lost(object, id, team, to) != "" {
		f.fail("sure", "tick this to give it away all the same")
	}
}

// lost says what the reader may do with a thing of one team and may not once it
// is another's: "publish it and answer its access requests".
func (v *visit) lost(object apim.Object, id, from, to apim.ID) string {
	out := ""
	for _, may := range []struct {
		verb   apim.Verb
		object apim.Object
		words  string
		of     apim.Object // what the words are said of
	}{
		{apim.Write, object, "edit it", object},
		{apim.Publish, apim.ObjectAPI, "publish it", apim.ObjectAPI},
		{apim.Approve, apim.ObjectSubscription, "answer its access requests", apim.ObjectProduct},
	} {
		if may.of != object || !v.can(may.verb, may.object, id, from) || v.can(may.verb, may.object, id, to) {
			continue
		}
		if out != "" {
			out += " and "
		}
		out += may.words
	}
	return out
}

// teamFilter narrows a list to what a team owns.
type teamFilter struct {
	asked apim.ID // "" for all
	value string  // of the address: the team's slug
	label string  // the team's name, "" for all
	exist bool    // the reader sees things of a team
	menu  []ui.MenuItem
}

// teamFilter reads which team a list is asked for. There is a menu of them from
// two owners on.
func (h *Console) teamFilter(v *visit, object apim.Object) (teamFilter, error) {
	owners, err := h.Tenants.Owners(v.ctx(), v.actor, v.tenant.ID, apim.Read, object)
	if err != nil {
		return teamFilter{}, err
	}
	out := teamFilter{value: v.query("team"), exist: len(owners.Teams) > 0}
	out.menu = []ui.MenuItem{{Label: "All owners", Current: out.value == ""}}
	if owners.None {
		out.add(string(apim.NoTeam), noTeam, apim.NoTeam)
	}
	for _, t := range owners.Teams {
		out.add(t.Slug, t.Name, t.ID)
	}
	if out.value != "" && out.asked == "" {
		return out, apim.Errorf(apim.NotFound, "there is no team %q whose things you may see", clip(out.value, 60))
	}
	if len(owners.Teams) < 2 && out.value == "" {
		out.menu = nil
	}
	return out, nil
}

func (f *teamFilter) add(value, label string, id apim.ID) {
	item := ui.MenuItem{Label: label, Href: value, Current: f.value == value}
	if item.Current {
		f.asked, f.label = id, label
	}
	f.menu = append(f.menu, item)
}

// link makes the menu's entries links to a list with its other conditions.
func (f *teamFilter) link(list string) {
	for i, item := range f.menu {
		f.menu[i].Href = with(list, "team", item.Href)
	}
}

// nothing says that a filtered list is empty: "Payments owns no API yet".
func (f teamFilter) nothing(kind string) string {
	if f.asked == apim.NoTeam {
		return "Every " + kind + " has a team"
	}
	return f.label + " owns no " + kind + " yet"
}

// lead says what to do about it.
func (f teamFilter) lead(verb string, may bool) string {
	switch {
	case f.asked == apim.NoTeam:
		return "Nothing is the whole organisation's alone."
	case may:
		return "Choose the team as the owner when you " + verb + " one, or edit one that is there."
	}
	return "Whoever changes one can give it to the team."
}

func (f teamFilter) view() ui.MenuView {
	v := ui.MenuView{Label: "Owner: " + clip(f.label, 30), Items: f.menu, Look: ui.Look{Small: true}}
	if f.label == "" {
		v.Label = "Owner: all"
	}
	return v
}
