package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"portico/gateway/upstream"
	"portico/gateway/upstream/discover"
)

// inCluster stands for the API server of the cluster that the process runs in.
const inCluster = "in-cluster"

// serviceAccount is where Kubernetes puts what a pod needs to call its API.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/"

// sources are the servers that the operator lets upstreams' targets be looked
// for at. They are the operator's own, and so not behind the egress guard; the
// addresses that they name are.
func (c GatewaySettings) sources(log *slog.Logger) (upstream.Sources, error) {
	var out upstream.Sources
	resolver, err := discover.System("/etc/resolv.conf")
	if err != nil {
		log.Warn("targets cannot be looked for by DNS", "error", err)
	} else {
		out.Resolver = resolver
	}
	if address := c.KubernetesURL; address != "" {
		token, roots := c.KubernetesTokenFile, c.KubernetesCAFile
		if address == inCluster {
			host, port := os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")
			if host == "" {
				return out, fmt.Errorf("settings:\n  kubernetes-url: is in-cluster, and KUBERNETES_SERVICE_HOST is not set; give the API server's URL")
			}
			address = "https://" + net.JoinHostPort(host, cmp.Or(port, "443"))
			token, roots = cmp.Or(token, serviceAccount+"token"), cmp.Or(roots, serviceAccount+"ca.crt")
		}
		client, err := originClient(roots)
		if err != nil {
			return out, err
		}
		if len(c.KubernetesNamespaces) == 0 {
			log.Warn("targets are looked for in no namespace of Kubernetes: kubernetes-namespaces names none")
		}
		for _, text := range c.KubernetesNamespaces {
			out.Namespaces = append(out.Namespaces, namespaceOf(text))
		}
		out.Kubernetes = &discover.Origin{URL: strings.TrimRight(address, "/"), Client: client, Token: discover.TokenFile(token), TokenHeader: "Authorization"}
	}
	if c.ConsulURL != "" {
		client, err := originClient("")
		if err != nil {
			return out, err
		}
		out.Consul = &discover.Origin{URL: strings.TrimRight(c.ConsulURL, "/"), Client: client, Token: discover.TokenFile(c.ConsulTokenFile), TokenHeader: "X-Consul-Token"}
	}
	return out, nil
}

// namespaceOf reads "tenant=namespace", or "namespace" for every tenant.
func namespaceOf(text string) upstream.Namespace {
	tenant, name, of := strings.Cut(text, "=")
	if !of {
		return upstream.Namespace{Name: text}
	}
	return upstream.Namespace{Name: name, Tenant: tenant}
}

// originClient trusts the certificates of a file, or the system's. It follows
// no redirect, which would carry the token elsewhere.
func originClient(roots string) (*http.Client, error) {
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if roots != "" {
		text, err := os.ReadFile(roots)
		if err != nil {
			return nil, fmt.Errorf("read kubernetes-ca-file: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("settings:\n  kubernetes-ca-file: %s holds no certificate in PEM", roots)
		}
	}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext, TLSClientConfig: secure,
			TLSHandshakeTimeout: 5 * time.Second, IdleConnTimeout: 2 * time.Minute, ForceAttemptHTTP2: true,
			// A watch waits for news, and would wait for them on a connection that leads nowhere.
			HTTP2: &http.HTTP2Config{SendPingTimeout: 10 * time.Second, PingTimeout: 5 * time.Second},
		},
	}, nil
}
