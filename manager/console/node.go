package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
)

// addNodePage is where an operator makes a token for a node to come.
type addNodePage struct {
	shell
	Environment apim.Environment
	Form        form
	Action      string
	Fresh       string // the token, this once
	Command     string
	Waiting     []enrolmentRow
}

type enrolmentRow struct{ Name, By, Ends, TakeBack string }

func (h *Console) addNode(v *visit) error { return h.addNodePage(v, http.StatusOK, form{}, "") }

func (h *Console) addNodePage(v *visit, status int, f form, fresh string) error {
	waiting, err := h.Fleet.Enrolments(v.ctx(), v.actor, v.environment.Slug)
	if err != nil {
		return err
	}
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	p := addNodePage{
		shell: v.shell("Add a node", link{"Gateway nodes", v.links.nodes()}, link{"Add a node", ""}), Environment: v.environment,
		Form: f, Action: v.links.addNode(), Fresh: fresh,
		Command: "PORTICO_ENROL_TOKEN=… portico gateway --manager-url " + strings.TrimSuffix(h.ConsoleURL, "/"),
	}
	for _, e := range waiting {
		row := enrolmentRow{Name: e.Name, By: e.CreatedBy, Ends: moment(e.ExpiresAt), TakeBack: v.links.takeBackEnrolment(e.ID)}
		if row.Name == "" {
			row.Name = "any name"
		}
		p.Waiting = append(p.Waiting, row)
	}
	return v.render(status, addNodeView(p))
}

// createEnrolment shows the token in this answer and never again, so it cannot
// redirect; the same post again leads to the page without it.
func (h *Console) createEnrolment(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	fresh := ""
	to, again, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		_, token, err := h.Fleet.CreateEnrolment(v.ctx(), v.actor, v.environment.Slug, f.text("name"))
		fresh = token.Reveal()
		return v.links.addNode(), err
	})
	if err != nil {
		if f.refuse(err, []string{"name"}, nil) {
			return h.addNodePage(v, v.status(f), f, "")
		}
		return err
	}
	if again {
		return v.redirect(to)
	}
	v.c.Header("Cache-Control", "no-store")
	return h.addNodePage(v, http.StatusOK, form{}, fresh)
}

func (h *Console) takeBackEnrolment(v *visit) error {
	id, err := apim.ParseID(apim.PrefixEnrolment, v.param("enrolment"))
	if err != nil {
		return err
	}
	if err := h.Fleet.DeleteEnrolment(v.ctx(), v.actor, v.environment.Slug, id); err != nil && apim.KindOf(err) != apim.NotFound {
		return err // what is not there any more was used or taken back before
	}
	v.flash(toneOK, "The token is taken back. Nothing can enrol with it.")
	return v.redirect(v.links.addNode())
}

// moveNode drains a node, takes it back into service, or removes it.
func (h *Console) moveNode(v *visit) error {
	name, said := v.param("node"), ""
	var err error
	switch v.param("verb") {
	case "drain":
		err, said = h.Fleet.Drain(v.ctx(), v.actor, v.environment.Slug, name, false), name+" is told to drain. It says so in its health, so that load balancers move on, and serves what still comes."
	case "resume":
		err, said = h.Fleet.Drain(v.ctx(), v.actor, v.environment.Slug, name, true), name+" is told to take calls again."
	case "remove":
		err, said = h.Fleet.RemoveNode(v.ctx(), v.actor, v.environment.Slug, name), name+" is removed. It is let in no more, and what it could open is sealed anew."
	default:
		return apim.Errorf(apim.NotFound, "a node cannot be told to %s", v.param("verb"))
	}
	switch apim.KindOf(err) {
	case apim.Conflict, apim.Unavailable:
		v.flash(toneBad, sentence(err.Error()))
	default:
		if err != nil {
			return err
		}
		v.flash(toneOK, said)
	}
	return v.redirect(v.links.nodes())
}
