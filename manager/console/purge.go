package console

import (
	"net/http"
	"strings"

	"portico/internal/apim"
	"portico/manager"
)

// The stored answers that can be chosen to be forgotten.
const (
	purgeAll = "all"
	purgeTag = "tag"
	purgeURL = "url"
)

// purgePage asks which stored answers of a version are to be forgotten.
type purgePage struct {
	dialogPage
	Environment apim.Environment
	Choices     []choice
	Example     string // an address of the version
}

func (h *Console) purgeForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, purgeDialog(h.purgeDialog(v, d, v.environment, filled("what", purgeAll))))
}

func (h *Console) purgeDialog(v *visit, d manager.VersionDetail, env apim.Environment, f form) purgePage {
	p := purgePage{dialogPage: h.dialog(v, d, f), Environment: env, Choices: []choice{
		{purgeAll, "All stored answers of " + d.API.Name + " " + d.Version.Label}, {purgeTag, "Those with a tag"}, {purgeURL, "Those of one address"},
	}}
	p.Heading, p.Submit, p.Danger = "Purge stored answers in "+env.Name, "Purge answers", true
	p.Intro = "Every gateway node forgets them at once. The next call for each goes to the upstream; nothing else changes."
	p.Action, p.Back = v.links.version(d.API.Slug, d.Version.Label, "purge"), v.links.version(d.API.Slug, d.Version.Label, "traffic")
	if mounts := d.Version.Runtime.Mounts; len(mounts) > 0 {
		p.Example = mounts[0].BasePath
		if len(d.Version.Runtime.Routes) > 0 {
			p.Example += d.Version.Runtime.Routes[0].Path
		}
	}
	return p
}

// purge tells the nodes, and says how far that went. What another choice asks for
// than the one that was taken is left out.
func (h *Console) purge(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	env := v.environment
	for _, e := range v.environments {
		if e.Slug == f.value("environment") {
			env = e
		}
	}
	var in manager.Purge
	said := "All stored answers of " + d.API.Name + " " + d.Version.Label + " are"
	switch f.value("what") {
	case purgeAll:
	case purgeTag:
		if in.Tag = f.text("tag"); in.Tag == "" {
			f.fail("tag", "is missing; answers name theirs in Cache-Tag or Surrogate-Key")
		}
		said = "What is stored with the tag " + clip(in.Tag, 40) + " is"
	case purgeURL:
		if in.URL = f.text("url"); in.URL == "" {
			f.fail("url", "is missing; give an address of the gateway, or its path")
		}
		said = "What is stored of " + clip(in.URL, 60) + " is"
	default:
		f.fail("what", "choose what is to be forgotten")
	}
	if !f.failed() {
		to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
			done, err := h.Catalog.PurgeCache(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, env.Slug, in)
			if err != nil {
				return "", err
			}
			v.flash(toneOK, said+" purged in "+env.Name+": "+purgedText(done))
			return v.links.version(d.API.Slug, d.Version.Label, "traffic"), nil
		})
		if err == nil {
			return v.redirect(to)
		}
		if !f.refuse(err, []string{"what", "tag", "url"}, nil) {
			return err
		}
	}
	return v.again(f, purgeDialog(h.purgeDialog(v, d, env, f)))
}

// purgedText says which nodes were told.
func purgedText(p manager.Purged) string {
	text := number(p.Nodes) + " of " + count(p.Nodes+len(p.Away), "node", "nodes") + " told."
	if len(p.Away) > 0 {
		text += " " + clip(strings.Join(p.Away, ", "), 80) + " cannot be reached now, and forgets everything once it is back."
	}
	return text
}
