package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/web"
	"portico/manager"
)

// usageLine is what was called in one minute, of one kind.
type usageLine struct {
	Minute          time.Time    `json:"minute"`
	Environment     string       `json:"environment"`
	Version         apim.ID      `json:"version,omitempty"`
	VersionName     string       `json:"version_name,omitempty"`
	Operation       string       `json:"operation,omitempty"`
	Application     apim.ID      `json:"application,omitempty"`
	ApplicationName string       `json:"application_name,omitempty"`
	Subscription    apim.ID      `json:"subscription,omitempty"`
	Plan            apim.ID      `json:"plan,omitempty"`
	Status          int          `json:"status"`
	Code            string       `json:"code,omitempty"`
	Calls           int64        `json:"calls"`
	BytesIn         int64        `json:"bytes_in"`
	BytesOut        int64        `json:"bytes_out"`
	TookUS          int64        `json:"took_us"`
	UpstreamUS      int64        `json:"upstream_us"`
	Durations       []usageRange `json:"durations"`
}

// usageRange is how many calls took up to a time, and longer than the range
// before.
type usageRange struct {
	UpToMS int64 `json:"up_to_ms,omitempty"` // left out: longer than all others
	Calls  int64 `json:"calls"`
}

func usageLineOf(u manager.UsageLine) usageLine {
	out := usageLine{
		Minute: u.Minute, Environment: u.Environment, Version: u.Version, VersionName: u.VersionName, Operation: u.Operation,
		Application: u.Application, ApplicationName: u.ApplicationName, Subscription: u.Subscription, Plan: u.Plan, Status: u.Status, Code: u.Code,
		Calls: u.Calls, BytesIn: u.BytesIn, BytesOut: u.BytesOut, TookUS: u.TookUS, UpstreamUS: u.UpstreamUS, Durations: []usageRange{},
	}
	bounds := entry.UsageBounds()
	for i, n := range u.Took {
		if n == 0 {
			continue
		}
		one := usageRange{Calls: n}
		if i < len(bounds) {
			one.UpToMS = bounds[i] / 1000
		}
		out.Durations = append(out.Durations, one)
	}
	return out
}

func usageFilter(r *request) (manager.UsageFilter, error) {
	f := manager.UsageFilter{
		Environment: r.c.Query("environment"), API: r.c.Query("api"), Version: apim.ID(r.c.Query("version")), Application: r.c.Query("application"),
	}
	var check apim.Check
	for name, to := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if text, given := r.c.GetQuery(name); given {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				check.Fail(name, "time", "is not a time like 2026-03-31T12:00:00Z")
			}
			*to = instant(at)
		}
	}
	if text, given := r.c.GetQuery("status"); given {
		status, err := strconv.Atoi(text)
		if err != nil {
			check.Fail("status", "number", "is not a status of HTTP, such as 200")
		}
		f.Status = status
	}
	return f, check.Err()
}

func usageOf(r *request, list func(context.Context, manager.UsageFilter, apim.Page) (apim.List[manager.UsageLine], error)) error {
	page, err := web.Page(r.c)
	if err != nil {
		return err
	}
	filter, err := usageFilter(r)
	if err != nil {
		return err
	}
	found, err := list(r.ctx, filter, page)
	if err != nil {
		return err
	}
	return r.answer(http.StatusOK, 0, listOf(found, usageLineOf))
}

// listUsage lists what was called of the tenant's APIs.
func listUsage(r *request) error {
	return usageOf(r, func(ctx context.Context, f manager.UsageFilter, page apim.Page) (apim.List[manager.UsageLine], error) {
		return r.Catalog.Usage(ctx, r.actor, r.tenant.ID, f, page)
	})
}

// listOwnUsage lists what the tenant's applications have called.
func listOwnUsage(r *request) error {
	return usageOf(r, func(ctx context.Context, f manager.UsageFilter, page apim.Page) (apim.List[manager.UsageLine], error) {
		return r.Access.Usage(ctx, r.actor, r.tenant.ID, f, page)
	})
}

// listAllUsage lists the installation's.
func listAllUsage(r *request) error {
	return usageOf(r, func(ctx context.Context, f manager.UsageFilter, page apim.Page) (apim.List[manager.UsageLine], error) {
		return r.Fleet.Usage(ctx, r.actor, f, page)
	})
}
