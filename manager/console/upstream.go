package console

import (
	"slices"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/ui"
)

// trafficGroup is a part of the form of an upstream that is seldom changed.
type trafficGroup struct {
	Title  string
	Text   string
	Inputs []trafficInput
}

// trafficInput is one setting of apim.Traffic. Its name is the API's, and one of
// text, count, tick and list finds it.
type trafficInput struct {
	Name, Label, Hint, Placeholder string
	Options                        []choice
	text                           func(*apim.Traffic) *string
	count                          func(*apim.Traffic) *int
	tick                           func(*apim.Traffic) *bool
	list                           func(*apim.Traffic) *[]string
}

// The largest numbers that the form takes; the gateway's own check is exact.
const mostTraffic = 86_400_000

// trafficGroups are all settings, in the order of the form.
func trafficGroups() []trafficGroup {
	type t = apim.Traffic
	return []trafficGroup{
		{Title: "Balancing", Inputs: []trafficInput{
			{Name: "balance.algorithm", Label: "Algorithm", Options: []choice{{"", "Round robin"}, {"least_requests", "Least requests"}, {"ewma", "Fastest (EWMA)"}, {"hash", "Consistent hash"}}, text: func(t *t) *string { return &t.Balance.Algorithm }},
			{Name: "balance.hash_by", Label: "Hash by", Placeholder: "caller", Hint: "caller, address, header:Name or cookie:name", text: func(t *t) *string { return &t.Balance.HashBy }},
			{Name: "balance.bound_percent", Label: "Hash, at most % of the average", Placeholder: "no bound", count: func(t *t) *int { return &t.Balance.BoundPercent }},
			{Name: "balance.slow_start_ms", Label: "Slow start, ms", Placeholder: "at once", Hint: "Until a target that comes back has its whole share", count: func(t *t) *int { return &t.Balance.SlowStartMS }},
			{Name: "balance.panic_percent", Label: "Panic below, %", Placeholder: "0", Hint: "When fewer are fit, all are called", count: func(t *t) *int { return &t.Balance.PanicPercent }},
		}},
		{Title: "Health check", Inputs: []trafficInput{
			{Name: "health.kind", Label: "Ask by", Options: []choice{{"", "Not at all"}, {"http", "HTTP"}, {"tcp", "TCP"}, {"grpc", "gRPC"}}, text: func(t *t) *string { return &t.Health.Kind }},
			{Name: "health.method", Label: "Method", Placeholder: "GET", text: func(t *t) *string { return &t.Health.Method }},
			{Name: "health.path", Label: "Path", Placeholder: "/", text: func(t *t) *string { return &t.Health.Path }},
			{Name: "health.status", Label: "Good statuses", Placeholder: "200-299", text: func(t *t) *string { return &t.Health.Status }},
			{Name: "health.body", Label: "The answer holds", Placeholder: "anything", text: func(t *t) *string { return &t.Health.Body }},
			{Name: "health.service", Label: "gRPC service", Placeholder: "the server", text: func(t *t) *string { return &t.Health.Service }},
			{Name: "health.interval_ms", Label: "Every, ms", Placeholder: "10000", count: func(t *t) *int { return &t.Health.IntervalMS }},
			{Name: "health.timeout_ms", Label: "Answer within, ms", Placeholder: "2000", count: func(t *t) *int { return &t.Health.TimeoutMS }},
			{Name: "health.healthy", Label: "Well after", Placeholder: "2", count: func(t *t) *int { return &t.Health.Healthy }},
			{Name: "health.unhealthy", Label: "Sick after", Placeholder: "3", count: func(t *t) *int { return &t.Health.Unhealthy }},
		}},
		{Title: "Ejection", Text: "A target that fails calls gets none for a while.", Inputs: []trafficInput{
			{Name: "ejection.off", Label: "Off", tick: func(t *t) *bool { return &t.Ejection.Off }},
			{Name: "ejection.any_5xx", Label: "Every 5xx is a failure, not 502 to 504 alone", tick: func(t *t) *bool { return &t.Ejection.Any5xx }},
			{Name: "ejection.failures", Label: "After failures in a row", Placeholder: "5", count: func(t *t) *int { return &t.Ejection.Failures }},
			{Name: "ejection.most_percent", Label: "At most % of the targets", Placeholder: "50", count: func(t *t) *int { return &t.Ejection.MostPercent }},
			{Name: "ejection.for_ms", Label: "First for, ms", Placeholder: "10000", count: func(t *t) *int { return &t.Ejection.ForMS }},
			{Name: "ejection.longest_ms", Label: "At longest, ms", Placeholder: "300000", count: func(t *t) *int { return &t.Ejection.LongestMS }},
		}},
		{Title: "Retries", Text: "Only calls of which nothing was sent, or that may be sent twice, are tried again.", Inputs: []trafficInput{
			{Name: "retry.off", Label: "Off", tick: func(t *t) *bool { return &t.Retry.Off }},
			{Name: "retry.attempts", Label: "Tries, with the first", Placeholder: "3", count: func(t *t) *int { return &t.Retry.Attempts }},
			{Name: "retry.on", Label: "On", Placeholder: "connect, reset", Hint: "connect, reset, timeout, 5xx or statuses", list: func(t *t) *[]string { return &t.Retry.On }},
			{Name: "retry.try_timeout_ms", Label: "Each try, ms", Placeholder: "first answer's", count: func(t *t) *int { return &t.Retry.TryTimeoutMS }},
			{Name: "total_timeout_ms", Label: "All tries, ms", Placeholder: "no bound", count: func(t *t) *int { return &t.TotalTimeoutMS }},
			{Name: "retry.budget_percent", Label: "Budget, % of calls", Placeholder: "20", count: func(t *t) *int { return &t.Retry.BudgetPercent }},
			{Name: "retry.budget_min", Label: "And always, a second", Placeholder: "10", count: func(t *t) *int { return &t.Retry.BudgetMin }},
		}},
		{Title: "Circuit breaker", Text: "Where too many calls fail, all are answered 503 at once, until a few that try do well.", Inputs: []trafficInput{
			{Name: "breaker.error_percent", Label: "Opens at, % failed", Placeholder: "never", count: func(t *t) *int { return &t.Breaker.ErrorPercent }},
			{Name: "breaker.window_ms", Label: "Counted over, ms", Placeholder: "10000", count: func(t *t) *int { return &t.Breaker.WindowMS }},
			{Name: "breaker.min_requests", Label: "Calls at least", Placeholder: "20", count: func(t *t) *int { return &t.Breaker.MinRequests }},
			{Name: "breaker.open_ms", Label: "Open for, ms", Placeholder: "5000", count: func(t *t) *int { return &t.Breaker.OpenMS }},
			{Name: "breaker.probes", Label: "Calls that try", Placeholder: "3", count: func(t *t) *int { return &t.Breaker.Probes }},
		}},
		{Title: "Limits", Text: "Of each gateway node. By HTTP/1.1 a call has a connection to itself, by HTTP/2 a stream of one.", Inputs: []trafficInput{
			{Name: "concurrency.max_requests", Label: "Calls at once", Placeholder: "no limit", count: func(t *t) *int { return &t.Concurrency.MaxRequests }},
			{Name: "concurrency.max_connections", Label: "Connections to a target", Placeholder: "no limit", count: func(t *t) *int { return &t.Concurrency.MaxConnections }},
			{Name: "concurrency.queue", Label: "Calls that wait", Placeholder: "0", count: func(t *t) *int { return &t.Concurrency.Queue }},
			{Name: "concurrency.queue_ms", Label: "Wait at most, ms", Placeholder: "1000", count: func(t *t) *int { return &t.Concurrency.QueueMS }},
		}},
		{Title: "Discovery", Text: "Finds the targets; the address above then says only scheme, name and path.", Inputs: []trafficInput{
			{Name: "discovery.kind", Label: "Find by", Options: []choice{{"", "The addresses above"}, {"dns", "DNS"}, {"srv", "DNS, SRV records"}, {"kubernetes", "Kubernetes"}, {"consul", "Consul"}}, text: func(t *t) *string { return &t.Discovery.Kind }},
			{Name: "discovery.service", Label: "Service", Placeholder: "orders", Hint: "Of SRV its whole name: _http._tcp.orders.example", text: func(t *t) *string { return &t.Discovery.Service }},
			{Name: "discovery.namespace", Label: "Kubernetes namespace", Placeholder: "default", Hint: "One that the gateway's operators allow you.", text: func(t *t) *string { return &t.Discovery.Namespace }},
			{Name: "discovery.port", Label: "Kubernetes port", Placeholder: "the first", text: func(t *t) *string { return &t.Discovery.Port }},
			{Name: "discovery.tag", Label: "Consul tag", Placeholder: "any", text: func(t *t) *string { return &t.Discovery.Tag }},
			{Name: "discovery.datacenter", Label: "Consul data centre", Placeholder: "the agent's", text: func(t *t) *string { return &t.Discovery.Datacenter }},
		}},
	}
}

// view opens the group where something in it is wrong.
func (g trafficGroup) view(f form) ui.FoldView {
	v := ui.FoldView{Title: g.Title}
	set := 0
	for _, in := range g.Inputs {
		v.Open = v.Open || f.err(in.Name) != ""
		if f.text(in.Name) != "" {
			set++
		}
	}
	if set > 0 {
		v.Note = count(set, "setting", "settings")
	}
	return v
}

func (in trafficInput) view(f form) ui.FieldView {
	v := ui.FieldView{Label: in.Label, Name: in.Name, Value: f.value(in.Name), Err: f.err(in.Name), Hint: in.Hint, Placeholder: in.Placeholder, AutoComplete: "off"}
	switch {
	case in.tick != nil:
		v.Kind, v.Value, v.Checked = "checkbox", "on", f.checked(in.Name)
	case len(in.Options) > 0:
		v.Kind, v.Options = "select", options(in.Options)
	case in.count != nil:
		v.Attrs = map[string]any{"inputmode": "numeric"}
	}
	return v
}

func trafficInputs() []trafficInput {
	var out []trafficInput
	for _, g := range trafficGroups() {
		out = append(out, g.Inputs...)
	}
	return out
}

func trafficNames() []string {
	var out []string
	for _, in := range trafficInputs() {
		out = append(out, in.Name)
	}
	return out
}

// trafficRenames adds what the gateway's check calls the settings. What it says
// of a whole group stands at its first.
func trafficRenames(names map[string]string) map[string]string {
	for _, in := range trafficInputs() {
		names["upstreams.traffic."+in.Name] = in.Name
		if group, _, ok := strings.Cut(in.Name, "."); ok && names["upstreams.traffic."+group] == "" {
			names["upstreams.traffic."+group] = in.Name
		}
	}
	return names
}

// fillTraffic writes what is set.
func (f *form) fillTraffic(t apim.Traffic) {
	for _, in := range trafficInputs() {
		text := ""
		switch {
		case in.text != nil:
			text = *in.text(&t)
		case in.list != nil:
			text = strings.Join(*in.list(&t), ", ")
		case in.count != nil && *in.count(&t) != 0:
			text = strconv.Itoa(*in.count(&t))
		case in.tick != nil && *in.tick(&t):
			text = "on"
		}
		f.values.Set(in.Name, text)
	}
}

// traffic reads what the form says; a form that has none of it leaves what the
// draft has.
func (f *form) traffic(rt apim.Runtime) apim.Traffic {
	var t apim.Traffic
	if len(rt.Upstreams) > 0 {
		t = rt.Upstreams[0].Traffic
	}
	if !f.has("balance.algorithm") {
		return t
	}
	for _, in := range trafficInputs() {
		switch {
		case in.text != nil:
			*in.text(&t) = f.text(in.Name)
		case in.list != nil:
			*in.list(&t) = words(f.text(in.Name))
		case in.count != nil:
			*in.count(&t) = f.number(in.Name, 0, mostTraffic)
		case in.tick != nil:
			*in.tick(&t) = f.checked(in.Name)
		}
	}
	if t.Balance.Algorithm == "round_robin" {
		t.Balance.Algorithm = ""
	}
	return t
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
}

// addressesText writes an upstream's addresses as the form does, one in each
// line, with its weight where weights differ.
func addressesText(u apim.Upstream) string {
	lines := slices.Clone(u.URLs)
	for i := range u.Weights {
		if i < len(lines) {
			lines[i] += " " + strconv.Itoa(u.Weights[i])
		}
	}
	return strings.Join(lines, "\n")
}

// addresses reads what addressesText writes. Without a weight anywhere there
// are none; where one has none beside others, it is 1.
func (f *form) addresses(name string) (urls []string, weights []int) {
	weighed := false
	for line := range strings.Lines(f.value(name)) {
		parts := strings.Fields(line)
		if len(parts) == 0 {
			continue
		}
		weight := 1
		if len(parts) == 2 {
			if n, err := strconv.Atoi(parts[1]); err == nil && n >= 1 && n <= 1000 {
				weight, weighed, parts = n, true, parts[:1]
			} else if !strings.Contains(parts[1], "://") {
				f.fail(name, "write a weight from 1 to 1,000 behind the address; "+clip(parts[1], 40)+" is none")
				parts = parts[:1]
			}
		}
		for _, url := range parts {
			urls, weights = append(urls, url), append(weights, weight)
		}
	}
	if !weighed {
		weights = []int{}
	}
	return urls, weights
}
