package e2e_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"portico/test/fake"
	"portico/test/process"
)

// TestCallsArriveOverTLSByTheCertificateOfTheirHost uploads a certificate, replaces
// it, and calls by HTTP/1.1 and HTTP/2.
func TestCallsArriveOverTLSByTheCertificateOfTheirHost(t *testing.T) {
	p := start(t, process.Options{Demo: true, Env: []string{"PORTICO_GATEWAY_TLS_ADDR=127.0.0.1:0"}})
	if !strings.HasPrefix(p.Secure, "https://127.0.0.1:") {
		t.Fatalf("the banner does not say where TLS is:\n%s", p.Output())
	}
	authority, host := fake.NewAuthority(t, "authority"), "api.example.com"
	client := func(protocols func(*http.Protocols)) *http.Client {
		transport := &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: authority.Pool}, Protocols: new(http.Protocols),
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(p.Secure, "https://"))
			},
		}
		protocols(transport.Protocols)
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	get := func(c *http.Client, name string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+name+"/demo/parcels/v1/parcels", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", p.Key)
		return c.Do(req)
	}
	one := client(func(p *http.Protocols) { p.SetHTTP1(true) })
	if res, err := get(one, host); err == nil {
		res.Body.Close()
		t.Errorf("before there is a certificate: got %d", res.StatusCode)
	}
	cert := authority.Issue(t, host)
	var made process.Object
	if err := p.API(token).Do(t.Context(), "POST", "/environments/production/certificates?wait=applied",
		map[string]any{"chain": cert.Chain, "private_key": cert.Key, "hosts": []string{host}}, &made); err != nil {
		t.Fatal(err)
	}
	for protocol, c := range map[string]*http.Client{"HTTP/1.1": one, "HTTP/2.0": client(func(p *http.Protocols) { p.SetHTTP2(true) })} {
		res, err := get(c, host)
		if err != nil {
			t.Errorf("by %s: %v", protocol, err)
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || res.Proto != protocol || !strings.Contains(string(body), "prc_1001") {
			t.Errorf("by %s: got %s %d %s", protocol, res.Proto, res.StatusCode, body)
		}
	}
	if res, err := get(client(func(p *http.Protocols) { p.SetHTTP1(true) }), "other.example.com"); err == nil {
		res.Body.Close()
		t.Errorf("a host without a certificate: got %d", res.StatusCode)
	}
	if strings.Contains(p.Output(), "PRIVATE KEY") {
		t.Error("the log holds a private key")
	}
}
