package e2e_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/test/process"
)

// callFrom is call with a header; name "" is none.
func callFrom(t *testing.T, url, key, name, value string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", key)
	if name != "" {
		req.Header.Set(name, value)
	}
	got := roundTrip(t, req)
	return got.status, got.body
}

func TestRotationAndRestrictionsDecideTheCall(t *testing.T) {
	p := start(t, process.Options{Demo: true})
	a := apiOf(t, p)
	o := offer(a, "shop")
	sub := o.request(a)
	a.do("POST", "/tenants/demo/subscriptions/"+sub+"/approve?wait=applied", nil)
	url, credential := p.Gateway+"/demo/parcels/v1/parcels", "/tenants/demo/credentials/"+o.credential
	expect := func(what, key, header, value string, status int, code string) {
		t.Helper()
		if got, body := callFrom(t, url, key, header, value); got != status || !strings.Contains(body, code) {
			t.Errorf("%s: got %d %s, want %d %s", what, got, body, status, code)
		}
	}
	var rotated struct {
		Key     string
		Secrets []struct{ ID string }
	}
	if err := a.Do(t.Context(), "POST", credential+"/rotate?wait=applied", map[string]any{"grace_ms": 60_000}, &rotated); err != nil {
		t.Fatal(err)
	}
	expect("the old key in its grace", o.key, "", "", 200, "prc_1001")
	expect("the new key", rotated.Key, "", "", 200, "prc_1001")
	a.do("DELETE", credential+"/secrets/"+rotated.Secrets[0].ID+"?wait=applied", nil)
	expect("the old key after its end", o.key, "", "", 401, "credential_invalid")
	expect("the new key", rotated.Key, "", "", 200, "prc_1001")

	a.do("PATCH", credential+"?wait=applied", map[string]any{"addresses": []string{"10.0.0.0/8"}})
	expect("from elsewhere", rotated.Key, "", "", 403, "credential_restricted")
	expect("with a forged address", rotated.Key, "X-Forwarded-For", "10.0.0.1", 403, "credential_restricted")
	a.do("PATCH", credential+"?wait=applied", map[string]any{"addresses": []string{"127.0.0.1", "::1"}})
	expect("from here", rotated.Key, "", "", 200, "prc_1001")
	a.do("PATCH", credential+"?wait=applied", map[string]any{"addresses": []string{}, "referrers": []string{"*.shop.example"}})
	for _, c := range []struct {
		header, value string
		status        int
	}{
		{"", "", 403},
		{"Origin", "https://www.shop.example", 200},
		{"Origin", "https://shop.example", 403},
		{"Origin", "https://evil.example", 403},
		{"Referer", "https://a.b.shop.example:8443/page?x", 200},
		{"Referer", "https://evil.example/?www.shop.example", 403},
		{"Origin", "https://www.shop.example@evil.example", 403},
		{"Origin", "null", 403},
		{"Referer", "https://evil.example\\www.shop.example", 403},
	} {
		code := "prc_1001"
		if c.status == 403 {
			code = "credential_restricted"
		}
		expect(c.header+" "+c.value, rotated.Key, c.header, c.value, c.status, code)
	}
	eventually(t, "the last use is known", 15*time.Second, func() bool {
		var all struct {
			Items []struct {
				ID      string
				Secrets []struct {
					LastUsedAt      time.Time `json:"last_used_at"`
					LastUsedAddress string    `json:"last_used_address"`
				}
			}
		}
		if err := a.Do(t.Context(), "GET", "/tenants/demo/applications/shop/credentials", nil, &all); err != nil {
			t.Fatal(err)
		}
		for _, c := range all.Items {
			if c.ID == o.credential && len(c.Secrets) == 1 {
				return time.Since(c.Secrets[0].LastUsedAt) < time.Minute && c.Secrets[0].LastUsedAddress == "127.0.0.1"
			}
		}
		return false
	})
}
