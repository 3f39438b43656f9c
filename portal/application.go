package portal

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

type applicationsView struct {
	frame
	Rows []applicationRow
	Next string
	New  string
}

type applicationRow struct {
	Name, URL, Initials string
	Text                string
	Whose               string
	Subscriptions       string
	Keys                string
	Waiting             int
}

// applicationView is the page of one application.
type applicationView struct {
	frame
	Name, Text, Initials string
	Line                 string // who owns it, since when
	Fresh                *freshView
	Subscriptions        []subscriptionRow
	Keys                 []keyRow
	NewKey, KeysPost     string
	Takes                string // what the APIs take that it may call, where that is no key
	Nonce                string
	Catalog              string
	Delete               string
	Edit                 string // "" for who may not
	Sample               *sampleView
	Proof                *proofView
}

type applicationForm struct {
	frame
	Action, Back string
	Nonce        string
	Edits        string // name of the application that is changed, "" for a new one
	Lock         string
	Name, Text   string
	Team         string
	Owners       []choice // none where there is nothing to choose
	Errors       fieldErrors
}

// application loads the application that the path names.
func (p *portal) application(c *gin.Context, r *reader) (manager.ApplicationDetail, error) {
	return p.Access.Application(c.Request.Context(), r.Actor, r.Tenant.ID, c.Param("application"))
}

const mostApplications = 1000

// allApplications returns the applications of the reader's tenant, at most
// mostApplications.
func (p *portal) allApplications(ctx context.Context, r *reader) ([]manager.ApplicationDetail, error) {
	var all []manager.ApplicationDetail
	page := apim.Page{Limit: 200}
	for {
		got, err := p.Access.Applications(ctx, r.Actor, r.Tenant.ID, page)
		if err != nil {
			return nil, err
		}
		all = append(all, got.Items...)
		if got.NextCursor == "" || len(all) >= mostApplications {
			return all, nil
		}
		page.Cursor = got.NextCursor
	}
}

func (p *portal) applications(c *gin.Context, r *reader) error {
	got, err := p.Access.Applications(c.Request.Context(), r.Actor, r.Tenant.ID, apim.Page{Cursor: c.Query("after")})
	if err != nil {
		return err
	}
	v := applicationsView{frame: r.frame("Applications", atApplications), New: newApplicationPath}
	for _, a := range got.Items {
		v.Rows = append(v.Rows, p.applicationRow(r, a))
	}
	if got.NextCursor != "" {
		v.Next = with(applicationsPath, "after", got.NextCursor)
	}
	return p.render(c, http.StatusOK, applicationsPageOf(v))
}

func (p *portal) applicationRow(r *reader, a manager.ApplicationDetail) applicationRow {
	row := applicationRow{
		Name: a.Application.Name, URL: applicationLink(a.Application.Slug), Initials: initials(a.Application.Name),
		Text: a.Application.Description, Whose: r.whose(a),
	}
	var active []string
	for _, s := range a.Subscriptions {
		switch s.Subscription.State {
		case apim.Active:
			active = append(active, s.Product.Name)
		case apim.Pending:
			row.Waiting++
		}
	}
	row.Subscriptions = strings.Join(active, ", ")
	keys := 0
	for _, k := range a.Credentials {
		if keyWorks(k, p.Now()) {
			keys++
		}
	}
	row.Keys = count(keys, "key", "keys")
	return row
}

func (p *portal) newApplicationForm(c *gin.Context, r *reader) error {
	return p.showNewApplication(c, r, http.StatusOK, applicationForm{})
}

func (p *portal) showNewApplication(c *gin.Context, r *reader, status int, v applicationForm) error {
	var err error
	if v.Owners, err = p.ownerChoices(c.Request.Context(), r, nil); err != nil {
		return err
	}
	v.frame = r.frame("New application", atApplications)
	v.Action, v.Back = applicationsPath, applicationsPath
	return p.showApplicationForm(c, status, v)
}

func (p *portal) showApplicationForm(c *gin.Context, status int, v applicationForm) error {
	if v.Nonce == "" {
		v.Nonce = newNonce()
	}
	if ui.WantsDialog(c.Request) {
		return p.render(c, status, applicationDialogOf(v))
	}
	return p.render(c, status, applicationFormPageOf(v))
}

func (p *portal) createApplication(c *gin.Context, r *reader) error {
	v := postedApplication(c)
	location, _, err := p.once.Do(string(r.Actor.Person), v.Nonce, func() (string, error) {
		a, err := p.Access.CreateApplication(c.Request.Context(), r.Actor, r.Tenant.ID, v.input())
		if err != nil {
			return "", err
		}
		return applicationLink(a.Slug), nil
	})
	if errs, ok := fieldsOf(err, "name", "description", "team"); ok {
		v.Errors = errs
		return p.showNewApplication(c, r, http.StatusUnprocessableEntity, v)
	}
	if err != nil {
		return err
	}
	return p.seeOther(c, location)
}

func postedApplication(c *gin.Context) applicationForm {
	return applicationForm{
		Name: c.PostForm("name"), Text: c.PostForm("description"), Team: c.PostForm("team"), Lock: c.PostForm("lock"), Nonce: c.PostForm("nonce"),
	}
}

// input is what a form asks for. Where it did not ask for an owner there is
// none to choose, or one alone.
func (v applicationForm) input() manager.ApplicationInput {
	lock, _ := strconv.ParseInt(v.Lock, 10, 64) // 0: whatever it is
	return manager.ApplicationInput{Name: &v.Name, Description: &v.Text, Team: new(apim.ID(v.Team)), Lock: lock}
}

func (p *portal) editApplicationForm(c *gin.Context, r *reader) error {
	a, err := p.application(c, r)
	if err != nil {
		return err
	}
	return p.showEditApplication(c, r, http.StatusOK, a, applicationForm{
		Name: a.Application.Name, Text: a.Application.Description, Team: string(a.Application.Team), Lock: strconv.FormatInt(a.Application.Lock, 10),
	})
}

func (p *portal) showEditApplication(c *gin.Context, r *reader, status int, a manager.ApplicationDetail, v applicationForm) error {
	var err error
	if v.Owners, err = p.ownerChoices(c.Request.Context(), r, &a); err != nil {
		return err
	}
	v.Edits, v.frame = a.Application.Name, r.frame("Edit "+a.Application.Name, atApplications)
	v.Action, v.Back = editApplicationLink(a.Application.Slug), applicationLink(a.Application.Slug)
	return p.showApplicationForm(c, status, v)
}

// saveApplication changes an application. The gateway nodes know its name, so
// the page that follows tells how far the change has come.
func (p *portal) saveApplication(c *gin.Context, r *reader) error {
	a, err := p.application(c, r)
	if err != nil {
		return err
	}
	v := postedApplication(c)
	in := v.input()
	if _, asked := c.GetPostForm("team"); !asked {
		in.Team = nil
	}
	changed, change, err := p.Access.UpdateApplication(c.Request.Context(), r.Actor, r.Tenant.ID, a.Application.ID, in)
	if errs, ok := fieldsOf(err, "name", "description", "team"); ok {
		v.Errors = errs
		return p.showEditApplication(c, r, http.StatusUnprocessableEntity, a, v)
	}
	if err != nil {
		return err
	}
	p.Sessions.Flash(c.Request.Context(), changed.Name+" is saved.")
	return p.seeOther(c, withChange(applicationLink(changed.Slug), change))
}

func (p *portal) showApplication(c *gin.Context, r *reader) error {
	ctx := c.Request.Context()
	a, err := p.application(c, r)
	if err != nil {
		return err
	}
	slug, now := a.Application.Slug, p.Now()
	v := applicationView{
		frame: r.frame(a.Application.Name, atApplications),
		Name:  a.Application.Name, Text: a.Application.Description, Initials: initials(a.Application.Name),
		Line:   r.ownedBy(a) + " · created " + shortDay(a.Application.CreatedAt),
		NewKey: newKeyLink(slug), KeysPost: keysLink(slug), Nonce: newNonce(), Catalog: catalogPath,
		Delete: link("applications", slug, "delete"),
		Fresh:  p.takeFresh(c, r, a),
	}
	v.Crumbs = []ui.Crumb{{Label: "Applications", Href: applicationsPath}, {Label: a.Application.Name}}
	if p.Tenants.Can(ctx, r.Actor, r.Tenant.ID, apim.Write, apim.ObjectApplication, a.Application.ID, a.Application.Team) {
		v.Edit = editApplicationLink(slug)
	}
	for _, s := range sortSubscriptions(a.Subscriptions) {
		v.Subscriptions = append(v.Subscriptions, newSubscriptionRow(s, slug, now))
	}
	environments, err := p.environmentNames(ctx, r)
	if err != nil {
		return err
	}
	for _, k := range a.Credentials {
		v.Keys = append(v.Keys, newKeyRow(k, slug, environments, now))
	}
	if v.Proof, err = p.proofFromQuery(c, r); err != nil {
		return err
	}
	may := p.callables(ctx, r, a)
	v.Sample = p.applicationSample(ctx, r, a, may, v.Fresh)
	if suggest(may).Kind != apim.CredentialKey {
		v.Takes = takesText(may)
	}
	return p.render(c, http.StatusOK, applicationPageOf(v))
}

// sortSubscriptions puts what works and what waits before what has ended; the
// order within is kept.
func sortSubscriptions(all []manager.SubscriptionView) []manager.SubscriptionView {
	var live, ended []manager.SubscriptionView
	for _, s := range all {
		if s.Subscription.Live() {
			live = append(live, s)
		} else {
			ended = append(ended, s)
		}
	}
	return append(live, ended...)
}

// applicationSample is the first call to what the application may call, with
// its fresh key while that is on the page. may are the APIs that it may call.
func (p *portal) applicationSample(ctx context.Context, r *reader, a manager.ApplicationDetail, may []callable, key *freshView) *sampleView {
	if key != nil && key.With != "" {
		return p.credentialCall(ctx, r, may, key.credential, key.Key)
	}
	if suggest(may).Kind != apim.CredentialKey {
		for _, k := range a.Credentials {
			if keyWorks(k, p.Now()) {
				if s := p.credentialCall(ctx, r, may, k, ""); s != nil {
					return s
				}
			}
		}
		return nil // no line works before there is a credential
	}
	secret, made := "", ""
	if key != nil && key.With == "" {
		secret, made = key.Key, key.Environment
	}
	for _, s := range a.Subscriptions {
		if s.Subscription.State != apim.Active || s.Subscription.Stopped {
			continue
		}
		only := s.Subscription.Environments
		if made != "" {
			only = []string{made}
		}
		if sample, _ := p.productSample(ctx, r, s.ProviderSlug, s.Product.Slug, secret, only); sample != nil {
			if sample.Note == "" {
				sample.Note = "Set PORTICO_KEY to your key."
			}
			sample.Note += " Right after making a key, this line holds it."
			if secret != "" {
				sample.Note = "Works as it stands: it holds your new key while that is shown."
			}
			return sample
		}
	}
	return nil
}

func (p *portal) confirmDelete(c *gin.Context, r *reader) error {
	a, err := p.application(c, r)
	if err != nil {
		return err
	}
	v := confirmView{
		Back: applicationLink(a.Application.Slug), BackLabel: "Keep it", Heading: "Delete " + a.Application.Name,
		Action: link("applications", a.Application.Slug, "delete"), Button: "Delete application",
	}
	keys, live := 0, 0
	for _, k := range a.Credentials {
		if keyWorks(k, p.Now()) {
			keys++
		}
	}
	for _, s := range a.Subscriptions {
		if s.Subscription.Live() {
			live++
		}
	}
	v.Text = []string{
		"This revokes " + count(keys, "key", "keys") + " and cancels " + count(live, "subscription", "subscriptions") + ". Every gateway node refuses the application's calls as soon as it has confirmed.",
		"It cannot be undone.",
	}
	v.frame = r.frame(v.Heading, atApplications)
	return p.render(c, http.StatusOK, confirmPageOf(v))
}

func (p *portal) deleteApplication(c *gin.Context, r *reader) error {
	a, err := p.application(c, r)
	if apim.KindOf(err) == apim.NotFound {
		return p.seeOther(c, applicationsPath) // gone already, or never was
	}
	if err != nil {
		return err
	}
	if _, err := p.Access.DeleteApplication(c.Request.Context(), r.Actor, r.Tenant.ID, a.Application.ID); err != nil {
		return err
	}
	p.Sessions.Flash(c.Request.Context(), a.Application.Name+" is deleted.")
	return p.seeOther(c, applicationsPath)
}
