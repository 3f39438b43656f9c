package console

import (
	"net/http"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/secret"
	"portico/manager"
	"portico/ui"
)

// applicationsPage lists the tenant's own applications. Consumers work on them
// in the portal.
type applicationsPage struct {
	shell
	Rows   []applicationRow
	Portal string
	Owned  bool // one of them is of a team
	Later  string
	First  string
}

type applicationRow struct{ Name, Slug, Href, Owner, Subscriptions, Keys, Made string }

func (h *Console) applications(v *visit) error {
	list, err := h.Access.Applications(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := applicationsPage{shell: v.shell("Applications", link{"Applications", ""}), Portal: h.PortalURL}
	for _, a := range list.Items {
		p.Owned = p.Owned || a.Owner != ""
		live, keys := 0, 0
		for _, s := range a.Subscriptions {
			if s.Subscription.Live() {
				live++
			}
		}
		for _, c := range a.Credentials {
			if c.RevokedAt.IsZero() {
				keys++
			}
		}
		p.Rows = append(p.Rows, applicationRow{
			Name: a.Application.Name, Slug: a.Application.Slug, Href: portalApplication(h.PortalURL, a.Application.Slug),
			Owner: a.Owner, Subscriptions: number(live), Keys: number(keys), Made: day(a.Application.CreatedAt),
		})
	}
	p.Later, p.First = v.pages(v.links.applications(), list.NextCursor)
	return v.render(http.StatusOK, applicationsList(p))
}

// tokensPage lists the reader's API tokens and makes new ones, or lists
// everybody's.
type tokensPage struct {
	shell
	Tabs   []ui.TabItem // none for who sees only their own
	Rows   []tokenRow
	Form   form
	Action string
	Fresh  string // the text of a new token, on this page alone
	Name   string // of the new token
	API    string // address of the management API
	Ends   []choice
	Later  string
	First  string
}

type tokenRow struct {
	Name, Hint, May, Made, Ends, Used, Revoke string
	Maker                                     string // in the list of everybody's
	Expired                                   bool
}

// everybodys is the value of "show" that asks for everybody's tokens.
const everybodys = "all"

func (h *Console) tokens(v *visit) error {
	if v.query("show") == everybodys {
		return h.allTokens(v)
	}
	return h.tokensPage(v, http.StatusOK, newTokenForm(), "", "")
}

func (h *Console) tokensPage(v *visit, status int, f form, fresh, name string) error {
	list, err := h.Tenants.Tokens(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	p := tokensPage{
		shell: v.shell("API tokens", link{"API tokens", ""}), Form: f, Action: v.links.tokens(),
		Fresh: fresh, Name: name, API: h.ConsoleURL + "/api/v1/tenants/" + v.tenant.Slug, Tabs: v.tokenTabs(""),
	}
	for _, t := range list.Items {
		p.Rows = append(p.Rows, v.tokenRow(t))
	}
	p.Ends = []choice{{"30", "30 days"}, {"90", "90 days"}, {"365", "one year"}}
	if v.actor.Operator {
		p.Ends = append(p.Ends, choice{"never", "never"})
	}
	p.Later, p.First = v.pages(v.links.tokens(), list.NextCursor)
	return v.render(status, tokensList(p))
}

// allTokens lists everybody's API tokens in the tenant.
func (h *Console) allTokens(v *visit) error {
	list, err := h.Tenants.AllTokens(v.ctx(), v.actor, v.tenant.ID, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := tokensPage{shell: v.shell("API tokens", link{"API tokens", ""}), Tabs: v.tokenTabs(everybodys)}
	for _, t := range list.Items {
		row := v.tokenRow(t.Token)
		if t.Scopes.Preset() == "full" {
			row.May = "all that they may"
		}
		row.Revoke = with(row.Revoke, "show", everybodys)
		if row.Maker = t.Maker; row.Maker == "" {
			row.Maker = "A program of the operators"
		}
		p.Rows = append(p.Rows, row)
	}
	p.Later, p.First = v.pages(with(v.links.tokens(), "show", everybodys), list.NextCursor)
	return v.render(http.StatusOK, allTokensList(p))
}

// tokenTabs are there for who may see more than their own.
func (v *visit) tokenTabs(show string) []ui.TabItem {
	if !v.can(apim.Manage, apim.ObjectToken) {
		return nil
	}
	return []ui.TabItem{
		{Label: "Yours", Href: v.links.tokens(), Current: show == ""},
		{Label: "Everybody's", Href: with(v.links.tokens(), "show", everybodys), Current: show == everybodys},
	}
}

func (v *visit) tokenRow(t apim.Token) tokenRow {
	row := tokenRow{
		Name: t.Name, Hint: "…" + t.Hint, May: scopesText(t.Scopes), Made: day(t.CreatedAt), Ends: "never", Used: agoPhrase(v.now, t.LastUsed),
		Revoke: v.links.revokeToken(t.ID), Expired: t.Expired(v.now),
	}
	if !t.ExpiresAt.IsZero() {
		row.Ends = day(t.ExpiresAt)
	}
	return row
}

func newTokenForm() form { return filled("expires", "90", "may", "read-only") }

// scopesText says what a token may.
func scopesText(scopes apim.Scopes) string {
	switch preset := scopes.Preset(); preset {
	case "full":
		return "all that you may"
	case "read-only":
		return "read"
	case "":
		words := make([]string, len(scopes))
		for i, s := range scopes {
			words[i] = string(s)
		}
		return strings.Join(words, ", ")
	default:
		return preset
	}
}

// mayOptions are the presets of a token's scopes.
func mayOptions() []ui.Option {
	return []ui.Option{
		{Value: "read-only", Label: "Read", Note: "Everything that you may read, and change nothing"},
		{Value: "publish", Label: "Publish", Note: "For pipelines: import, publish, and put versions into products"},
		{Value: "full", Label: "All that you may", Note: "Give it only to what you trust as much as yourself"},
		{Value: "custom", Label: "Only these permissions", Note: "Such as: publish api, read product"},
	}
}

// scopesOf reads what a new token is to be allowed.
func scopesOf(f *form) apim.Scopes {
	may := f.value("may")
	if may == "" {
		may = "read-only" // the least
	}
	if preset, known := apim.ScopePresets()[may]; known {
		return preset
	}
	var out apim.Scopes
	for _, text := range strings.FieldsFunc(f.value("scopes"), func(r rune) bool { return r == ',' || r == '\n' }) {
		if text = strings.Join(strings.Fields(text), " "); text != "" {
			out = append(out, apim.Scope(text))
		}
	}
	if len(out) == 0 {
		f.fail("scopes", "needs at least one permission, such as: publish api")
	}
	return out
}

// createToken shows the new token in this answer and never again, so it cannot
// redirect; the same post again leads to the list.
func (h *Console) createToken(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	name := f.text("name")
	if name == "" {
		f.fail("name", "needs a name, so that you know it again: “CI of orders”")
	}
	var expires time.Time
	if days, ok := map[string]int{"30": 30, "90": 90, "365": 365}[f.value("expires")]; ok {
		expires = v.now.AddDate(0, 0, days)
	} else if f.value("expires") != "never" {
		f.fail("expires", "choose when it ends")
	}
	scopes := scopesOf(&f)
	if f.failed() {
		return h.tokensPage(v, v.status(f), f, "", "")
	}
	text := ""
	to, again, err := h.receipts.do(v.session(), f.once, func() (string, error) {
		_, minted, err := h.Tenants.CreateToken(v.ctx(), v.actor, v.tenant.ID, manager.NewToken{Name: name, Scopes: scopes, ExpiresAt: expires, Never: f.value("expires") == "never"})
		text = minted
		return v.links.tokens(), err
	})
	if err != nil {
		if f.refuse(err, []string{"name", "expires", "scopes"}, map[string]string{"expires_at": "expires", "never_expires": "expires"}) {
			return h.tokensPage(v, v.status(f), f, "", "")
		}
		return err
	}
	if again {
		return v.redirect(to)
	}
	v.c.Header("Cache-Control", "no-store")
	return h.tokensPage(v, http.StatusOK, newTokenForm(), text, name)
}

func (h *Console) revokeToken(v *visit) error {
	id, err := apim.ParseID(apim.PrefixToken, v.param("token"))
	if err != nil {
		return err
	}
	if err := h.Tenants.RevokeToken(v.ctx(), v.actor, v.tenant.ID, id); err != nil && apim.KindOf(err) != apim.NotFound {
		return err // what is not there any more was revoked before
	}
	v.flash(toneOK, "The token is revoked. Calls with it are refused from now on.")
	if v.query("show") == everybodys {
		return v.redirect(with(v.links.tokens(), "show", everybodys))
	}
	return v.redirect(v.links.tokens())
}

// settingsPage shows where things are.
type settingsPage struct {
	shell
	Facts        []fact
	Environments []environmentRow
	Add          string // "" when the reader may not
	Live         liveView
	Form         form
	Save         string // of the key prefix; "" when the reader may not
	Lock         string
}

type environmentRow struct{ Name, Slug, Kind, Gateway, Sequence, Edit string }

func (h *Console) settings(v *visit) error {
	return h.settingsPage(v, http.StatusOK, filled("key_prefix", v.tenant.KeyPrefix))
}

// saveSettings changes what the tenant chooses for itself.
func (h *Console) saveSettings(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	if _, err := h.Tenants.SetKeyPrefix(v.ctx(), v.actor, v.tenant.ID, f.text("key_prefix"), lockOf(f)); err != nil {
		if f.refuse(err, []string{"key_prefix"}, nil) {
			return h.settingsPage(v, v.status(f), f)
		}
		return err
	}
	return v.done("New keys begin with "+secret.KeyPrefix(f.text("key_prefix"), false)+". Those of before work on.", v.links.settings())
}

func (h *Console) settingsPage(v *visit, status int, f form) error {
	p := settingsPage{
		Form: f, Lock: lockText(v.tenant.Lock),
		shell: v.shell("Settings", link{"Settings", ""}),
		Facts: []fact{
			{"Name", v.tenant.Name},
			{"Slug", v.tenant.Slug},
			{"Made", moment(v.tenant.CreatedAt)},
			{"Keys begin with", secret.KeyPrefix(v.tenant.KeyPrefix, false) + "_… and " + secret.KeyPrefix(v.tenant.KeyPrefix, true) + "_…"},
			{"Portal", h.PortalURL},
			{"Console", h.ConsoleURL},
			{"Management API", strings.TrimSuffix(h.ConsoleURL, "/") + "/api/v1"},
		},
	}
	p.Live = h.liveFromQuery(v, "The change", "in force")
	for _, e := range v.environments {
		row := environmentRow{e.Name, e.Slug, string(e.Kind), e.GatewayURL, sequence(e.Sequence), ""}
		if v.actor.Operator {
			row.Edit = v.links.editEnvironment(e.Slug)
		}
		p.Environments = append(p.Environments, row)
	}
	if v.actor.Operator {
		p.Add = v.links.editEnvironment(newEnvironmentSlug)
	}
	if h.Tenants.Can(v.ctx(), v.actor, v.tenant.ID, apim.Manage, apim.ObjectTenant) {
		p.Save = v.links.settings()
	}
	return v.render(status, settingsView(p))
}
