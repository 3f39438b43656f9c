package console

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"portico/internal/apim"
	"portico/manager"
)

// publishPage asks whether the draft is to be live.
type publishPage struct {
	dialogPage
	Next         string // "r8"
	Environments []choice
	Facts        []fact
	Warnings     []string
}

// fact is a line of what will be true.
type fact struct{ Name, Text string }

func (h *Console) publishForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	f := filled("environment", v.environment.Slug, "next", strconv.Itoa(d.Version.Revision+1))
	p, err := h.publishDialog(v, d, f)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, publishDialog(p))
}

func (h *Console) publishDialog(v *visit, d manager.VersionDetail, f form) (publishPage, error) {
	next := revision(d.Version.Revision + 1)
	p := publishPage{dialogPage: h.dialog(v, d, f), Next: next}
	p.Heading, p.Submit = "Publish "+d.API.Name+" "+d.Version.Label+" "+next, "Publish "+next
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "publish")
	for _, e := range v.environments {
		p.Environments = append(p.Environments, choice{e.Slug, e.Name})
	}
	rt := d.Version.Runtime
	on, public := 0, 0
	for _, r := range rt.Routes {
		if !r.Off {
			on++
			if r.Public {
				public++
			}
		}
	}
	served := count(on, "operation", "operations")
	if public > 0 {
		served += ", " + number(public) + " without a key"
	}
	p.Facts = append(p.Facts, fact{"Serves", served})
	for _, m := range rt.Mounts {
		p.Facts = append(p.Facts, fact{"At", mountURL(v.environment, m)})
	}
	for _, u := range rt.Upstreams {
		for _, url := range u.URLs {
			p.Facts = append(p.Facts, fact{"Upstream", url})
		}
	}
	switch {
	case d.Version.Revision == 0:
		p.Facts = append(p.Facts, fact{"Replaces", "nothing: this is the first revision"})
	case len(d.Deployments) > 0:
		p.Facts = append(p.Facts, fact{"Replaces", liveNote(d)})
	}
	if d.Subscribers > 0 {
		p.Facts = append(p.Facts, fact{"Concerns", count(d.Subscribers, "subscription", "subscriptions")})
	}
	if len(d.Products) == 0 && on > public {
		p.Warnings = append(p.Warnings, "It is in no product yet, so nobody can get a key for it. Add it to a product afterwards.")
	}
	if d.Version.Revision > 0 && !d.Version.Unpublished {
		p.Warnings = append(p.Warnings, "The draft is the same as "+revision(d.Version.Revision)+".")
	}
	first, err := h.Catalog.FirstUses(v.ctx(), v.actor, v.tenant.ID, d.Version.ID)
	for _, use := range first {
		p.Warnings = append(p.Warnings, "In "+use.Environment+" it is the first use of the secret ${"+use.Name+"} by "+d.API.Name+". Who may set values publishes it, and so trusts the secret to everybody who publishes this API.")
	}
	return p, err
}

func (h *Console) publish(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	environment := f.value("environment")
	if environment == "" {
		environment = v.environment.Slug
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		if next, err := strconv.Atoi(f.value("next")); err == nil && next <= d.Version.Revision {
			return "", apim.Errorf(apim.Conflict, "revision %s was published meanwhile; look at it before you publish %s", revision(d.Version.Revision), revision(d.Version.Revision+1))
		}
		done, err := h.Catalog.Publish(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, environment, f.text("note"))
		if err != nil {
			return "", err
		}
		return withChange(v.links.version(d.API.Slug, d.Version.Label), done.Change), nil
	})
	if err != nil {
		if f.refuse(err, []string{"note", "environment"}, nil) {
			f.values.Set("next", strconv.Itoa(d.Version.Revision+1))
			p, err := h.publishDialog(v, d, f)
			if err != nil {
				return err
			}
			return v.again(f, publishDialog(p))
		}
		return err
	}
	return v.redirect(to)
}

func (h *Console) deprecateForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	f := filled("reason", d.Version.StateReason)
	if !d.Version.SunsetAt.IsZero() {
		f.values.Set("sunset_at", d.Version.SunsetAt.UTC().Format(time.DateOnly))
	}
	return v.render(http.StatusOK, deprecateDialog(h.deprecateDialog(v, d, f)))
}

func (h *Console) deprecateDialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit = "Deprecate "+d.API.Name+" "+d.Version.Label, "Deprecate "+d.Version.Label
	p.Intro = "It keeps working. Answers carry Deprecation and Sunset headers, and the portal says so to " +
		count(d.Subscribers, "subscription", "subscriptions") + "."
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "deprecate")
	return p
}

func (h *Console) deprecate(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	var sunset time.Time
	if s := f.text("sunset_at"); s != "" {
		if sunset, err = time.Parse(time.DateOnly, s); err != nil {
			f.fail("sunset_at", "use a date such as 2027-03-31")
		}
	}
	if !f.failed() {
		_, change, err := h.Catalog.Deprecate(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, sunset, f.text("reason"))
		if err == nil {
			v.flash(toneOK, d.API.Name+" "+d.Version.Label+" is deprecated.")
			return v.redirect(withChange(v.links.version(d.API.Slug, d.Version.Label), change))
		}
		if !f.refuse(err, []string{"sunset_at", "reason"}, map[string]string{"sunset": "sunset_at"}) {
			return err
		}
	}
	return v.again(f, deprecateDialog(h.deprecateDialog(v, d, f)))
}

func (h *Console) retireForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, retireDialog(h.retireDialog(v, d, form{})))
}

func (h *Console) retireDialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit, p.Danger = "Retire "+d.API.Name+" "+d.Version.Label, "Retire "+d.Version.Label, true
	p.Intro = "Every gateway node stops serving it, for good. Nobody is subscribed to it."
	if d.Subscribers > 0 {
		p.Intro = "Every gateway node stops serving it, for good. " + count(d.Subscribers, "subscription loses it", "subscriptions lose it") + ", and their people see your reason."
	}
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "retire")
	return p
}

func (h *Console) retire(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	page := v.links.version(d.API.Slug, d.Version.Label)
	if d.Version.State == apim.Retired { // a second press of the same button
		return v.redirect(page)
	}
	if d.Subscribers > 0 && f.text("reason") == "" {
		f.fail("reason", fmt.Sprintf("needs a reason: %s it, and their people see why", count(d.Subscribers, "subscription uses", "subscriptions use")))
		return v.again(f, retireDialog(h.retireDialog(v, d, f)))
	}
	_, change, err := h.Catalog.Retire(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, f.text("reason"))
	if err != nil {
		if f.refuse(err, []string{"reason"}, nil) {
			return v.again(f, retireDialog(h.retireDialog(v, d, f)))
		}
		return err
	}
	v.flash(toneOK, d.API.Name+" "+d.Version.Label+" is retired.")
	return v.redirect(withChange(page, change))
}

func (h *Console) rollBackForm(v *visit) error {
	d, number, err := h.rollBackOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, rollBackDialog(h.rollBackDialog(v, d, number, filled("environment", v.environment.Slug))))
}

func (h *Console) rollBackOf(v *visit) (manager.VersionDetail, int, error) {
	n, err := strconv.Atoi(v.param("revision"))
	if err != nil {
		return manager.VersionDetail{}, 0, apim.Errorf(apim.NotFound, "%q is not a revision", v.param("revision"))
	}
	d, err := h.versionOf(v)
	if err != nil {
		return d, 0, err
	}
	return d, n, d.Version.RollBack(n)
}

func (h *Console) rollBackDialog(v *visit, d manager.VersionDetail, n int, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit = "Roll back "+d.API.Name+" "+d.Version.Label+" to "+revision(n), "Roll back to "+revision(n)
	p.Intro = "Live now: " + liveNote(d) + ". The draft stays as it is; publishing it again makes " + revision(d.Version.Revision+1) + "."
	p.Action = v.links.rollBack(d.API.Slug, d.Version.Label, n)
	p.Back = v.links.version(d.API.Slug, d.Version.Label, "history")
	return p
}

func (h *Console) rollBack(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, n, err := h.rollBackOf(v)
	if err != nil {
		return err
	}
	environment := f.value("environment")
	if environment == "" {
		environment = v.environment.Slug
	}
	to, _, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		done, err := h.Catalog.RollBack(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, environment, n)
		if err != nil {
			return "", err
		}
		return with(withChange(v.links.version(d.API.Slug, d.Version.Label, "history"), done.Change), "revision", strconv.Itoa(n)), nil
	})
	if err != nil {
		if f.refuse(err, nil, nil) {
			return v.again(f, rollBackDialog(h.rollBackDialog(v, d, n, f)))
		}
		return err
	}
	return v.redirect(to)
}

// takeOff ends what is live of a version in one environment.
func (h *Console) takeOff(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	page, environment := v.links.version(d.API.Slug, d.Version.Label, "history"), f.value("environment")
	_, change, err := h.Catalog.TakeOff(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, environment)
	if apim.KindOf(err) == apim.Conflict { // a second press, or it is live nowhere else
		v.flash(toneBad, sentence(err.Error()))
		return v.redirect(page)
	}
	if err != nil {
		return err
	}
	for _, e := range v.environments {
		if e.Slug == environment {
			environment = e.Name
		}
	}
	return v.done(d.API.Name+" "+d.Version.Label+" is off "+environment+".", withChange(page, change))
}
