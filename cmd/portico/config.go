package main

import (
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"portico/internal/secret"
)

// Config is what a server process is told at start: flags over environment
// over the file named by --config over these defaults.
type Config struct {
	Data string `env:"PORTICO_DATA" default:"data" help:"Folder for the database (unless it is PostgreSQL), the bus and the gateway's disk copy."`

	DatabaseURL secret.Text `env:"PORTICO_DATABASE_URL" help:"A PostgreSQL database, postgres://user:password@host/name, whose owner is a role without SUPERUSER and BYPASSRLS. Default: SQLite in the data folder."`

	GatewayAddr string `env:"PORTICO_GATEWAY_ADDR" default:":8080" help:"Where API calls arrive."`
	PortalAddr  string `env:"PORTICO_PORTAL_ADDR" default:":8081" help:"Where the developer portal listens."`
	ConsoleAddr string `env:"PORTICO_CONSOLE_ADDR" default:":8082" help:"Where the console and the management API listen."`
	OpsAddr     string `env:"PORTICO_OPS_ADDR" default:"127.0.0.1:8083" help:"Where /livez, /readyz and /metrics listen; for operators only."`

	GatewayURL string `env:"PORTICO_GATEWAY_URL" help:"The gateway's address as consumers write it. Default: from its listener."`
	PortalURL  string `env:"PORTICO_PORTAL_URL" help:"The portal's address as people write it. Default: from its listener."`
	ConsoleURL string `env:"PORTICO_CONSOLE_URL" help:"The console's address as people write it. Default: from its listener."`

	BootstrapToken secret.Text `env:"PORTICO_BOOTSTRAP_TOKEN" help:"Makes an operator's API token of this text at first start (32 characters or more)."`
	SignUp         string      `env:"PORTICO_SIGN_UP" enum:"open,closed" default:"open" help:"Whether anybody may make an account in the portal: open or closed."`
	UpstreamAllow  []string    `env:"PORTICO_UPSTREAM_ALLOW" help:"Private address ranges (CIDR) that upstreams and imports may be in. serve on its own allows loopback."`

	DrainNotice time.Duration `env:"PORTICO_DRAIN_NOTICE" default:"1s" help:"How long a gateway that was told to end goes on taking calls while /readyz says 503, so that load balancers move on."`

	LogLevel  slog.Level `env:"PORTICO_LOG_LEVEL" default:"info" help:"debug, info, warn or error."`
	LogFormat string     `env:"PORTICO_LOG_FORMAT" enum:"auto,text,json" default:"auto" help:"text, json, or auto: text on a terminal."`
}

// check refuses settings that cannot work, all at once.
func (c Config) check() error {
	var wrong []string
	for _, a := range []struct{ name, value string }{
		{"gateway-addr", c.GatewayAddr},
		{"portal-addr", c.PortalAddr},
		{"console-addr", c.ConsoleAddr},
		{"ops-addr", c.OpsAddr},
	} {
		if _, _, err := net.SplitHostPort(a.value); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %q is not host:port or :port", a.name, a.value))
		}
	}
	for _, u := range []struct{ name, value string }{
		{"gateway-url", c.GatewayURL}, {"portal-url", c.PortalURL}, {"console-url", c.ConsoleURL},
	} {
		if u.value == "" {
			continue
		}
		parsed, err := url.Parse(u.value)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") || strings.HasSuffix(u.value, "/") {
			wrong = append(wrong, fmt.Sprintf("%s: %q is not an http or https address without a slash at its end", u.name, u.value))
		}
	}
	if u := c.DatabaseURL.Reveal(); u != "" && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		wrong = append(wrong, "database-url: does not begin with postgres:// (it is not shown, since it may hold a password)")
	}
	if t := c.BootstrapToken.Reveal(); t != "" && len(t) < 32 {
		wrong = append(wrong, fmt.Sprintf("bootstrap-token: has %d characters, it needs at least 32", len(t)))
	}
	if len(wrong) > 0 {
		return fmt.Errorf("settings:\n  %s", strings.Join(wrong, "\n  "))
	}
	return nil
}

// database is the address of the database, as store.Open takes it.
func (c Config) database() string {
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
