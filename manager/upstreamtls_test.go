package manager_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"portico/internal/apim"
	"portico/internal/bus"
	"portico/internal/entry"
	"portico/internal/secret"
	"portico/manager"
	"portico/test/fake"
	"portico/test/postgres"
)

func TestUpstreamsAreSpokenToByTheirOwnCertificates(t *testing.T) {
	postgres.Both(t, testUpstreamsAreSpokenToByTheirOwnCertificates)
}

func testUpstreamsAreSpokenToByTheirOwnCertificates(t *testing.T, place postgres.Place) {
	m := newMarket(t, place)
	ctx := t.Context()
	key := bus.NodeKey{1}
	node := must[apim.Node](t)(m.fleet.EnsureNode(ctx, "production", "gw-1", must[string](t)(key.BoxPublic())))
	backends, gateways := fake.NewAuthority(t, "Backends"), fake.NewAuthority(t, "Gateways")
	shown := m.issue(gateways, "gateway.internal")
	draft := func(in apim.UpstreamTLS) error {
		_, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, manager.DraftChange{UpstreamURLs: &[]string{"https://orders.internal"}, TLS: &in})
		return err
	}
	set := func(name, text string, hidden bool) error {
		_, _, err := m.catalog.SetValue(ctx, m.provider, m.shop.ID, manager.ValueInput{Environment: "production", Name: name, Value: secret.Text(text), Secret: hidden})
		return err
	}
	publish := func() error {
		_, err := m.catalog.Publish(ctx, m.provider, m.shop.ID, m.offer.version.ID, "production", "")
		return err
	}
	says := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	says(draft(apim.UpstreamTLS{Certificate: shown.Chain, Key: shown.Key}), "never written here")
	says(draft(apim.UpstreamTLS{Certificate: shown.Chain}), "upstream_tls.key")
	says(draft(apim.UpstreamTLS{Key: "${gateway_key}"}), "upstream_tls.certificate")
	says(draft(apim.UpstreamTLS{Roots: "nothing"}), "upstream_tls.roots")
	says(draft(apim.UpstreamTLS{ServerName: "not a host"}), "upstream_tls.server_name")
	if err := draft(apim.UpstreamTLS{ServerName: "orders.internal", Roots: "${backend_ca}", Certificate: shown.Chain, Key: "${gateway_key}"}); err != nil {
		t.Fatal(err)
	}
	says(publish(), "${backend_ca}")
	for name, v := range map[string]struct {
		text   string
		hidden bool
	}{"backend_ca": {backends.PEM, false}, "gateway_key": {m.issue(gateways, "x.test").Key, true}} {
		if err := set(name, v.text, v.hidden); err != nil {
			t.Fatal(err)
		}
	}
	says(publish(), "not the key of the certificate")
	if err := set("gateway_key", shown.Key, true); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err != nil {
		t.Fatal(err)
	}
	opened := func() string {
		t.Helper()
		got := m.liveEntry("production", m.offer.version.ID).Upstreams[0].TLS
		if got == nil || got.Roots != backends.PEM || got.ServerName != "orders.internal" || got.Certificate != shown.Chain || got.Key == nil {
			t.Fatalf("got %+v", got)
		}
		_, raw := m.opened(key, node)
		box := must[*secret.Box](t)(secret.NewBox([32]byte(raw)))
		sealed := must[[]byte](t)(base64.StdEncoding.DecodeString(got.Key.Box))
		return string(must[[]byte](t)(box.Open(sealed, entry.UpstreamKeyInfo(m.offer.version.ID.UUID(), "main"))))
	}
	if opened() != string(shown.DER) {
		t.Error("a node cannot open the key")
	}

	// A value with lines would begin another header, or be no address.
	headers := []apim.UpstreamHeader{{Name: "X-Key", Value: "${gateway_key}"}}
	if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, manager.DraftChange{Headers: &headers}); err != nil {
		t.Fatal(err)
	}
	says(publish(), "several lines")
	headers[0].Value = "${backend_ca}"
	if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, manager.DraftChange{Headers: &headers}); err != nil {
		t.Fatal(err)
	}
	says(publish(), "several lines")
	says(set("text", "two\nlines", false), "line break")

	// Not to verify is an operator's to allow, environment by environment.
	none := []apim.UpstreamHeader{}
	if _, err := m.catalog.UpdateDraft(ctx, m.provider, m.shop.ID, m.offer.version.ID, manager.DraftChange{Headers: &none, TLS: &apim.UpstreamTLS{Unverified: true}}); err != nil {
		t.Fatal(err)
	}
	says(publish(), "not allowed in production")
	settings := apim.DefaultEnvironmentSettings()
	settings.UnverifiedUpstreams = true
	if _, _, err := m.fleet.UpdateEnvironment(ctx, system, "production", manager.EnvironmentChange{Settings: &settings}); err != nil {
		t.Fatal(err)
	}
	if err := publish(); err != nil {
		t.Error(err)
	}
	if got := m.liveEntry("production", m.offer.version.ID).Upstreams[0].TLS; got == nil || !got.Unverified {
		t.Errorf("got %+v", got)
	}
}
