package discover

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Origin is a server that is asked over HTTP: a Kubernetes API server or a
// Consul agent.
type Origin struct {
	URL    string // without a trailing slash
	Client *http.Client
	// Token returns what is sent with each request, "" for nothing. It is asked
	// each time, since some change.
	Token func() (string, error)
	// TokenHeader is where: "Authorization" gets Bearer before it.
	TokenHeader string
}

// TokenFile returns a Token that is read from a file each time; a file that is
// not named is no token.
func TokenFile(path string) func() (string, error) {
	return func() (string, error) {
		if path == "" {
			return "", nil
		}
		text, err := os.ReadFile(path)
		return strings.TrimSpace(string(text)), err
	}
}

// statusError is an answer that is not 200.
type statusError struct{ status int }

func (e *statusError) Error() string { return fmt.Sprintf("the server answered %d", e.status) }

// open asks, and returns the answer when it is 200. Whoever gets it closes its
// body.
func (o *Origin) open(ctx context.Context, path string, query url.Values) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	token, err := o.Token()
	if err != nil {
		return nil, fmt.Errorf("token: %w", err)
	}
	if token != "" && o.TokenHeader == "Authorization" {
		token = "Bearer " + token
	}
	if token != "" {
		req.Header.Set(o.TokenHeader, token)
	}
	res, err := o.Client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, &statusError{res.StatusCode}
	}
	return res, nil
}

const (
	maxAnswer   = 32 << 20 // bytes of a list, or of a day of a watch
	listTimeout = 10 * time.Second
)

// get asks for one whole answer.
func (o *Origin) get(ctx context.Context, path string, query url.Values, timeout time.Duration, into any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	res, err := o.open(ctx, path, query)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(into); err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return res.Header, nil
}
