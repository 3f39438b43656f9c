package portal

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/apim"
	"portico/manager"
	"portico/ui"
)

// keyView is the page of one key: its secrets, their change, and from where it
// may be used.
type keyView struct {
	frame
	Name, Application     string
	Kind                  string // what it is: "API key"
	Renewal               string // how it is renewed: "rotate", "certificate", "end" (of an issuer's tokens), "elsewhere" (not here)
	Environment, Created  string
	Covers                string // what the key opens
	Secrets               []secretLine
	Rotating              bool // two secrets: the old one has to end first
	Rotate, Restrict      string
	Revoke, Back          string
	Nonce                 string
	Graces                []choice
	Bound                 string // when the next secret has to end, and why
	Addresses, Referrers  string // one in each line
	Rename                string
	Fresh                 *freshView
	Proof                 *proofView
	Sample                *sampleView
	NoFit                 string // where no API takes it: what they take
	Errors                fieldErrors
	Elsewhere             string      // rotates it, where the portal cannot
	Certificate           string      // the next one, as it was posted
	Signature, Command    string      // and that it is signed for; what signs
	Lives                 []choice    // when a registration may end
	Renewing              fieldErrors // what is wrong with it
	Revoked, RevokedAgain string
}

// secretLine is one of a key's secrets.
type secretLine struct {
	Masked, Made, Used, Ends string
	Tone                     string
	End                      string // where to post its end; "" where it cannot end alone
}

// graces are how long an old secret may work on.
func graces() []choice {
	return []choice{
		{Value: "24", Label: "for a day"},
		{Value: "1", Label: "for an hour"},
		{Value: "168", Label: "for a week"},
		{Value: "720", Label: "for 30 days"},
		{Value: "0", Label: "not at all: it ends now"},
	}
}

func (p *portal) key(c *gin.Context, r *reader) error {
	a, k, err := p.ownKey(c, r)
	if err != nil {
		return err
	}
	return p.showKey(c, r, http.StatusOK, a, k, keyView{
		Addresses: strings.Join(k.Addresses, "\n"), Referrers: strings.Join(k.Referrers, "\n"), Rename: k.Name,
	})
}

func (p *portal) showKey(c *gin.Context, r *reader, status int, a manager.ApplicationDetail, k apim.Credential, v keyView) error {
	slug, now := a.Application.Slug, p.Now()
	names, err := p.environmentNames(c.Request.Context(), r)
	if err != nil {
		return err
	}
	v.frame = r.frame(k.Name+" of "+a.Application.Name, atApplications)
	v.Crumbs = []ui.Crumb{{Label: "Applications", Href: applicationsPath}, {Label: a.Application.Name, Href: applicationLink(slug)}, {Label: k.Name}}
	v.Name, v.Application, v.Environment, v.Created = k.Name, a.Application.Name, k.Environment, shortDay(k.CreatedAt)
	if name, ok := names[k.Environment]; ok {
		v.Environment = name
	}
	v.Kind, v.Renewal = kindName(k.Kind), "rotate"
	switch k.Kind {
	case apim.CredentialJWT:
		v.Renewal = "end"
	case apim.CredentialCertificate:
		v.Renewal = "certificate"
	}
	if !p.Access.Makes(k.Kind) {
		v.Renewal, v.Elsewhere = "elsewhere", p.atManager(r, "rotate", string(k.ID))
	}
	v.Certificate, v.Signature = withoutKey(v.Certificate), withoutKey(v.Signature)
	v.Back, v.Nonce, v.Graces = applicationLink(slug), newNonce(), graces()
	v.Covers = covers(a, k.Environment, v.Environment)
	if !k.RevokedAt.IsZero() {
		v.Revoked = "Revoked " + ago(k.RevokedAt, now)
		return p.render(c, status, keyPageOf(v))
	}
	v.Rotate, v.Restrict, v.Revoke = keyActionLink(slug, k.ID, "rotate"), keyLink(slug, k.ID), revokeLink(slug, k.ID)
	live := 0
	for i, s := range k.Secrets { // the newest last
		line := secretLine{Masked: mask(k, s), Made: shortDay(s.CreatedAt), Used: "never", Ends: "does not end", Tone: "ok"}
		if !s.LastUsedAt.IsZero() {
			line.Used = ago(s.LastUsedAt, now) + " from " + s.LastUsedAddress
		}
		switch {
		case s.Expired(now):
			line.Ends, line.Tone = "ended "+ago(s.ExpiresAt, now), "off"
		case !s.ExpiresAt.IsZero():
			line.Ends, line.Tone = "ends "+left(s.ExpiresAt, now)+", "+s.ExpiresAt.UTC().Format("2 January, 15:04 MST"), "warn"
			live++
		default:
			live++
		}
		if i < len(k.Secrets)-1 && !s.Expired(now) {
			line.End = endSecretLink(slug, k.ID, s.ID)
		}
		v.Secrets = append(v.Secrets, line)
	}
	v.Rotating, v.Command = live > 1, signCommand(a.Application.ID)
	v.Lives = lives(manager.KeyLimit{}, "", now)
	if limit, is := limitIn(a.KeyLimits, k.Environment); is {
		v.Lives, v.Bound = lives(limit, latestEnd, now), bound(limit, limit.Latest(now))
		if v.Renewal == "rotate" {
			v.Bound = "The new secret ends on " + day(limit.Latest(now)) + ": " + limit.Text() + "."
		}
	}
	if v.Fresh = p.takeFresh(c, r, a); v.Fresh != nil {
		v.Fresh.Dismiss = keyLink(slug, k.ID)
	}
	if v.Proof, err = p.proofFromQuery(c, r); err != nil {
		return err
	}
	may, secret := p.callables(c.Request.Context(), r, a), ""
	if v.Fresh != nil {
		secret = v.Fresh.Key
	}
	if v.Sample = p.credentialCall(c.Request.Context(), r, may, k, secret); v.Sample == nil && fitsNone(may, k) {
		v.NoFit = takesText(may)
	}
	return p.render(c, status, keyPageOf(v))
}

// fitsNone reports whether APIs that are known say that they take other
// credentials.
func fitsNone(all []callable, k apim.Credential) bool {
	known := false
	for _, c := range all {
		for _, t := range c.Version.Takes {
			known = true
			if t.Kind == k.Kind && (t.Kind != apim.CredentialJWT || t.Issuer == k.Issuer) {
				return false
			}
		}
	}
	return known
}

// covers says what a key of an environment opens.
func covers(a manager.ApplicationDetail, environment, name string) string {
	var open, closed []string
	for _, s := range a.Subscriptions {
		switch {
		case s.Subscription.State != apim.Active || s.Subscription.Stopped:
		case s.Subscription.Covers(environment):
			open = append(open, s.Product.Name)
		default:
			closed = append(closed, s.Product.Name)
		}
	}
	text := "It opens nothing in " + name + " yet: no subscription of " + a.Application.Name + " covers that environment."
	if len(open) > 0 {
		text = "In " + name + " alone, it opens " + list(open) + "."
	}
	if len(closed) > 0 {
		text += " " + list(closed) + ": the subscription is for other environments."
	}
	return text
}

// rotateKey gives a key a new secret and leads to its page, which shows it.
func (p *portal) rotateKey(c *gin.Context, r *reader) error {
	a, k, err := p.ownKey(c, r)
	if err != nil {
		return err
	}
	hours, err := strconv.Atoi(c.PostForm("grace"))
	if err != nil || !slices.ContainsFunc(graces(), func(g choice) bool { return g.Value == strconv.Itoa(hours) }) {
		hours = 24
	}
	nonce := c.PostForm("nonce")
	if nonce == "" || len(nonce) > longestNonce {
		nonce = newNonce()
	}
	page, certificate, signature := keyLink(a.Application.Slug, k.ID), c.PostForm("certificate"), c.PostForm("signature")
	if k.Kind == apim.CredentialJWT {
		return p.renewKey(c, r, k, page)
	}
	location, again, err := p.once.Do(string(r.Actor.Person), nonce, func() (string, error) {
		grace := time.Duration(hours) * time.Hour
		if k.Kind == apim.CredentialCertificate {
			followed, err := p.Access.ReplaceCertificate(c.Request.Context(), r.Actor, r.Tenant.ID, k.ID, certificate, signature, grace)
			if err != nil {
				return "", err
			}
			p.Sessions.Flash(c.Request.Context(), k.Name+" has its next certificate.")
			return withChange(page, followed.Change), nil
		}
		minted, err := p.Access.RotateKey(c.Request.Context(), r.Actor, r.Tenant.ID, k.ID, grace)
		if err != nil {
			return "", err
		}
		p.fresh.Put(r.Actor.Person, nonce, minted.Credential.ID, minted.Key)
		return withChange(with(page, "fresh", nonce), minted.Change), nil
	})
	if errs, ok := fieldsOf(err, "certificate", "proof"); ok && k.Kind == apim.CredentialCertificate {
		v := keyView{Addresses: strings.Join(k.Addresses, "\n"), Referrers: strings.Join(k.Referrers, "\n"), Rename: k.Name, Certificate: certificate, Signature: signature, Renewing: errs}
		return p.showKey(c, r, http.StatusUnprocessableEntity, a, k, v)
	}
	if err != nil {
		return err
	}
	if again {
		p.fresh.Again(r.Actor.Person, nonce)
	}
	return p.seeOther(c, location)
}

// renewKey moves the end of the registration of an issuer's tokens.
func (p *portal) renewKey(c *gin.Context, r *reader, k apim.Credential, page string) error {
	var ends time.Time // as late as may be
	if days, err := strconv.Atoi(c.PostForm("days")); err == nil && days > 0 && days <= 3650 {
		ends = p.Now().AddDate(0, 0, days)
	}
	_, change, err := p.Access.RenewKey(c.Request.Context(), r.Actor, r.Tenant.ID, k.ID, ends)
	if err != nil {
		return err
	}
	p.Sessions.Flash(c.Request.Context(), k.Name+" is renewed.")
	return p.seeOther(c, withChange(page, change))
}

// endSecret ends a rotated key's old secret now.
func (p *portal) endSecret(c *gin.Context, r *reader) error {
	a, k, err := p.ownKey(c, r)
	if err != nil {
		return err
	}
	page := keyLink(a.Application.Slug, k.ID)
	_, change, err := p.Access.EndSecret(c.Request.Context(), r.Actor, r.Tenant.ID, k.ID, apim.ID(c.Param("secret")))
	if apim.KindOf(err) == apim.NotFound {
		return p.seeOther(c, page) // it ended before
	}
	if err != nil {
		return err
	}
	p.Sessions.Flash(c.Request.Context(), "The old secret of "+k.Name+" has ended.")
	return p.seeOther(c, withChange(page, change))
}

// restrictKey changes a key's name and from where it may be used.
func (p *portal) restrictKey(c *gin.Context, r *reader) error {
	a, k, err := p.ownKey(c, r)
	if err != nil {
		return err
	}
	v := keyView{Addresses: c.PostForm("addresses"), Referrers: c.PostForm("referrers"), Rename: strings.TrimSpace(c.PostForm("name"))}
	addresses, referrers := strings.Fields(v.Addresses), strings.Fields(v.Referrers)
	_, change, err := p.Access.UpdateKey(c.Request.Context(), r.Actor, r.Tenant.ID, k.ID, manager.KeyChange{Name: &v.Rename, Addresses: &addresses, Referrers: &referrers})
	if errs, ok := fieldsOf(err, "name", "addresses", "referrers"); ok {
		v.Errors = errs
		return p.showKey(c, r, http.StatusUnprocessableEntity, a, k, v)
	}
	if err != nil {
		return err
	}
	p.Sessions.Flash(c.Request.Context(), v.Rename+" is changed.")
	return p.seeOther(c, withChange(keyLink(a.Application.Slug, k.ID), change))
}

// renewalTitle and renewalButton name what a key is given next.
func (v keyView) renewalTitle() string {
	switch v.Renewal {
	case "certificate":
		return "Next certificate"
	case "end":
		return "Renew it"
	}
	return "New secret"
}

func (v keyView) renewalButton() string {
	switch v.Renewal {
	case "certificate":
		return "Register it"
	case "end":
		return "Renew"
	}
	return "Rotate"
}
