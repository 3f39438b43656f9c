package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// apiForm asks what an API says of itself.
func (h *Console) apiForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	a := d.API
	f := filled("name", a.Name, "description", a.Description, "contact", a.Contact, "tags", strings.Join(a.Tags, ", "), "lock", lockText(a.Lock))
	return v.render(http.StatusOK, apiDialog(h.apiDialog(v, d, f)))
}

func (h *Console) apiDialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit, p.Lock = "Edit "+d.API.Name, "Save API", f.value("lock")
	p.Intro = "What the catalog says about it, for all its versions. It is seen at once."
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "about")
	return p
}

func (h *Console) saveAPI(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	name, description, contact := f.text("name"), f.text("description"), f.text("contact")
	tags := []string{}
	for _, tag := range strings.Split(f.value("tags"), ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	if name == "" {
		f.fail("name", "needs a value")
	}
	if !f.failed() {
		_, err = h.Catalog.UpdateAPI(v.ctx(), v.actor, v.tenant.ID, d.API.ID, manager.APIChange{
			Name: &name, Description: &description, Contact: &contact, Tags: &tags, Lock: lockOf(f),
		})
		if err == nil {
			v.flash(toneOK, name+" is saved.")
			return v.redirect(v.links.version(d.API.Slug, d.Version.Label))
		}
		if !f.refuse(err, []string{"name", "description", "contact", "tags"}, nil) {
			return err
		}
	}
	return v.again(f, apiDialog(h.apiDialog(v, d, f)))
}

// deleteForm asks whether an API is to be removed with all its versions.
func (h *Console) deleteForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, deleteDialog(h.deleteDialog(v, d, form{})))
}

func (h *Console) deleteDialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit, p.Danger = "Delete "+d.API.Name, "Delete API", true
	p.Intro = "It goes with " + count(len(d.Siblings), "version", "versions") + " and their history, for good. That is possible while none is live or in a product."
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "delete")
	return p
}

func (h *Console) deleteAPI(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if apim.KindOf(err) == apim.NotFound { // a second press of the same button
		return v.redirect(v.links.apis())
	}
	if err != nil {
		return err
	}
	if err := h.Catalog.DeleteAPI(v.ctx(), v.actor, v.tenant.ID, d.API.ID); err != nil {
		if f.refuse(err, nil, nil) {
			return v.again(f, deleteDialog(h.deleteDialog(v, d, f)))
		}
		return err
	}
	v.flash(toneOK, d.API.Name+" is deleted.")
	return v.redirect(v.links.apis())
}
