package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// answer is what came back, refusals too.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is a refusal after RFC 9457.
type problem struct {
	Title, Detail, Code string
	Status              int
	RequestID           string `json:"request_id"`
	Errors              []struct{ Field, Code, Detail string }
}

// problem reads the refusal, and fails the test when it is none.
func (a answer) problem(t *testing.T) problem {
	t.Helper()
	var p problem
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("got %d %s of type %q, want a problem", a.status, a.body, got)
		return p
	}
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || p.Status != a.status || p.Code == "" || p.Title == "" || p.RequestID == "" {
		t.Errorf("got %d %s (%v), want a whole problem", a.status, a.body, err)
	}
	return p
}

// says tells whether a part of the refusal, or a field's name, holds a text.
func (p problem) says(text string) bool {
	all := p.Detail + "\n" + p.Code
	for _, f := range p.Errors {
		all += "\n" + f.Field + "\n" + f.Code + "\n" + f.Detail
	}
	return strings.Contains(all, text)
}

func (a answer) into(t *testing.T, dst any) {
	t.Helper()
	if a.status/100 != 2 {
		t.Fatalf("got %d %s, want success", a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), dst); err != nil {
		t.Fatalf("read the answer: %v\n%s", err, a.body)
	}
}

// roundTrip sends a request and reads the answer.
func roundTrip(t *testing.T, req *http.Request) answer {
	t.Helper()
	got, err := exchange(req)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// exchange is roundTrip for goroutines, which may not end a test.
func exchange(req *http.Request) (answer, error) {
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}

// request makes a request of the management API with the caller's token.
func (a api) request(method, path, contentType string, body io.Reader) *http.Request {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.Base+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if a.Token != "" {
		req.Header.Set("Authorization", "Bearer "+a.Token)
	}
	return req
}

// send makes a request of the management API, with a body as it is.
func (a api) send(method, path, contentType, body string) answer {
	a.t.Helper()
	if body == "" {
		return roundTrip(a.t, a.request(method, path, contentType, nil))
	}
	return roundTrip(a.t, a.request(method, path, contentType, strings.NewReader(body)))
}

// post sends JSON.
func (a api) post(path, body string) answer {
	a.t.Helper()
	return a.send(http.MethodPost, path, "application/json", body)
}

// read gets an object.
func (a api) read(path string, into any) {
	a.t.Helper()
	a.send(http.MethodGet, path, "", "").into(a.t, into)
}
