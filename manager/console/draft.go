package console

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/manager"
	"portico/ui"
)

// dialogPage is a question with a form, about a version: in a dialog where
// there is a script, on a page of its own without.
type dialogPage struct {
	versionHead
	Dialog  bool // only the dialog is asked for
	Heading string
	Intro   string
	Action  string
	Back    string
	Lock    string
	Submit  string
	Danger  bool
	Form    form
}

func (h *Console) dialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	if f.once == "" {
		f.once = h.receipts.mint()
	}
	return dialogPage{
		versionHead: h.head(v, d, ""), Dialog: v.wantsDialog(), Form: f,
		Back: v.links.version(d.API.Slug, d.Version.Label), Lock: lockText(d.Version.Lock),
	}
}

func (h *Console) upstreamForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	f := form{}
	for _, u := range d.Version.Runtime.Upstreams {
		if u.Name == "main" {
			f = filled("urls", addressesText(u), "connect_ms", msText(u.ConnectTimeoutMS),
				"header_ms", msText(u.HeaderTimeoutMS), "idle_ms", msText(u.IdleTimeoutMS), "headers", headersText(u.Headers), "protocol", cmp.Or(u.Protocol, "http1"))
			f.fillTraffic(u.Traffic)
			f.fillTLS(u.TLS)
		}
	}
	return v.render(http.StatusOK, upstreamDialog(h.upstreamDialog(v, d, f)))
}

func (h *Console) upstreamDialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit = "Upstream of "+d.API.Name+" "+d.Version.Label, "Save upstream"
	p.Intro = "Where the gateway sends calls. It is changed in the draft; nothing is live until you publish."
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "upstream")
	return p
}

// protocolOptions are the ways in which an upstream can be called.
func protocolOptions() []ui.Option {
	return []ui.Option{
		{Value: "http1", Label: "HTTP/1.1"},
		{Value: "http2", Label: "HTTP/2, by TLS"},
		{Value: "h2c", Label: "HTTP/2 without TLS (h2c)"},
		{Value: "auto", Label: "HTTP/2 where TLS offers it, else HTTP/1.1"},
	}
}

// headersText writes headers as the form does, one in each line.
func headersText(headers []apim.UpstreamHeader) string {
	lines := make([]string, len(headers))
	for i, h := range headers {
		lines[i] = h.Name + ": " + h.Value
	}
	return strings.Join(lines, "\n")
}

// headers reads what headersText writes.
func (f *form) headers(name string) []apim.UpstreamHeader {
	out := []apim.UpstreamHeader{}
	for line := range strings.Lines(f.value(name)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		field, value, ok := strings.Cut(line, ":")
		if !ok {
			f.fail(name, "write each as Name: value; "+clip(line, 40)+" has no colon")
			continue
		}
		out = append(out, apim.UpstreamHeader{Name: strings.TrimSpace(field), Value: strings.TrimSpace(value)})
	}
	return out
}

func msText(ms int) string {
	if ms == 0 {
		return ""
	}
	return strconv.Itoa(ms)
}

const mostTimeoutMS = 3_600_000

func (h *Console) saveUpstream(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	urls, weights := f.addresses("urls")
	if len(urls) == 0 {
		f.fail("urls", "needs at least one address, such as https://orders.internal:8443")
	}
	times := manager.UpstreamTimeouts{
		ConnectMS: f.number("connect_ms", 1, check.MaxConnectMS),
		HeaderMS:  f.number("header_ms", 1, mostTimeoutMS),
		IdleMS:    f.number("idle_ms", 1, mostTimeoutMS),
	}
	headers := f.headers("headers")
	traffic := f.traffic(d.Version.Runtime)
	protocol := f.value("protocol")
	secure := f.tls()
	return h.saveDraft(v, d, f, manager.DraftChange{UpstreamURLs: &urls, Protocol: &protocol, Weights: &weights, Headers: &headers, Timeouts: &times, Traffic: &traffic, TLS: &secure}, draftSave{
		fields: slices.Concat([]string{"urls", "protocol", "headers", "connect_ms", "header_ms", "idle_ms"}, tlsNames(), trafficNames()),
		rename: tlsRenames(trafficRenames(map[string]string{"upstream_protocol": "protocol", "upstreams.protocol": "protocol", "upstream_weights": "urls", "upstreams.weights": "urls", "upstream": "urls", "upstream_urls": "urls", "upstreams.urls": "urls", "upstreams.headers": "headers", "upstreams.headers.name": "headers", "upstreams.headers.value": "headers", "timeouts.connect_ms": "connect_ms", "timeouts.header_ms": "header_ms", "timeouts.idle_ms": "idle_ms"})),
		done:   "Upstream saved in the draft. Nothing is live until you publish.",
		again: func(f form) error {
			return v.again(f, upstreamDialog(h.upstreamDialog(v, d, f)))
		},
	})
}

func (h *Console) mountForm(v *visit) error {
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	f := form{}
	if mounts := d.Version.Runtime.Mounts; len(mounts) > 0 {
		f = filled("base_path", mounts[0].BasePath, "host", mounts[0].Host, "select", selectorText(mounts[0].Select), "more", mountsText(mounts[1:]))
	}
	return v.render(http.StatusOK, mountDialog(h.mountDialog(v, d, f)))
}

func (h *Console) mountDialog(v *visit, d manager.VersionDetail, f form) dialogPage {
	p := h.dialog(v, d, f)
	p.Heading, p.Submit = "Mount of "+d.API.Name+" "+d.Version.Label, "Save mount"
	p.Intro = "Where callers find this version on " + v.environment.GatewayURL + ". It is changed in the draft; callers keep the old address until you publish."
	p.Action = v.links.version(d.API.Slug, d.Version.Label, "mount")
	return p
}

// selectorText writes a selector as the form does: "header X-Version: 2".
func selectorText(s apim.Selector) string { return s.String() }

// selector reads what selectorText writes.
func (f *form) selector(name, text string) apim.Selector {
	if text = strings.TrimSpace(text); text == "" {
		return apim.Selector{}
	}
	bad := func() apim.Selector {
		f.fail(name, "write it as header X-Version: 2, query v=2, media type application/vnd.acme.v2+json, or media type parameter version=2; "+clip(text, 40)+" is none of these")
		return apim.Selector{}
	}
	pair := func(in, rest, sep string) apim.Selector {
		name, value, ok := strings.Cut(rest, sep)
		if !ok {
			return bad()
		}
		return apim.Selector{In: in, Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)}
	}
	if rest, ok := strings.CutPrefix(text, "header "); ok {
		return pair("header", rest, ":")
	}
	if rest, ok := strings.CutPrefix(text, "query "); ok {
		return pair("query", rest, "=")
	}
	if rest, ok := strings.CutPrefix(text, "media type parameter "); ok {
		return pair("media_type", rest, "=")
	}
	if rest, ok := strings.CutPrefix(text, "media type "); ok {
		return apim.Selector{In: "media_type", Value: strings.TrimSpace(rest)}
	}
	return bad()
}

// mountsText writes mounts as the form does, one in each line: a path, and what
// a call says beside it.
func mountsText(mounts []apim.Mount) string {
	lines := make([]string, len(mounts))
	for i, m := range mounts {
		lines[i] = strings.TrimSpace(m.Host + m.BasePath + " " + selectorText(m.Select))
	}
	return strings.Join(lines, "\n")
}

// mounts reads what mountsText writes. A line without a host has that of the
// first mount.
func (f *form) mounts(name, host string) []apim.Mount {
	var out []apim.Mount
	for line := range strings.Lines(f.value(name)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		at, rest, _ := strings.Cut(line, " ")
		m := apim.Mount{Host: host, BasePath: at, Select: f.selector(name, rest)}
		if i := strings.IndexByte(at, '/'); i > 0 {
			m.Host, m.BasePath = at[:i], at[i:]
		}
		out = append(out, m)
	}
	return out
}

func (h *Console) saveMount(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	d, err := h.versionOf(v)
	if err != nil {
		return err
	}
	mount := apim.Mount{BasePath: f.text("base_path"), Select: f.selector("select", f.text("select"))}
	if mounts := d.Version.Runtime.Mounts; len(mounts) > 0 {
		mount.Host = mounts[0].Host
	}
	mounts := append([]apim.Mount{mount}, f.mounts("more", mount.Host)...)
	return h.saveDraft(v, d, f, manager.DraftChange{Mounts: &mounts}, draftSave{
		fields: []string{"base_path", "select", "more"},
		rename: map[string]string{"mount": "base_path", "mount.base_path": "base_path", "mount_path": "base_path", "mounts": "base_path"},
		done:   "Mount saved in the draft. Callers keep the old address until you publish.",
		again: func(f form) error {
			return v.again(f, mountDialog(h.mountDialog(v, d, f)))
		},
	})
}

// draftSave says how a change of a draft is told to the person.
type draftSave struct {
	fields []string
	rename map[string]string
	done   string
	again  func(form) error // shows the form again
}

func (h *Console) saveDraft(v *visit, d manager.VersionDetail, f form, change manager.DraftChange, s draftSave) error {
	change.Lock = lockOf(f)
	if f.failed() {
		return s.again(f)
	}
	if _, err := h.Catalog.UpdateDraft(v.ctx(), v.actor, v.tenant.ID, d.Version.ID, change); err != nil {
		if f.refuse(err, s.fields, s.rename) {
			return s.again(f)
		}
		return err
	}
	v.flash(toneOK, s.done)
	return v.redirect(v.links.version(d.API.Slug, d.Version.Label))
}
