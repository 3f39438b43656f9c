package check

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portico/internal/entry"
)

// What the traffic of one upstream may be set to.
const (
	MaxWeight      = 1000
	MaxConcurrency = 1_000_000
	minIntervalMS  = 100
)

// traffic checks how calls to an upstream are spread, and how it is looked
// after.
func (p *problems) traffic(at string, u entry.Upstream) {
	for i, t := range u.Targets {
		p.between(fmt.Sprintf("%s.targets[%d].weight", at, i), int64(t.Weight), 0, MaxWeight)
	}
	at += ".traffic"
	t := u.Traffic
	p.between(at+".total_timeout_ms", int64(t.TotalTimeoutMS), 0, MaxTimeoutMS)
	p.balance(at+".balance", t.Balance)
	p.health(at+".health", t.Health)
	e := t.Ejection
	p.between(at+".ejection.failures", int64(e.Failures), 0, 10_000)
	p.between(at+".ejection.for_ms", int64(e.ForMS), 0, MaxTimeoutMS)
	p.between(at+".ejection.longest_ms", int64(e.LongestMS), 0, MaxTimeoutMS)
	p.between(at+".ejection.most_percent", int64(e.MostPercent), 0, 100)
	if off := (entry.Ejection{Off: true}); e.Off && e != off {
		p.add(at+".ejection", "is off, and says more; leave one away")
	}
	b := t.Breaker
	p.between(at+".breaker.error_percent", int64(b.ErrorPercent), 0, 100)
	p.between(at+".breaker.window_ms", int64(b.WindowMS), 0, MaxTimeoutMS)
	p.between(at+".breaker.min_requests", int64(b.MinRequests), 0, 1_000_000)
	p.between(at+".breaker.open_ms", int64(b.OpenMS), 0, MaxTimeoutMS)
	p.between(at+".breaker.probes", int64(b.Probes), 0, 1000)
	if b.ErrorPercent == 0 && b != (entry.Breaker{}) {
		p.add(at+".breaker.error_percent", "is needed beside the rest of the breaker")
	}
	c := t.Concurrency
	p.between(at+".concurrency.max_requests", int64(c.MaxRequests), 0, MaxConcurrency)
	p.between(at+".concurrency.queue", int64(c.Queue), 0, 100_000)
	p.between(at+".concurrency.queue_ms", int64(c.QueueMS), 0, 60_000)
	p.between(at+".concurrency.max_connections", int64(c.MaxConnections), 0, MaxConcurrency)
	if c.MaxRequests == 0 && c.Queue+c.QueueMS > 0 {
		p.add(at+".concurrency.max_requests", "is needed beside a queue")
	}
	p.retry(at+".retry", t.Retry)
	p.discovery(at+".discovery", u)
}

func (p *problems) balance(at string, b entry.Balance) {
	hash := b.Algorithm == "hash"
	switch b.Algorithm {
	case "", "round_robin", "least_requests", "ewma", "hash":
	default:
		p.add(at+".algorithm", "want round_robin, least_requests, ewma or hash, got %q", b.Algorithm)
	}
	kind, name, named := strings.Cut(b.HashBy, ":")
	switch {
	case !hash && b.HashBy != "":
		p.add(at+".hash_by", "is of the algorithm hash alone")
	case hash && !(!named && (kind == "caller" || kind == "address")) && !(named && (kind == "header" || kind == "cookie") && isToken(name)):
		p.add(at+".hash_by", "want caller, address, header:<name> or cookie:<name>, got %q", b.HashBy)
	}
	if b.BoundPercent != 0 {
		if !hash {
			p.add(at+".bound_percent", "is of the algorithm hash alone")
		}
		p.between(at+".bound_percent", int64(b.BoundPercent), 101, 1000)
	}
	p.between(at+".slow_start_ms", int64(b.SlowStartMS), 0, MaxTimeoutMS)
	p.between(at+".panic_percent", int64(b.PanicPercent), 0, 100)
}

func (p *problems) health(at string, h entry.HealthCheck) {
	switch h.Kind {
	case "":
		if h != (entry.HealthCheck{}) {
			p.add(at+".kind", "want http, tcp or grpc beside the rest of the check")
		}
	case "http", "tcp", "grpc":
	default:
		p.add(at+".kind", "want http, tcp or grpc, got %q", h.Kind)
	}
	if h.Kind != "" && h.Kind != "http" && (h.Method != "" || h.Path != "" || h.Status != "" || h.Body != "") {
		p.add(at, "method, path, status and body are of the kind http alone")
	}
	if h.Kind != "" && h.Kind != "grpc" && h.Service != "" {
		p.add(at+".service", "is of the kind grpc alone")
	}
	if h.Method != "" && h.Method != http.MethodGet && h.Method != http.MethodHead && h.Method != http.MethodOptions && h.Method != http.MethodPost {
		p.add(at+".method", "want GET, HEAD, OPTIONS or POST, got %q", h.Method)
	}
	if h.Path != "" && (!strings.HasPrefix(h.Path, "/") || len(h.Path) > 2000 || strings.ContainsFunc(h.Path, func(r rune) bool { return r <= ' ' || r > '~' || r == '#' })) {
		p.add(at+".path", "want a path that begins with a slash, without spaces")
	}
	if _, err := Statuses(h.Status); err != nil {
		p.addErr(at+".status", err)
	}
	if len(h.Body) > 1000 {
		p.add(at+".body", "want at most 1000 bytes, got %d", len(h.Body))
	}
	if len(h.Service) > 200 {
		p.add(at+".service", "want at most 200 bytes, got %d", len(h.Service))
	}
	if h.IntervalMS != 0 {
		p.between(at+".interval_ms", int64(h.IntervalMS), minIntervalMS, MaxTimeoutMS)
	}
	p.between(at+".timeout_ms", int64(h.TimeoutMS), 0, 60_000)
	p.between(at+".healthy", int64(h.Healthy), 0, 100)
	p.between(at+".unhealthy", int64(h.Unhealthy), 0, 100)
}

// Statuses reads "200-299, 404" as pairs of first and last; "" is 200 to 299.
func Statuses(text string) ([][2]int, error) {
	if text == "" {
		return [][2]int{{200, 299}}, nil
	}
	var out [][2]int
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(strings.TrimSpace(part), "-")
		a, err := strconv.Atoi(from)
		b := a
		if err == nil && ranged {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 100 || b > 599 || a > b || len(out) == 20 {
			return nil, fmt.Errorf("want statuses such as 200-299 or 200,204, got %q", text)
		}
		out = append(out, [2]int{a, b})
	}
	return out, nil
}

func (p *problems) retry(at string, r entry.Retry) {
	p.between(at+".attempts", int64(r.Attempts), 0, 10)
	p.between(at+".try_timeout_ms", int64(r.TryTimeoutMS), 0, MaxTimeoutMS)
	p.between(at+".budget_percent", int64(r.BudgetPercent), 0, 100)
	p.between(at+".budget_min", int64(r.BudgetMin), 0, 10_000)
	for i, on := range r.On {
		field := fmt.Sprintf("%s.on[%d]", at, i)
		if status, err := strconv.Atoi(on); on != "connect" && on != "reset" && on != "timeout" && on != "5xx" && (err != nil || status < 500 || status > 599) {
			p.add(field, "want connect, reset, timeout, 5xx or a status from 500 to 599, got %q", on)
		} else if slices.Contains(r.On[:i], on) {
			p.add(field, "%s stands there twice", on)
		}
	}
	if r.Off && (r.Attempts > 0 || len(r.On) > 0) {
		p.add(at, "is off, and says more; leave one away")
	}
}

var namespace = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// Namespace reports whether a namespace of Kubernetes can be called so.
func Namespace(name string) bool { return namespace.MatchString(name) }

func (p *problems) discovery(at string, u entry.Upstream) {
	d := u.Traffic.Discovery
	only := func(field, value string, kinds ...string) {
		if value != "" && !slices.Contains(kinds, d.Kind) {
			p.add(at+"."+field, "is of %s alone", strings.Join(kinds, " and "))
		}
		if len(value) > 253 || value == "." || value == ".." || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/?#%\`, r) }) {
			p.add(at+"."+field, "%q is not a name", value)
		}
	}
	switch d.Kind {
	case "", "dns":
	case "srv", "kubernetes", "consul":
		if d.Service == "" {
			p.add(at+".service", "is empty")
		}
		if len(u.Targets) > 1 {
			p.add(at+".kind", "%s finds the targets; give one address, which says scheme, name and path", d.Kind)
		}
	default:
		p.add(at+".kind", "want dns, srv, kubernetes or consul, got %q", d.Kind)
	}
	only("service", d.Service, "srv", "kubernetes", "consul")
	switch {
	case d.Namespace == "":
	case d.Kind != "kubernetes":
		p.add(at+".namespace", "is of kubernetes alone")
	case !Namespace(d.Namespace):
		p.add(at+".namespace", "want a namespace's name, lower-case letters, digits and hyphens, got %q", d.Namespace)
	}
	only("port", d.Port, "kubernetes")
	only("tag", d.Tag, "consul")
	only("datacenter", d.Datacenter, "consul")
}
