package portal

import (
	"context"
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

type keyRow struct {
	Name, Masked, Environment string
	Kind                      string // "" for a key
	Created                   string
	State, StateTone          string
	Href                      string // its page
	Used                      string // last, "" when it never was
	Revoke                    string // "" when there is nothing left to revoke
}

// freshView is a new key, password or signing secret on the one page that shows
// it.
type freshView struct {
	Key, Name, Environment, Dismiss string
	What                            string // "key", "password", "signing secret"
	With                            string // the name of what WithText is: "User name"; "" for a key
	WithText                        string
	Kept                            string // what is kept of it
	credential                      apim.Credential
}

type newKeyView struct {
	frame
	Action, Back, Application string
	Nonce                     string
	Kind                      string
	Kinds                     []choice
	Fits                      string // which kinds the APIs take that it may call
	Elsewhere                 string // makes a signing secret, where the portal cannot
	Issuer, Subject, User     string
	Certificate, Signature    string // and that it is signed for
	Command                   string // that signs
	Name, Environment, Days   string
	Environments              []choice
	Lives                     []choice
	Bound                     string // why a key has to end, and when
	Errors                    fieldErrors
}

type choice struct {
	Value, Label string
	Chosen       bool
}

// keyWorks reports whether a key has a secret that is neither revoked nor
// expired.
func keyWorks(k apim.Credential, now time.Time) bool {
	return k.RevokedAt.IsZero() && slices.ContainsFunc(k.Secrets, func(s apim.Secret) bool { return !s.Expired(now) })
}

func newKeyRow(k apim.Credential, application string, environments map[string]string, now time.Time) keyRow {
	row := keyRow{Name: k.Name, Environment: k.Environment, Created: shortDay(k.CreatedAt)}
	if name, ok := environments[k.Environment]; ok {
		row.Environment = name
	}
	row.Href = keyLink(application, k.ID)
	if k.Kind != apim.CredentialKey {
		row.Kind = kindName(k.Kind)
	}
	var ends, used time.Time
	for _, s := range k.Secrets { // the newest last
		row.Masked = mask(k, s)
		ends = s.ExpiresAt
		if s.LastUsedAt.After(used) {
			used = s.LastUsedAt
			row.Used = "used " + ago(used, now)
		}
	}
	switch {
	case !k.RevokedAt.IsZero():
		row.State, row.StateTone = "Revoked "+ago(k.RevokedAt, now), "off"
		return row
	case !keyWorks(k, now):
		row.State, row.StateTone = "Expired", "off"
	case !ends.IsZero():
		row.State, row.StateTone = "Ends "+left(ends, now), "warn"
	case len(k.Secrets) > 1 && !k.Secrets[0].ExpiresAt.IsZero() && !k.Secrets[0].Expired(now):
		row.State, row.StateTone = "Active, old secret ends "+left(k.Secrets[0].ExpiresAt, now), "warn"
	default:
		row.State, row.StateTone = "Active", "ok"
	}
	row.Revoke = revokeLink(application, k.ID)
	return row
}

// mask writes as much of a secret as tells it from others. Of a key that is its
// kind, the first four characters of its id and the last four of its secret.
func mask(k apim.Credential, s apim.Secret) string {
	const digits = 16 // of a certificate's SHA-256
	switch k.Kind {
	case apim.CredentialJWT:
		return k.Subject + " of " + k.Issuer
	case apim.CredentialBasic:
		return k.Subject + ", …" + s.LastFour
	case apim.CredentialSignature:
		return s.Prefix
	case apim.CredentialCertificate:
		return "SHA-256 " + s.Prefix[:min(digits, len(s.Prefix))] + "…"
	}
	kind := strings.LastIndexByte(s.Prefix, '_') + 1
	return s.Prefix[:min(kind+4, len(s.Prefix))] + "…" + s.LastFour
}

// kindName names a kind of credential.
func kindName(kind apim.CredentialKind) string {
	switch kind {
	case apim.CredentialJWT:
		return "Token identity"
	case apim.CredentialBasic:
		return "User name and password"
	case apim.CredentialSignature:
		return "Signing secret"
	case apim.CredentialCertificate:
		return "Client certificate"
	}
	return "API key"
}

// environments returns what keys can be made for.
func (p *portal) environmentNames(ctx context.Context, r *reader) (map[string]string, error) {
	all, err := p.Fleet.Environments(ctx, r.Actor)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, e := range all {
		names[e.Slug] = e.Name
	}
	return names, nil
}

func (p *portal) newKeyForm(c *gin.Context, r *reader) error {
	a, err := p.application(c, r)
	if err != nil {
		return err
	}
	return p.showNewKey(c, r, http.StatusOK, a, newKeyView{Days: usualEnd(a)})
}

// nextKeyName proposes a name that the application has not given to a key yet.
func nextKeyName(a manager.ApplicationDetail) string {
	return "Key " + strconv.Itoa(len(a.Credentials)+1)
}

func (p *portal) showNewKey(c *gin.Context, r *reader, status int, a manager.ApplicationDetail, v newKeyView) error {
	all, err := p.Fleet.Environments(c.Request.Context(), r.Actor)
	if err != nil {
		return err
	}
	for i, e := range all {
		label := e.Name
		if e.Kind == apim.Sandbox {
			label += ", test keys"
		}
		v.Environments = append(v.Environments, choice{e.Slug, label, e.Slug == v.Environment || v.Environment == "" && i == 0})
	}
	may := p.callables(c.Request.Context(), r, a)
	v.Fits = takesText(may)
	if v.Kind == "" {
		v.Kind, v.Issuer = string(suggest(may).Kind), issuerOf(may)
	}
	for _, k := range apim.CredentialKinds() {
		if !p.Access.Makes(k) {
			v.Elsewhere = p.atManager(r, "create", a.Application.Slug, "--kind", string(k))
			continue
		}
		v.Kinds = append(v.Kinds, choice{string(k), kindName(k), string(k) == v.Kind})
	}
	v.Certificate, v.Signature = withoutKey(v.Certificate), withoutKey(v.Signature)
	v.bounded(a.KeyLimits, all, p.Now())
	slug := a.Application.Slug
	v.frame = r.frame("New credential for "+a.Application.Name, atApplications)
	v.Action, v.Back, v.Application = keysLink(slug), applicationLink(slug), a.Application.Name
	v.Command = signCommand(a.Application.ID)
	if v.Nonce == "" {
		v.Nonce = newNonce()
	}
	if ui.WantsDialog(c.Request) {
		return p.render(c, status, newKeyDialogOf(v))
	}
	return p.render(c, status, newKeyPageOf(v))
}

// atManager is the command that asks a manager for what a portal cannot do with
// a key.
func (p *portal) atManager(r *reader, do string, args ...string) string {
	command := "portico keys " + do + " " + strings.Join(args, " ") + " --tenant " + r.Tenant.Slug
	if p.ConsoleURL != "" {
		command += " --url " + p.ConsoleURL
	}
	return command
}

// signCommand signs what proves that a certificate is an application's. Its first
// half takes RSA and ECDSA keys, wherever there is an openssl; Ed25519 keys sign no
// SHA-256, and are left to the second, which reads a file alone.
func signCommand(application apim.ID) string {
	return "printf %s '" + manager.ProofText(application) + "' > proof.txt && " +
		"(openssl dgst -sha256 -sign key.pem proof.txt 2>/dev/null || openssl pkeyutl -sign -rawin -inkey key.pem -in proof.txt) | base64"
}

// latestEnd is the choice of a key that lives as long as its plans allow.
const latestEnd = "latest"

// usualEnd is how long an application's new key lives where nobody chose: for ever,
// or as long as its plans allow.
func usualEnd(a manager.ApplicationDetail) string {
	if len(a.KeyLimits) > 0 {
		return latestEnd
	}
	return ""
}

// bounded fills in how long a new key may live, and why no longer. Each
// environment has its own bound: where there are several, the form offers what
// one of them may allow, and says which.
func (v *newKeyView) bounded(limits []manager.KeyLimit, all []apim.Environment, now time.Time) {
	switch {
	case len(limits) == 0:
		v.Lives = lives(manager.KeyLimit{}, v.Days, now)
		return
	case len(all) == 1:
		if v.Days == "" {
			v.Days = latestEnd
		}
		v.Lives, v.Bound = lives(limits[0], v.Days, now), bound(limits[0], limits[0].Latest(now))
		return
	}
	v.Lives = append(lives(manager.KeyLimit{}, v.Days, now), choice{latestEnd, "As long as the environment allows", v.Days == latestEnd})
	var texts []string
	for _, e := range all {
		if limit, is := limitIn(limits, e.Slug); is {
			texts = append(texts, "In "+e.Name+" at the latest on "+day(limit.Latest(now))+": "+limit.Text()+".")
		}
	}
	v.Bound = strings.Join(texts, " ")
}

// limitIn returns the bound on keys of an environment, and whether there is one.
func limitIn(limits []manager.KeyLimit, environment string) (limit manager.KeyLimit, is bool) {
	for _, l := range limits {
		if l.Environment == environment {
			return l, true
		}
	}
	return limit, false
}

// latest is when a new key of an application has to end in an environment, "" for
// the first of all; zero: never.
func (p *portal) latest(ctx context.Context, r *reader, a manager.ApplicationDetail, environment string) (time.Time, error) {
	if environment == "" {
		all, err := p.Fleet.Environments(ctx, r.Actor)
		if err != nil || len(all) == 0 {
			return time.Time{}, err
		}
		environment = all[0].Slug
	}
	if limit, is := limitIn(a.KeyLimits, environment); is {
		return limit.Latest(p.Now()), nil
	}
	return time.Time{}, nil
}

// withoutKey is what was pasted into a form, as the form may show it again: of a
// private key nothing is sent back.
func withoutKey(pasted string) string {
	if strings.Contains(pasted, "PRIVATE KEY") {
		return ""
	}
	return pasted
}

// lives returns how long a key may live within a limit, with the chosen one.
func lives(limit manager.KeyLimit, chosen string, now time.Time) (out []choice) {
	for _, life := range []choice{{Value: "", Label: "Does not expire"}, {Value: "30", Label: "30 days"}, {Value: "90", Label: "90 days"}, {Value: "365", Label: "365 days"}} {
		if days, _ := strconv.Atoi(life.Value); limit.Life > 0 && (days == 0 || time.Duration(days)*24*time.Hour >= limit.Life) {
			continue
		}
		life.Chosen = life.Value == chosen
		out = append(out, life)
	}
	if limit.Life > 0 {
		out = append(out, choice{Value: latestEnd, Label: "On " + shortDay(limit.Latest(now)) + ", the latest", Chosen: chosen == latestEnd})
	}
	return out
}

// bound says until when a key may live, and why.
func bound(limit manager.KeyLimit, latest time.Time) string {
	return "At the latest on " + day(latest) + ": " + limit.Text() + "."
}

// createKey mints a key and leads to the application's page, which shows it.
func (p *portal) createKey(c *gin.Context, r *reader) error {
	a, err := p.application(c, r)
	if err != nil {
		return err
	}
	v := newKeyView{Name: c.PostForm("name"), Environment: c.PostForm("environment"), Days: c.PostForm("days"), Nonce: c.PostForm("nonce")}
	if v.Nonce == "" || len(v.Nonce) > longestNonce {
		v.Nonce = newNonce()
	}
	v.Kind, v.Issuer, v.Subject = c.PostForm("kind"), strings.TrimSpace(c.PostForm("issuer")), strings.TrimSpace(c.PostForm("subject"))
	v.User, v.Certificate, v.Signature = strings.TrimSpace(c.PostForm("user")), c.PostForm("certificate"), c.PostForm("signature")
	in := newKeyOf(v, nextKeyName(a))
	if in.Kind == apim.CredentialJWT {
		in.Proof = c.PostForm("token") // which no form shows again
	}
	if days, err := strconv.Atoi(v.Days); err == nil && days > 0 && days <= 3650 {
		in.ExpiresAt = p.Now().AddDate(0, 0, days)
	}
	if _, asked := c.GetPostForm("days"); !asked {
		v.Days = usualEnd(a)
	}
	if v.Days == latestEnd {
		if in.ExpiresAt, err = p.latest(c.Request.Context(), r, a, in.Environment); err != nil {
			return err
		}
	}
	location, again, err := p.once.Do(string(r.Actor.Person), v.Nonce, func() (string, error) {
		minted, err := p.Access.CreateKey(c.Request.Context(), r.Actor, r.Tenant.ID, a.Application.ID, in)
		if err != nil {
			return "", err
		}
		if minted.Key == "" {
			p.Sessions.Flash(c.Request.Context(), minted.Credential.Name+" is registered.")
			return withChange(keyLink(a.Application.Slug, minted.Credential.ID), minted.Change), nil
		}
		p.fresh.Put(r.Actor.Person, v.Nonce, minted.Credential.ID, minted.Key)
		return withChange(with(applicationLink(a.Application.Slug), "fresh", v.Nonce), minted.Change), nil
	})
	if errs, ok := fieldsOf(err, "kind", "issuer", "subject", "user", "certificate", "proof", "name", "environment", "expires_at"); ok {
		v.Errors = errs
		return p.showNewKey(c, r, http.StatusUnprocessableEntity, a, v)
	}
	if err != nil {
		return err
	}
	if again {
		p.fresh.Again(r.Actor.Person, v.Nonce)
	}
	return p.seeOther(c, location)
}

// newKeyOf is what a form asks for: of the fields of the kind that is chosen
// alone. Others than keys are named by what they show, if nobody named them.
func newKeyOf(v newKeyView, proposed string) manager.NewKey {
	in := manager.NewKey{Kind: apim.CredentialKind(v.Kind), Name: v.Name, Environment: v.Environment}
	switch in.Kind {
	case apim.CredentialJWT:
		in.Issuer, in.Subject = v.Issuer, v.Subject
	case apim.CredentialBasic:
		in.User = v.User
	case apim.CredentialCertificate:
		in.Certificate, in.Proof = v.Certificate, v.Signature
	case apim.CredentialSignature:
	default:
		if in.Name == "" {
			in.Name = proposed
		}
		return in
	}
	if in.Name == proposed {
		in.Name = ""
	}
	return in
}

// newFreshView is a secret to be shown this once, with what is needed beside it.
func newFreshView(k apim.Credential, key string) *freshView {
	f := &freshView{Key: key, Name: k.Name, Environment: k.Environment, What: "key", Kept: "We keep only a hash of " + k.Name + ".", credential: k}
	switch k.Kind {
	case apim.CredentialBasic:
		f.What, f.With, f.WithText = "password", "User name", k.Subject
	case apim.CredentialSignature:
		f.What, f.With, f.WithText = "signing secret", "Key id", k.Secrets[len(k.Secrets)-1].Prefix
		f.Kept = "We keep it sealed, for the gateway alone."
	}
	return f
}

// takeFresh returns the key that the address asks for, once, and only on the
// page of its own application.
func (p *portal) takeFresh(c *gin.Context, r *reader, a manager.ApplicationDetail) *freshView {
	nonce := c.Query("fresh")
	if nonce == "" {
		return nil
	}
	id, key, ok := p.fresh.Take(r.Actor.Person, nonce)
	if !ok {
		return nil
	}
	for _, k := range a.Credentials {
		if k.ID == id && keyWorks(k, p.Now()) {
			f := newFreshView(k, key)
			f.Dismiss = applicationLink(a.Application.Slug)
			return f
		}
	}
	return nil
}

func (p *portal) ownKey(c *gin.Context, r *reader) (manager.ApplicationDetail, apim.Credential, error) {
	a, err := p.application(c, r)
	if err != nil {
		return a, apim.Credential{}, err
	}
	for _, k := range a.Credentials {
		if string(k.ID) == c.Param("credential") {
			return a, k, nil
		}
	}
	return a, apim.Credential{}, apim.Errorf(apim.NotFound, "application %q has no such key", a.Application.Name)
}

func (p *portal) confirmRevoke(c *gin.Context, r *reader) error {
	a, k, err := p.ownKey(c, r)
	if err != nil {
		return err
	}
	if !k.RevokedAt.IsZero() {
		return p.seeOther(c, applicationLink(a.Application.Slug))
	}
	masked := k.Name
	for _, s := range k.Secrets {
		masked = mask(k, s)
	}
	v := confirmView{
		frame: r.frame("Revoke "+k.Name, atApplications), Heading: "Revoke " + k.Name,
		Back: applicationLink(a.Application.Slug), BackLabel: "Keep it",
		Action: revokeLink(a.Application.Slug, k.ID), Button: "Revoke " + k.Kind.Text(),
		Text: []string{
			masked + " stops working on every gateway node within moments, and does not come back.",
			"If something still uses it, make what follows it first: several credentials of an application work at the same time.",
		},
	}
	return p.render(c, http.StatusOK, confirmPageOf(v))
}

func (p *portal) revokeKey(c *gin.Context, r *reader) error {
	a, k, err := p.ownKey(c, r)
	if err != nil {
		return err
	}
	_, change, err := p.Access.RevokeKey(c.Request.Context(), r.Actor, r.Tenant.ID, k.ID)
	if err != nil {
		return err
	}
	p.Sessions.Flash(c.Request.Context(), k.Name+" is revoked.")
	return p.seeOther(c, withChange(applicationLink(a.Application.Slug), change))
}
