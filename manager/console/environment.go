package console

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/internal/secret"
	"portico/manager"
)

// newEnvironmentSlug is the address of the form for an environment that is to be
// made: no environment can be called so, since it is no slug.
const newEnvironmentSlug = "+"

// environmentPage makes or changes an environment.
type environmentPage struct {
	shell
	New          bool
	Heading      string
	Form         form
	Action       string
	Lock         string
	Delete       string // where to post it; "" for a new one
	Certs        string // its certificates; "" for a new one
	Policies     string // where they are set; "" for a new one
	PoliciesText string
	InTheWay     []string // of deleting it, each with the way out
}

// The fields of the form, which are the API's names.
func environmentFields() []string {
	return []string{"slug", "name", "kind", "gateway_url", "trusted_proxies", "tls_minimum", "unverified_upstreams", "max_body_bytes", "connect_timeout_ms", "header_timeout_ms", "idle_timeout_ms", "max_stale_ms", "refuse_stale", "tracing", "trace_per_million"}
}

func (h *Console) environmentForm(v *visit) error {
	env, isNew, err := v.environmentOfPath()
	if err != nil {
		return err
	}
	s := env.Settings
	f := filled(
		"slug", env.Slug, "name", env.Name, "kind", string(env.Kind), "gateway_url", env.GatewayURL, "trusted_proxies", strings.Join(s.TrustedProxies, "\n"), "tls_minimum", cmp.Or(s.TLSMinimum, "1.2"),
		"max_body_bytes", strconv.FormatInt(s.MaxBodyBytes, 10), "connect_timeout_ms", strconv.Itoa(s.ConnectTimeoutMS),
		"header_timeout_ms", strconv.Itoa(s.HeaderTimeoutMS), "idle_timeout_ms", strconv.Itoa(s.IdleTimeoutMS), "max_stale_ms", strconv.FormatInt(s.MaxStaleMS, 10),
		"trace_per_million", strconv.Itoa(s.TracePerMillion), "lock", strconv.FormatInt(env.Lock, 10),
	)
	if s.UnverifiedUpstreams {
		f.values.Set("unverified_upstreams", "on")
	}
	if s.Tracing {
		f.values.Set("tracing", "on")
	}
	if s.RefuseStale {
		f.values.Set("refuse_stale", "on")
	}
	return h.environmentPage(v, http.StatusOK, f, env, isNew)
}

func (v *visit) environmentOfPath() (env apim.Environment, isNew bool, err error) {
	if v.param("environment") == newEnvironmentSlug {
		return apim.Environment{Kind: apim.Sandbox, Settings: apim.DefaultEnvironmentSettings()}, true, nil
	}
	for _, e := range v.environments {
		if e.Slug == v.param("environment") {
			return e, false, nil
		}
	}
	return env, false, apim.Errorf(apim.NotFound, "there is no environment %q", v.param("environment"))
}

func (h *Console) environmentPage(v *visit, status int, f form, env apim.Environment, isNew bool) error {
	if !v.actor.Operator {
		return apim.Errorf(apim.Forbidden, "only an operator may change environments")
	}
	p := environmentPage{New: isNew, Form: f, Action: v.links.editEnvironment(v.param("environment")), Lock: f.value("lock"), Heading: env.Name}
	if isNew {
		p.Heading = "New environment"
	}
	if !isNew {
		p.Delete = v.links.editEnvironment(env.Slug) + "/delete"
		p.Certs = v.links.certificates(env.Slug)
		p.Policies = v.links.editEnvironment(env.Slug) + "/policies"
		p.PoliciesText = "For every request, before those of its APIs: " + count(len(env.Settings.Policies), "policy is set.", "policies are set.")
		_, blockers, err := h.Fleet.EnvironmentInUse(v.ctx(), v.actor, env.Slug)
		if err != nil {
			return err
		}
		for _, b := range blockers {
			p.InTheWay = append(p.InTheWay, sentence(b.Detail))
		}
	}
	p.shell = v.shell(p.Heading, link{"Settings", v.links.settings()}, link{p.Heading, ""})
	return v.render(status, environmentView(p))
}

func (h *Console) saveEnvironment(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	env, isNew, err := v.environmentOfPath()
	if err != nil {
		return err
	}
	const most = 24 * 60 * 60 * 1000
	settings := apim.EnvironmentSettings{
		TrustedProxies: strings.Fields(f.value("trusted_proxies")), TLSMinimum: f.value("tls_minimum"), UnverifiedUpstreams: f.checked("unverified_upstreams"), MaxBodyBytes: int64(f.number("max_body_bytes", 1, 1<<40)),
		ConnectTimeoutMS: f.number("connect_timeout_ms", 1, check.MaxConnectMS), HeaderTimeoutMS: f.number("header_timeout_ms", 1, most),
		IdleTimeoutMS: f.number("idle_timeout_ms", 1, most), MaxStaleMS: int64(f.number("max_stale_ms", 1, most)), RefuseStale: f.checked("refuse_stale"),
		Tracing: f.checked("tracing"), TracePerMillion: f.number("trace_per_million", 0, 1_000_000),
		Policies: env.Settings.Policies,
	}
	name, url := f.text("name"), f.text("gateway_url")
	var change apim.Change
	if !f.failed() {
		if isNew {
			env, change, err = h.Fleet.CreateEnvironment(v.ctx(), v.actor, apim.Environment{
				Slug: f.text("slug"), Name: name, Kind: apim.EnvironmentKind(f.value("kind")), GatewayURL: url, Settings: settings,
			})
		} else {
			lock, _ := strconv.ParseInt(f.value("lock"), 10, 64) // none takes it as it is
			_, change, err = h.Fleet.UpdateEnvironment(v.ctx(), v.actor, env.Slug, manager.EnvironmentChange{Name: &name, GatewayURL: &url, Settings: &settings, Lock: lock})
		}
		if err != nil && !f.refuse(err, environmentFields(), nil) {
			return err
		}
	}
	if f.failed() {
		return h.environmentPage(v, v.status(f), f, env, isNew)
	}
	if isNew {
		v.keepEnvironment(env.Slug)
		v.flash(toneOK, env.Name+" is made. Add a gateway node to it, and publish to it.")
		return v.redirect(v.links.nodes())
	}
	v.flash(toneOK, name+" is changed.")
	return v.redirect(withChange(v.links.settings(), change))
}

// deleteEnvironment ends an environment that nothing is live in.
func (h *Console) deleteEnvironment(v *visit) error {
	slug := v.param("environment")
	err := h.Fleet.DeleteEnvironment(v.ctx(), v.actor, slug, 0)
	switch apim.KindOf(err) {
	case apim.Conflict:
		v.flash(toneBad, sentence(err.Error()))
		return v.redirect(v.links.editEnvironment(slug))
	case apim.NotFound: // it was deleted before
	default:
		if err != nil {
			return err
		}
		v.flash(toneOK, slug+" is deleted, and its keys with it.")
	}
	return v.redirect(v.links.settings())
}

// valuesPage lists the tenant's values in the chosen environment.
type valuesPage struct {
	shell
	Environment apim.Environment
	Rows        []valueRow
	Form        form
	Action      string
	Live        liveView
	Changes     bool // the reader may
}

type valueRow struct {
	Name, Value, By, When, Delete string
	Secret                        bool
}

func (h *Console) values(v *visit) error { return h.valuesPage(v, http.StatusOK, form{}) }

func (h *Console) valuesPage(v *visit, status int, f form) error {
	all, err := h.Catalog.Values(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug)
	if err != nil {
		return err
	}
	p := valuesPage{
		shell: v.shell("Values", link{"Values", ""}), Environment: v.environment, Form: f, Action: v.links.values(),
		Live: h.liveFromQuery(v, "The value", "in force"), Changes: v.can(apim.Publish, apim.ObjectAPI, ""),
	}
	for _, one := range all {
		p.Rows = append(p.Rows, valueRow{
			Name: one.Name, Value: firstLine(one.Value), Secret: one.Secret, By: one.UpdatedBy, When: agoPhrase(v.now, one.UpdatedAt), Delete: v.links.deleteValue(one.Name),
		})
	}
	return v.render(status, valuesView(p))
}

// firstLine is what a list shows of a value that has lines: certificates.
func firstLine(text string) string {
	text = strings.TrimSpace(text)
	first, more, has := strings.Cut(text, "\n")
	if !has {
		return text
	}
	return strings.TrimSpace(first) + " and " + count(strings.Count(more, "\n")+1, "more line", "more lines")
}

func (h *Console) setValue(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	_, change, err := h.Catalog.SetValue(v.ctx(), v.actor, v.tenant.ID, manager.ValueInput{
		Environment: v.environment.Slug, Name: f.text("name"), Value: secret.Text(f.text("value")), Secret: f.checked("secret"),
	})
	if err != nil {
		if f.checked("secret") {
			f.values.Del("value") // not shown again, whatever was wrong
		}
		if f.refuse(err, []string{"name", "value", "secret"}, nil) {
			return h.valuesPage(v, v.status(f), f)
		}
		return err
	}
	said := "${" + f.text("name") + "} is set in " + v.environment.Name + "."
	if change.Sequence == 0 {
		said += " Nothing that is live there refers to it yet."
	}
	v.flash(toneOK, said)
	return v.redirect(withChange(v.links.values(), change))
}

func (h *Console) deleteValue(v *visit) error {
	err := h.Catalog.DeleteValue(v.ctx(), v.actor, v.tenant.ID, v.environment.Slug, v.param("value"))
	switch apim.KindOf(err) {
	case apim.Conflict:
		v.flash(toneBad, sentence(err.Error()))
	case apim.NotFound: // it was deleted before
	default:
		if err != nil {
			return err
		}
		v.flash(toneOK, "${"+v.param("value")+"} is deleted.")
	}
	return v.redirect(v.links.values())
}
