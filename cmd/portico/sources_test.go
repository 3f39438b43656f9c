package main

import (
	"context"
	"encoding/pem"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"portico/gateway/upstream"
	"portico/gateway/upstream/discover"
	"portico/test/fake"
)

// cluster is an API server over TLS, and what a pod has of it on its disk.
type cluster struct {
	*fake.Kubernetes
	address   string // host:port
	url       string
	ca, token string // files
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{Kubernetes: fake.NewKubernetes(t, "shop", "orders")}
	at, err := url.Parse(c.Kubernetes.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(at)
	proxy.FlushInterval = -1
	server := httptest.NewUnstartedServer(proxy)
	server.EnableHTTP2 = true // as the API server
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	proxy.ErrorLog = server.Config.ErrorLog
	server.StartTLS()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	c.url, c.address = server.URL, server.Listener.Addr().String()
	c.ca = file(t, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	c.token = file(t, "token", c.Token+"\n")
	return c
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// settings reads a gateway's settings as serve does.
func settings(t *testing.T, args ...string) (GatewaySettings, error) {
	t.Helper()
	var c struct{ Config }
	parser, err := kong.New(&c, kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(args); err != nil {
		t.Fatal(err)
	}
	return c.GatewaySettings, c.check()
}

// found asks the cluster of the settings for a service until it is there, or an
// error is told.
func found(t *testing.T, s GatewaySettings) (address string, failed error) {
	t.Helper()
	sources, err := s.sources(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	(&discover.Kubernetes{Origin: sources.Kubernetes, Namespace: "shop", Service: "orders", Port: "http"}).Run(ctx, func(list []discover.Found, err error) {
		if failed = err; len(list) > 0 {
			address = list[0].Address
		}
		if err != nil || len(list) > 0 {
			cancel()
		}
	})
	return address, failed
}

func TestClusterIsAskedWithTheOperatorsTokenAndCertificates(t *testing.T) {
	c := newCluster(t)
	c.Put("a", 8080, map[string]bool{"10.0.0.1": true})
	host, port, err := net.SplitHostPort(c.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", host)
	t.Setenv("KUBERNETES_SERVICE_PORT", port)
	for name, args := range map[string][]string{
		"by its address": {"--kubernetes-url=" + c.url, "--kubernetes-token-file=" + c.token, "--kubernetes-ca-file=" + c.ca},
		"in-cluster":     {"--kubernetes-url=in-cluster", "--kubernetes-token-file=" + c.token, "--kubernetes-ca-file=" + c.ca},
	} {
		s, err := settings(t, args...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := found(t, s); got != "10.0.0.1:8080" || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	trusted := "--kubernetes-ca-file=" + c.ca
	for name, bad := range map[string]struct {
		args []string
		want string
	}{
		"who is not trusted": {[]string{"--kubernetes-token-file=" + c.token}, "certificate"},
		"no token":           {[]string{trusted}, "the server answered 401"},
		"another token":      {[]string{trusted, "--kubernetes-token-file=" + file(t, "token", "old")}, "the server answered 401"},
		"token is not there": {[]string{trusted, "--kubernetes-token-file=" + c.token + "x"}, "no such file"},
	} {
		s, err := settings(t, append(bad.args, "--kubernetes-url="+c.url)...)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := found(t, s); got != "" || err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, bad.want)
		}
	}
}

// TestTokenOfAClusterIsReadAnew changes it on the disk, as Kubernetes does.
func TestTokenOfAClusterIsReadAnew(t *testing.T) {
	c := newCluster(t)
	c.Put("a", 8080, map[string]bool{"10.0.0.1": true})
	path := file(t, "token", "old")
	s, err := settings(t, "--kubernetes-url="+c.url, "--kubernetes-ca-file="+c.ca, "--kubernetes-token-file="+path)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := s.sources(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var refused, known bool
	(&discover.Kubernetes{Origin: sources.Kubernetes, Namespace: "shop", Service: "orders"}).Run(ctx, func(list []discover.Found, err error) {
		if err != nil {
			refused = true
			if err := os.WriteFile(path, []byte(c.Token), 0o600); err != nil {
				t.Error(err)
			}
		}
		if known = err == nil && len(list) == 1; known {
			cancel()
		}
	})
	if !refused || !known {
		t.Errorf("refused with the old one %v, taken with the new one %v", refused, known)
	}
}

// TestWatchThatGoesSilentBeginsAnew has the way to the cluster lose all that is sent
// from then on by the connections that there are, and take new ones.
func TestWatchThatGoesSilentBeginsAnew(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.Put("a", 8080, map[string]bool{"10.0.0.1": true})
	way, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer way.Close()
	var lossy atomic.Int64 // connections up to this number lose everything
	var opened atomic.Int64
	go func() {
		for {
			near, err := way.Accept()
			if err != nil {
				return
			}
			number := opened.Add(1)
			far, err := net.Dial("tcp", c.address)
			if err != nil {
				near.Close()
				continue
			}
			t.Cleanup(func() { near.Close(); far.Close() })
			for _, pair := range [][2]net.Conn{{near, far}, {far, near}} {
				go func() {
					buf := make([]byte, 32<<10)
					for {
						n, err := pair[0].Read(buf)
						if err != nil {
							return
						}
						if number > lossy.Load() {
							_, _ = pair[1].Write(buf[:n])
						}
					}
				}()
			}
		}
	}()
	s, err := settings(t, "--kubernetes-url=https://"+way.Addr().String(), "--kubernetes-ca-file="+c.ca, "--kubernetes-token-file="+c.token)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := s.sources(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	told := 0
	(&discover.Kubernetes{Origin: sources.Kubernetes, Namespace: "shop", Service: "orders"}).Run(ctx, func(list []discover.Found, err error) {
		switch told = len(list); {
		case err == nil && told == 1:
			lossy.Store(opened.Load())
			c.Put("b", 8080, map[string]bool{"10.0.0.2": true})
		case told == 2:
			cancel()
		}
	})
	if told != 2 {
		t.Errorf("%d endpoints are known after 40 s, want both", told)
	}
}

// TestTokenOfAClusterGoesNowhereElse has the API server send the node away.
func TestTokenOfAClusterGoesNowhereElse(t *testing.T) {
	var went atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { went.Add(1) }))
	defer elsewhere.Close()
	for _, setting := range []string{"kubernetes", "consul"} {
		server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
		defer server.Close()
		s, err := settings(t, "--"+setting+"-url="+server.URL, "--"+setting+"-token-file="+file(t, "token", "secret"))
		if err != nil {
			t.Fatal(err)
		}
		sources, err := s.sources(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		var source discover.Source = &discover.Kubernetes{Origin: sources.Kubernetes, Namespace: "shop", Service: "orders"}
		if setting == "consul" {
			source = &discover.Consul{Origin: sources.Consul, Service: "orders"}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		var told error
		source.Run(ctx, func(_ []discover.Found, err error) {
			told = err
			cancel()
		})
		cancel()
		if told == nil || !strings.Contains(told.Error(), "the server answered 307") {
			t.Errorf("%s: got %v", setting, told)
		}
	}
	if n := went.Load(); n > 0 {
		t.Errorf("%d requests went elsewhere", n)
	}
}

func TestInClusterMeansThePodsOwnAccount(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	s, err := settings(t, "--kubernetes-url=in-cluster")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.sources(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "KUBERNETES_SERVICE_HOST") {
		t.Errorf("outside a cluster: got %v", err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
	if _, err := s.sources(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), serviceAccount+"ca.crt") {
		t.Errorf("without the account's files: got %v", err)
	}
	s.KubernetesCAFile = newCluster(t).ca
	sources, err := s.sources(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sources.Kubernetes.Token(); sources.Kubernetes.URL != "https://[fd00::1]:443" || err == nil || !strings.Contains(err.Error(), serviceAccount+"token") {
		t.Errorf("got %s, token %v", sources.Kubernetes.URL, err)
	}
	s.KubernetesCAFile = file(t, "ca.crt", "nothing")
	if _, err := s.sources(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Errorf("a file without certificates: got %v", err)
	}
}

func TestNamespacesAreNamedByOperators(t *testing.T) {
	const at = "--kubernetes-url=https://10.0.0.1"
	t.Setenv("PORTICO_KUBERNETES_NAMESPACES", "shop=shop-production,shop=shop-test,shared")
	s, err := settings(t, at)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := s.sources(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	want := []upstream.Namespace{{Name: "shop-production", Tenant: "shop"}, {Name: "shop-test", Tenant: "shop"}, {Name: "shared"}}
	if !slices.Equal(sources.Namespaces, want) {
		t.Errorf("got %v, want %v", sources.Namespaces, want)
	}
	for _, bad := range []string{"*", "..", "shop=", "=shop", "Shop=a", "shop=a=b", "shop=a/b", "shop = a"} {
		if _, err := settings(t, at, "--kubernetes-namespaces="+bad); err == nil || !strings.Contains(err.Error(), "kubernetes-namespaces: ") {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if _, err := settings(t, "--kubernetes-namespaces=shop"); err == nil || !strings.Contains(err.Error(), "kubernetes-url is not") {
		t.Errorf("without a cluster: got %v", err)
	}
}
