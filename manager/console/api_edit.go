package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// apiFormPage changes what an API says of itself, and whose it is.
type apiFormPage struct {
	dialogPage
	Owner    ownerField
	Defaults []choice // of the version that takes calls which ask for none
}

// apiForm asks what an API says of itself.
func (h *Console) apiForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	a := d.API
	f := filled("name", a.Name, "description", a.Description, "contact", a.Contact, "tags", strings.Join(a.Tags, ", "), "team", string(a.Team), "default_version", a.DefaultVersion, "lock", lockText(a.Lock))
	return h.apiPage(v, http.StatusOK, d, f)
}

func (h *Console) apiPage(v *visit, status int, d manager.VersionDetail, f form) error {
	owner, err := h.ownerField(v, apim.ObjectAPI, d.API.ID, d.API.Team, f)
	if err != nil {
		return err
	}
	p := apiFormPage{dialogPage: h.dialog(v, d, f), Owner: owner}
	p.Defaults = []choice{{"", "are refused, with the versions named"}, {apim.DefaultNewest, "go to the newest"}, {apim.DefaultOldest, "go to the oldest"}}
	for _, s := range d.Siblings {
		p.Defaults = append(p.Defaults, choice{s.Label, "go to " + s.Label})
	}
	p.Heading, p.Submit, p.Lock = "Edit "+d.API.Name, "Save API", f.value("lock")
	p.Intro = "What the catalog says about it, for all its versions. It is seen at once."
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "about")
	return v.render(status, apiDialog(p))
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
	v.confirmOwner(&f, apim.ObjectAPI, d.API.ID, d.API.Team)
	if !f.failed() {
		change := manager.APIChange{Name: &name, Description: &description, Contact: &contact, Tags: &tags, Team: f.owner(), Lock: lockOf(f)}
		if asks := f.text("default_version"); f.has("default_version") && asks != d.API.DefaultVersion {
			change.DefaultVersion = &asks
		}
		_, err = h.Catalog.UpdateAPI(v.ctx(), v.actor, v.tenant.ID, d.API.ID, change)
		if err == nil {
			v.flash(toneOK, name+" is saved.")
			return v.redirect(v.links.version(d.API.Slug, d.Version.Label))
		}
		if !f.refuse(err, []string{"name", "description", "contact", "tags", "team", "default_version"}, nil) {
			return err
		}
	}
	return h.apiPage(v, v.status(f), d, f)
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
