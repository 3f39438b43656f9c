package process

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// API calls the management API of a process with a token.
type API struct {
	Base  string // http://127.0.0.1:port/api/v1
	Token string
}

// Refused is an answer of the API outside 2xx.
type Refused struct {
	Status int
	Body   string
}

// Error is the status and the problem as it came.
func (r *Refused) Error() string { return fmt.Sprintf("answered %d: %s", r.Status, r.Body) }

// API returns a client of the process's management API.
func (p *Process) API(token string) *API { return &API{Base: p.Console + "/api/v1", Token: token} }

// Do sends a request and decodes the answer into into, unless it is nil. body
// may be nil, a string that goes as it is, or a value that becomes JSON.
func (a *API) Do(ctx context.Context, method, path string, body, into any) error {
	var reader io.Reader
	contentType := "application/json"
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
		if !strings.HasPrefix(strings.TrimSpace(b), "{") {
			contentType = "application/yaml"
		}
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.Base+path, reader)
	if err != nil {
		return err
	}
	if reader != nil {
		req.Header.Set("Content-Type", contentType)
	}
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", method, path, &Refused{Status: res.StatusCode, Body: string(raw)})
	}
	if into == nil || len(raw) == 0 {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("%s %s: %w in %.200s", method, path, err, raw)
	}
	return nil
}

// Object is an answer of which only the names are read that tests need.
type Object struct {
	ID      string `json:"id"`
	Slug    string `json:"slug"`
	State   string `json:"state"`
	Key     string `json:"key"`
	Applied struct {
		Done   bool  `json:"done"`
		TookMS int64 `json:"took_ms"`
	} `json:"applied"`
	Versions []struct {
		ID    string `json:"id"`
		Label string `json:"label"`
	} `json:"versions"`
}

// MinimalDocument is an OpenAPI document with n operations, at an upstream.
func MinimalDocument(title, upstream string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"openapi":"3.1.0","info":{"title":%q,"version":"1"},"servers":[{"url":%q}],"paths":{`, title, upstream)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"/things%d/{id}":{"get":{"operationId":"get%d","summary":"Get thing %d","responses":{"200":{"description":"ok"}}}}`, i, i, i)
	}
	b.WriteString("}}")
	return b.String()
}

// Live imports a document as a new API of a tenant, publishes it, waits until
// the nodes have it, and returns its version's id.
func (a *API) Live(ctx context.Context, tenant, slug, document string) (version string, err error) {
	var staged, made, published Object
	if err = a.Do(ctx, http.MethodPost, "/tenants/"+tenant+"/imports", document, &staged); err != nil {
		return "", err
	}
	if err = a.Do(ctx, http.MethodPost, "/tenants/"+tenant+"/imports/"+staged.ID+"/accept",
		map[string]any{"name": slug, "slug": slug, "label": "v1", "access": "key"}, &made); err != nil {
		return "", err
	}
	err = a.Do(ctx, http.MethodPost, "/tenants/"+tenant+"/versions/"+made.ID+"/publish?wait=applied&timeout_ms=10000", map[string]any{}, &published)
	if err == nil && !published.Applied.Done {
		err = fmt.Errorf("publish of %s was not confirmed in time", slug)
	}
	return made.ID, err
}

// Publish changes a version's draft, so that there is something to publish,
// publishes it, waits until the nodes have it, and returns how long the publish
// took. round makes the change; another round is another change.
func (a *API) Publish(ctx context.Context, tenant, version string, round int) (time.Duration, error) {
	path := "/tenants/" + tenant + "/versions/" + version
	if err := a.Do(ctx, http.MethodPatch, path+"/draft", map[string]any{"max_body_bytes": 1<<20 + round}, nil); err != nil {
		return 0, err
	}
	began := time.Now()
	var out Object
	if err := a.Do(ctx, http.MethodPost, path+"/publish?wait=applied&timeout_ms=10000", map[string]any{}, &out); err != nil {
		return 0, err
	}
	if !out.Applied.Done {
		return 0, fmt.Errorf("publish of %s was not confirmed in time", version)
	}
	return time.Since(began), nil
}

// Market is an API of a tenant, offered by a plan that a person approves, and an
// application with a key that asks for it.
type Market struct {
	Tenant, Version, Plan, Application, Credential string
	Key                                            string
	Path                                           string // of its one operation, on a gateway
}

// Market makes a tenant with all of that; nothing is subscribed yet.
func (a *API) Market(ctx context.Context, tenant, upstream string) (Market, error) {
	m := Market{Tenant: tenant, Path: "/" + tenant + "/echo/v1/things0/1"}
	in := "/tenants/" + tenant
	if err := a.Do(ctx, http.MethodPost, "/tenants", map[string]any{"slug": tenant, "name": tenant}, nil); err != nil {
		return m, err
	}
	var err error
	if m.Version, err = a.Live(ctx, tenant, "echo", MinimalDocument("Echo", upstream, 1)); err != nil {
		return m, err
	}
	var plan, app, credential Object
	for _, step := range []struct {
		path string
		body map[string]any
		into *Object
	}{
		{"/products", map[string]any{"slug": "echo", "name": "Echo", "listed": true, "visibility": "public", "versions": []string{m.Version}}, nil},
		{"/products/echo/plans", map[string]any{"slug": "all", "name": "All", "approval": "manual", "state": "published", "limits": []any{}}, &plan},
		{"/applications", map[string]any{"slug": "app", "name": "App"}, &app},
		{"/applications/app/credentials?wait=applied", map[string]any{"name": "k"}, &credential},
	} {
		var into any
		if step.into != nil {
			into = step.into
		}
		if err := a.Do(ctx, http.MethodPost, in+step.path, step.body, into); err != nil {
			return m, err
		}
	}
	m.Plan, m.Application, m.Credential, m.Key = plan.ID, app.ID, credential.ID, credential.Key
	return m, nil
}

// Request asks for the market's plan and returns the subscription's id.
func (a *API) Request(ctx context.Context, m Market) (string, error) {
	var s Object
	err := a.Do(ctx, http.MethodPost, "/tenants/"+m.Tenant+"/subscriptions?wait=applied", map[string]any{"application": m.Application, "plan": m.Plan, "reason": "to try"}, &s)
	return s.ID, err
}
