package upstream

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/gateway/policy"
	"portico/gateway/upstream/balance"
	"portico/internal/entry"
)

func ms(n, otherwise int) time.Duration {
	return time.Duration(cmp.Or(n, otherwise)) * time.Millisecond
}

// settings reads an entry's traffic as a group is set. What stands as a number
// here is what entry.Traffic says of its defaults.
func settings(t entry.Traffic) balance.Settings {
	s := balance.Settings{
		BoundPercent: t.Balance.BoundPercent, SlowStart: ms(t.Balance.SlowStartMS, 0), PanicPercent: t.Balance.PanicPercent,
		MaxRequests: t.Concurrency.MaxRequests, Queue: t.Concurrency.Queue, QueueWait: ms(t.Concurrency.QueueMS, 1000),
		MaxConnections: t.Concurrency.MaxConnections,
		BudgetPercent:  cmp.Or(t.Retry.BudgetPercent, 20), BudgetMin: cmp.Or(t.Retry.BudgetMin, 10), CountAll: t.Retry.Attempts > 1,
	}
	switch t.Balance.Algorithm {
	case "least_requests":
		s.Algorithm = balance.LeastRequests
	case "ewma":
		s.Algorithm = balance.EWMA
	case "hash":
		s.Algorithm = balance.Hash
	}
	if e := t.Ejection; !e.Off {
		s.Ejection = balance.Ejection{
			Failures: cmp.Or(e.Failures, 5), Any5xx: e.Any5xx, Base: ms(e.ForMS, 10_000), Max: ms(e.LongestMS, 300_000), MaxPercent: cmp.Or(e.MostPercent, 50),
		}
	}
	if b := t.Breaker; b.ErrorPercent > 0 {
		s.Breaker = balance.BreakerSettings{
			ErrorPercent: b.ErrorPercent, Window: ms(b.WindowMS, 10_000), MinRequests: cmp.Or(b.MinRequests, 20), Open: ms(b.OpenMS, 5000), Probes: cmp.Or(b.Probes, 3),
		}
	}
	return s
}

// retries say which calls are tried again.
type retries struct {
	attempts                int  // with the first
	same                    bool // where there is no other target, also the same
	connect, reset, timeout bool
	status                  [100]bool // from 500 on
	anyStatus               bool
	try, total              time.Duration // 0 for none
}

func newRetries(t entry.Traffic) retries {
	r := retries{
		attempts: cmp.Or(t.Retry.Attempts, 3), same: t.Retry.Attempts > 1,
		try: ms(t.Retry.TryTimeoutMS, 0), total: ms(t.TotalTimeoutMS, 0),
	}
	if t.Retry.Off {
		r.attempts = 1
	}
	if len(t.Retry.On) == 0 {
		r.connect, r.reset = true, true
	}
	for _, on := range t.Retry.On {
		switch on {
		case "connect":
			r.connect = true
		case "reset":
			r.reset = true
		case "timeout":
			r.timeout = true
		case "5xx":
			for i := range r.status {
				r.status[i] = true
			}
		default:
			if n, err := strconv.Atoi(on); err == nil && n >= 500 && n <= 599 {
				r.status[n-500] = true
			}
		}
		r.anyStatus = r.anyStatus || on[0] == '5'
	}
	return r
}

// covers reports whether calls that ended so are tried again at all.
func (r *retries) covers(o balance.Outcome, status int) bool {
	switch o {
	case balance.Unreachable:
		return r.connect
	case balance.Broken:
		return r.reset
	case balance.Late:
		return r.timeout
	case balance.Failed, balance.Unavailable:
		return r.anyStatus && status >= 500 && status < 600 && r.status[status-500]
	}
	return false
}

// outcomeOf says what a status tells of an endpoint.
func outcomeOf(status int) balance.Outcome {
	switch {
	case status < 500:
		return balance.Answered
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		return balance.Unavailable
	}
	return balance.Failed
}

// hashBy is what of a request is hashed; name of a header or cookie.
type hashBy struct{ kind, name string }

func newHashBy(text string) hashBy {
	kind, name, _ := strings.Cut(text, ":")
	return hashBy{kind, name}
}

// key returns the key of a request, 0 where it does not say.
func (h hashBy) key(ex *policy.Exchange) uint64 {
	switch h.kind {
	case "caller":
		if g := ex.Caller.Grant; g != nil {
			return balance.KeyOfBytes(g.Application[:])
		}
	case "address":
		a := ex.Client.As16()
		return balance.KeyOfBytes(a[:])
	case "header":
		if value, ok := ex.Header.Value(h.name); ok && value != "" {
			return balance.KeyOf(value)
		}
	case "cookie":
		if value := cookie(&ex.Header, h.name); value != "" {
			return balance.KeyOf(value)
		}
	}
	return 0
}

// cookie returns the value of the first cookie of that name.
func cookie(h *policy.Header, name string) string {
	for _, f := range h.Fields() {
		if !policy.FoldEqual(f.Name, "Cookie") {
			continue
		}
		for rest := f.Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			if key, value, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok && key == name {
				return value
			}
		}
	}
	return ""
}
