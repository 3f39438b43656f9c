package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portico/gateway/proxyproto"
	"portico/gateway/trace/export"
	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/internal/secret"
	"portico/internal/telemetry"
)

// What server processes are told at start: flags over environment over the file
// named by --config over these defaults. Each command embeds the parts that it
// needs; a setting has the same name in all of them. The parts are exported so
// that a secret in them is redacted when they are printed: package fmt asks no
// method of what lies in an unexported field.

// OperatorSettings are what every server process has for its operators.
type OperatorSettings struct {
	OpsAddr   string     `env:"PORTICO_OPS_ADDR" default:"127.0.0.1:8083" help:"Where /livez, /readyz and /metrics listen; for operators only."`
	LogLevel  slog.Level `env:"PORTICO_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `env:"PORTICO_LOG_FORMAT" enum:"auto,text,json" default:"auto" help:"text, json, or auto: text on a terminal."`
}

func (o OperatorSettings) log() *slog.Logger {
	log := telemetry.NewLog(os.Stderr, o.LogFormat, o.LogLevel)
	telemetry.Adopt(log)
	return log
}

func (o OperatorSettings) check(w *wrongs) { w.address("ops-addr", o.OpsAddr) }

// DatabaseSettings say where the truth is.
type DatabaseSettings struct {
	DatabaseURL secret.Text `env:"PORTICO_DATABASE_URL" help:"A PostgreSQL database, postgres://user:password@host/name, whose owner is a role without SUPERUSER and BYPASSRLS."`
}

func (d DatabaseSettings) check(w *wrongs) {
	if u := d.DatabaseURL.Reveal(); u != "" && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		w.add("database-url", "does not begin with postgres:// (it is not shown, since it may hold a password)")
	}
}

// AddressSettings are where people find the pages.
type AddressSettings struct {
	PortalURL  string `env:"PORTICO_PORTAL_URL" help:"The portal's address as people write it. Default: from its listener."`
	ConsoleURL string `env:"PORTICO_CONSOLE_URL" help:"The console's address as people write it. Default: from its listener."`
}

func (u AddressSettings) check(w *wrongs) {
	w.url("portal-url", u.PortalURL)
	w.url("console-url", u.ConsoleURL)
}

// ConsoleSettings are those of the console and the management API.
type ConsoleSettings struct {
	ConsoleAddr    string      `env:"PORTICO_CONSOLE_ADDR" default:":8082" help:"Where the console and the management API listen."`
	GatewayURL     string      `env:"PORTICO_GATEWAY_URL" help:"The gateway's address as consumers write it. Default: from its listener."`
	BootstrapToken secret.Text `env:"PORTICO_BOOTSTRAP_TOKEN" help:"Makes an operator's API token of this text at first start (32 characters or more)."`
	UsageDays      int         `env:"PORTICO_USAGE_DAYS" default:"90" help:"For how many days usage is kept by the minute."`
	SignUp         string      `env:"PORTICO_SIGN_UP" enum:"open,closed" default:"open" help:"Whether anybody may make an account in the portal: open or closed."`
}

func (c ConsoleSettings) check(w *wrongs) {
	w.address("console-addr", c.ConsoleAddr)
	w.url("gateway-url", c.GatewayURL)
	if t := c.BootstrapToken.Reveal(); t != "" && len(t) < 32 {
		w.add("bootstrap-token", "has %d characters, it needs at least 32", len(t))
	}
	if c.UsageDays < 1 {
		w.add("usage-days", "is %d; it needs at least 1", c.UsageDays)
	}
}

// PortalSettings are those of the developer portal.
type PortalSettings struct {
	PortalAddr string `env:"PORTICO_PORTAL_ADDR" default:":8081" help:"Where the developer portal listens."`
}

func (p PortalSettings) check(w *wrongs) { w.address("portal-addr", p.PortalAddr) }

// GatewaySettings are those of a gateway node.
type GatewaySettings struct {
	Data           string        `env:"PORTICO_DATA" default:"data" help:"Folder of this process: for serve the database (unless it is PostgreSQL), the bus and the gateway's disk copy."`
	GatewayAddr    string        `env:"PORTICO_GATEWAY_ADDR" default:":8080" help:"Where API calls arrive."`
	TLSAddr        string        `name:"gateway-tls-addr" env:"PORTICO_GATEWAY_TLS_ADDR" help:"Where API calls arrive over TLS, by the certificates of the environment. Default: nowhere."`
	ProxyFrom      []string      `name:"gateway-proxy-from" env:"PORTICO_GATEWAY_PROXY_FROM" help:"Networks (CIDR) of load balancers that begin each connection with the PROXY protocol, version 1 or 2. Default: none; nobody else may."`
	ProxyAlways    bool          `name:"gateway-proxy-required" env:"PORTICO_GATEWAY_PROXY_REQUIRED" default:"true" negatable:"" help:"Connections from gateway-proxy-from that do not begin so are closed."`
	DrainNotice    time.Duration `env:"PORTICO_DRAIN_NOTICE" default:"1s" help:"How long a gateway that was told to end goes on taking calls while /readyz says 503, so that load balancers move on."`
	ShedAfter      time.Duration `env:"PORTICO_SHED_AFTER" default:"250ms" help:"How long work that is ready may wait for a processor, for a second, before a part of the calls is answered 503; 0 is never."`
	OTLPEndpoint   string        `name:"otlp-endpoint" env:"PORTICO_OTLP_ENDPOINT" placeholder:"http://127.0.0.1:4318" help:"OpenTelemetry collector, OTLP over HTTP, for spans of sampled calls. Default: none are sent."`
	CacheMB        int           `name:"cache-mb" env:"PORTICO_CACHE_MB" default:"64" help:"How much memory stored answers may take (policy cache), in MiB. What does not fit any more is evicted."`
	UsageSpoolMB   int           `name:"usage-spool-mb" env:"PORTICO_USAGE_SPOOL_MB" default:"1024" help:"How much of the disk usage may take that the manager does not have yet, in MiB. A full spool adds up what waits, and then counts what it gives up. 0: calls are not counted."`
	UsageAddresses string        `env:"PORTICO_USAGE_ADDRESSES" enum:"keep,drop" default:"keep" help:"Whether usage holds the address that a call came from: keep or drop."`

	KubernetesURL        string   `name:"kubernetes-url" env:"PORTICO_KUBERNETES_URL" placeholder:"URL" help:"Kubernetes API server that upstreams' targets may be looked for at; in-cluster is the one that this process runs in."`
	KubernetesTokenFile  string   `env:"PORTICO_KUBERNETES_TOKEN_FILE" help:"File with the token for it, read anew each time. Default in-cluster: the service account's."`
	KubernetesCAFile     string   `name:"kubernetes-ca-file" env:"PORTICO_KUBERNETES_CA_FILE" help:"PEM file with the certificates that it is trusted by. Default: the system's; in-cluster, the service account's."`
	KubernetesNamespaces []string `name:"kubernetes-namespaces" env:"PORTICO_KUBERNETES_NAMESPACES" placeholder:"TENANT=NAMESPACE" help:"Namespaces that targets may be looked for in: TENANT=NAMESPACE for the APIs of one tenant, by its slug, or NAMESPACE for those of all. Default: none."`
	ConsulURL            string   `name:"consul-url" env:"PORTICO_CONSUL_URL" placeholder:"URL" help:"Consul agent that upstreams' targets may be looked for at."`
	ConsulTokenFile      string   `env:"PORTICO_CONSUL_TOKEN_FILE" help:"File with the token for it, read anew each time."`
}

func (c GatewaySettings) check(w *wrongs) {
	w.address("gateway-addr", c.GatewayAddr)
	if c.TLSAddr != "" {
		w.address("gateway-tls-addr", c.TLSAddr)
	}
	for _, text := range c.ProxyFrom {
		if _, err := netip.ParsePrefix(text); err != nil {
			w.add("gateway-proxy-from", "%q is not an address range such as 10.0.0.0/8", text)
		}
	}
	if c.KubernetesURL != "" && c.KubernetesURL != inCluster {
		w.url("kubernetes-url", c.KubernetesURL)
	}
	for _, text := range c.KubernetesNamespaces {
		if n := namespaceOf(text); !check.Namespace(n.Name) || strings.Contains(text, "=") && apim.CheckSlug(n.Tenant) != nil {
			w.add("kubernetes-namespaces", "%q is not tenant=namespace or a namespace, such as shop=shop-production", text)
		}
	}
	if len(c.KubernetesNamespaces) > 0 && c.KubernetesURL == "" {
		w.add("kubernetes-namespaces", "is set, and kubernetes-url is not")
	}
	if c.ConsulURL != "" {
		w.url("consul-url", c.ConsulURL)
	}
	w.url("otlp-endpoint", c.OTLPEndpoint)
	if c.CacheMB < 1 || c.CacheMB > 1<<20 {
		w.add("cache-mb", "is %d; it is from 1 to %d", c.CacheMB, 1<<20)
	}
	if c.UsageSpoolMB != 0 && c.UsageSpoolMB < 16 {
		w.add("usage-spool-mb", "is %d; it needs at least 16, or 0 for not counting calls", c.UsageSpoolMB)
	}
}

// usageDir is where usage waits, "" when calls are not counted.
func (c GatewaySettings) usageDir() string {
	if c.UsageSpoolMB == 0 {
		return ""
	}
	return filepath.Join(c.Data, "usage")
}

// introduced lets proxies say on a listener for whom they connect, where any
// may.
func (c GatewaySettings) introduced(l net.Listener) net.Listener {
	if len(c.ProxyFrom) == 0 || l == nil {
		return l
	}
	out := &proxyproto.Listener{Listener: l, Required: c.ProxyAlways}
	for _, text := range c.ProxyFrom {
		if p, err := netip.ParsePrefix(text); err == nil { // check has refused others
			out.From = append(out.From, p)
		}
	}
	return out
}

// secure returns the listeners for TLS, none where it is nil.
func (c GatewaySettings) secure(l net.Listener) []net.Listener {
	if l == nil {
		return nil
	}
	return []net.Listener{c.introduced(l)}
}

// spans sends spans of sampled calls; nil where none are to be sent.
func (c GatewaySettings) spans(node, environment string, log *slog.Logger) (*export.Exporter, error) {
	if c.OTLPEndpoint == "" {
		return nil, nil
	}
	return export.New(c.OTLPEndpoint, node, environment, version, log)
}

// EgressSettings bound what calls may go out to.
type EgressSettings struct {
	UpstreamAllow []string `env:"PORTICO_UPSTREAM_ALLOW" help:"Private address ranges (CIDR) that upstreams, imports and issuers of tokens may be in. serve on its own allows loopback."`
}

// allowed returns the ranges, or those of the default when none are set.
func (r EgressSettings) allowed(otherwise ...string) ([]netip.Prefix, error) {
	ranges := r.UpstreamAllow
	if len(ranges) == 0 {
		ranges = otherwise
	}
	var out []netip.Prefix
	for _, text := range ranges {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("settings:\n  upstream-allow: %q is not an address range such as 10.0.0.0/8", text)
		}
		out = append(out, p)
	}
	return out, nil
}

// BusSettings are those of processes that share a NATS server.
type BusSettings struct {
	NATSURL     string `name:"nats-url" env:"PORTICO_NATS_URL" help:"The NATS server, nats://host:4222 or tls://host:4222."`
	NATSRootCAs string `name:"nats-root-cas" type:"existingfile" env:"PORTICO_NATS_ROOT_CAS" help:"PEM file with the certificates that a tls:// server is trusted by. Default: the system's."`
}

// Config is what serve is told.
type Config struct {
	OperatorSettings `embed:""`
	DatabaseSettings `embed:""`
	AddressSettings  `embed:""`
	ConsoleSettings  `embed:""`
	PortalSettings   `embed:""`
	GatewaySettings  `embed:""`
	EgressSettings   `embed:""`
}

// check refuses settings that cannot work, all at once.
func (c Config) check() error {
	return checked(c.OperatorSettings, c.DatabaseSettings, c.AddressSettings, c.ConsoleSettings, c.PortalSettings, c.GatewaySettings)
}

// checked refuses settings that cannot work, all at once.
func checked(parts ...interface{ check(w *wrongs) }) error {
	w := new(wrongs)
	for _, p := range parts {
		p.check(w)
	}
	return w.err()
}

// wrongs collects what is wrong with settings.
type wrongs struct{ list []string }

func (w *wrongs) add(name, format string, args ...any) {
	w.list = append(w.list, name+": "+fmt.Sprintf(format, args...))
}

func (w *wrongs) address(name, value string) {
	if _, _, err := net.SplitHostPort(value); err != nil {
		w.add(name, "%q is not host:port or :port", value)
	}
}

// required refuses a setting that was not given, and says where it comes from.
func (w *wrongs) required(name, value, hint string) {
	if value == "" {
		w.add(name, "is needed; %s", hint)
	}
}

func (w *wrongs) url(name, value string) {
	if value == "" {
		return
	}
	parsed, err := url.Parse(value)
	if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") || strings.HasSuffix(value, "/") {
		w.add(name, "%q is not an http or https address without a slash at its end", value)
	}
}

func (w *wrongs) err() error {
	if len(w.list) == 0 {
		return nil
	}
	return fmt.Errorf("settings:\n  %s", strings.Join(w.list, "\n  "))
}

// databaseAddress is the address of the database, as store.Open takes it.
func (c Config) databaseAddress() string {
	if u := c.DatabaseURL.Reveal(); u != "" {
		return u
	}
	return filepath.Join(c.Data, "portico.db")
}

// urlOf returns the address that people use for a listener: localhost where it
// listens everywhere, since that is where the reader of the banner sits.
func urlOf(set string, l net.Listener) string {
	if set != "" {
		return set
	}
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// secureURL is urlOf of a listener for TLS.
func secureURL(l net.Listener) string { return "https" + strings.TrimPrefix(urlOf("", l), "http") }
