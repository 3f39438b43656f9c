package fake

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// What a client of Tokens is called, and its secret, which has to be encoded in a
// header.
const (
	TokenClient = "orders: client"
	TokenSecret = "s3cret +%&/ü"
)

// Tokens is an issuer that gives tokens to a client (RFC 6749 section 4.4):
// "token-1", then "token-2".
type Tokens struct {
	URL   string
	asked atomic.Int64

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request, number int) // guarded by mu
}

// NewTokens starts one whose tokens are good for an hour, and stops it when the
// test ends.
func NewTokens(t testing.TB) *Tokens {
	i := &Tokens{}
	i.Give(3600)
	server := httptest.NewServer(i)
	i.URL = server.URL + "/token"
	t.Cleanup(server.Close)
	return i
}

// Asked returns how often a token was asked for.
func (i *Tokens) Asked() int { return int(i.asked.Load()) }

// Answer changes how it answers. The number of a request is 1 for the first.
func (i *Tokens) Answer(answer func(w http.ResponseWriter, r *http.Request, number int)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// Say makes it answer all with one status and body.
func (i *Tokens) Say(status int, kind, body string) {
	i.Answer(func(w http.ResponseWriter, _ *http.Request, _ int) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// Give makes it give tokens that are good for some seconds.
func (i *Tokens) Give(seconds int) {
	i.Answer(func(w http.ResponseWriter, _ *http.Request, number int) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token": "token-%d", "token_type": "bearer", "expires_in": %d}`, number, seconds)
	})
}

// ServeHTTP implements http.Handler.
func (i *Tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(i.asked.Add(1))
	i.mu.Lock()
	answer := i.answer
	i.mu.Unlock()
	answer(w, r, n)
}
