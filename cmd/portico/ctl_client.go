package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portico/internal/secret"
)

// client calls the management API. It follows no redirect, since it would take
// the token along.
type client struct {
	base   string
	token  secret.Text
	http   *http.Client
	asJSON bool   // refusals too
	tag    string // ETag of the newest answer
	match  string // ETag that the next changes are based on, "" for any
}

// longestAnswer bounds what is read of an answer.
const longestAnswer = 256 << 20

func newClient(address, token string) (*client, error) {
	u, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usagef("%q is not an http or https address; set PORTICO_URL or --url to where the console is", address)
	}
	if strings.ContainsAny(token, " \t\r\n") {
		return nil, usagef("PORTICO_TOKEN holds white space, so it is no API token")
	}
	return &client{
		base: u.String() + "/api/v1", token: secret.Text(token),
		http: &http.Client{
			Timeout:       5 * time.Minute,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func (c *client) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.call(ctx, http.MethodGet, path, query, nil, out)
	return err
}

// call sends in as JSON and reads the answer into out; either may be nil. It
// returns the answer as it came.
func (c *client) call(ctx context.Context, method, path string, query url.Values, in, out any) ([]byte, error) {
	var body io.Reader
	media := ""
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("write request: %w", err)
		}
		body, media = bytes.NewReader(b), "application/json"
	}
	return c.send(ctx, method, path, query, media, body, out)
}

func (c *client) send(ctx context.Context, method, path string, query url.Values, media string, body io.Reader, out any) ([]byte, error) {
	address := c.base + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	if c.match != "" {
		req.Header.Set("If-Match", c.match)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, &unreachable{address: c.base, cause: err}
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, longestAnswer))
	if err != nil {
		return nil, &unreachable{address: c.base, cause: err}
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, c.refusalOf(res, answer)
	}
	c.tag = res.Header.Get("ETag")
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return nil, &unreachable{address: c.base, cause: fmt.Errorf("its answer is not what a manager says: %w", err)}
		}
	}
	return answer, nil
}

// unreachable is a manager that did not answer, or something else in its place.
type unreachable struct {
	address string
	cause   error
}

func (e *unreachable) Error() string {
	cause := e.cause
	var wrapped *url.Error
	if errors.As(cause, &wrapped) {
		cause = wrapped.Err // without the address, which may hold a query
	}
	return fmt.Sprintf("no manager at %s: %s; set PORTICO_URL or --url to where the console is", e.address, cause)
}

func (e *unreachable) Unwrap() error { return e.cause }

// refusal is a problem that the manager answered with.
type refusal struct {
	Status    int
	Title     string
	Detail    string
	Code      string
	RequestID string `json:"request_id"`
	Errors    []struct{ Field, Code, Detail string }

	raw []byte // printed as it is, where JSON was asked for
}

func (c *client) refusalOf(res *http.Response, body []byte) error {
	var r refusal
	media := res.Header.Get("Content-Type")
	if !strings.HasPrefix(media, "application/problem+json") || json.Unmarshal(body, &r) != nil {
		return &unreachable{address: res.Request.URL.Host, cause: fmt.Errorf("something that is no manager answers there (%s)", res.Status)}
	}
	if c.asJSON {
		r.raw = body
	}
	return &r
}

func (r *refusal) Error() string { return r.Detail }

// print writes the refusal for people: what happened, each field, and where to
// look.
func (r *refusal) print(w io.Writer) {
	if len(r.raw) > 0 {
		fmt.Fprintf(w, "%s\n", bytes.TrimSpace(r.raw))
		return
	}
	text := r.Detail
	if text == "" {
		text = r.Title
	}
	fmt.Fprintf(w, "portico: %s (%s)\n", text, r.Code)
	for _, f := range r.Errors {
		fmt.Fprintf(w, "  %s: %s\n", f.Field, f.Detail)
	}
	switch {
	case r.Status == http.StatusUnauthorized:
		fmt.Fprintln(w, "  Set PORTICO_TOKEN to an API token; the console makes them.")
	case r.Status >= http.StatusInternalServerError:
		fmt.Fprintf(w, "  Request %s\n", r.RequestID)
	}
}

func escape(s string) string { return url.PathEscape(s) }

// escaped formats a path, each part escaped.
func escaped(format string, parts ...any) string {
	safe := make([]any, len(parts))
	for i, p := range parts {
		safe[i] = escape(fmt.Sprint(p))
	}
	return fmt.Sprintf(format, safe...)
}

// query returns ?wait=applied where it was asked for.
func (w ctlWait) query() url.Values {
	if !w.Wait {
		return nil
	}
	return url.Values{"wait": {"applied"}, "timeout_ms": {strconv.Itoa(w.Timeout)}}
}
