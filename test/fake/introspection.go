package fake

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Introspection is an issuer that is asked about tokens (RFC 7662), at URL. It
// knows the client "gateway" with the secret "s3cret:ä" and the token "asker".
type Introspection struct {
	URL   string
	Name  string // of the issuer
	calls atomic.Int64
	open  atomic.Int64
	most  atomic.Int64

	mu     sync.Mutex // guards what follows
	tokens map[string]string
	answer http.HandlerFunc
}

// IntrospectionSecret is that of the client "gateway".
const IntrospectionSecret = "s3cret:ä"

// NewIntrospection starts one, and stops it when the test ends.
func NewIntrospection(t testing.TB) *Introspection {
	t.Helper()
	i := &Introspection{Name: "https://id.example.com/", tokens: map[string]string{}}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL + "/introspect"
	return i
}

// Tell makes the issuer say something of a token: the members of a good answer,
// others in their place, nil taking one away.
func (i *Introspection) Tell(t testing.TB, token string, others map[string]any) {
	t.Helper()
	now := time.Now().Unix()
	members := map[string]any{
		"active": true, "iss": i.Name, "aud": "orders", "client_id": "client", "token_type": "Bearer", "scope": "read write", "iat": now - 10, "exp": now + 300,
	}
	for name, value := range others {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	raw, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	i.Says(token, string(raw))
}

// Says makes the issuer answer a question about a token with a text.
func (i *Introspection) Says(token, answer string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.tokens[token] = answer
}

// Answers makes another answer take the place of all; nil gives them back.
func (i *Introspection) Answers(answer http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = answer
}

// Calls returns how many questions there were.
func (i *Introspection) Calls() int { return int(i.calls.Load()) }

// Most returns how many questions were open at once.
func (i *Introspection) Most() int { return int(i.most.Load()) }

// ServeHTTP answers a question.
func (i *Introspection) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.calls.Add(1)
	open := i.open.Add(1)
	defer i.open.Add(-1)
	for most := i.most.Load(); open > most && !i.most.CompareAndSwap(most, open); most = i.most.Load() {
		continue
	}
	i.mu.Lock()
	answer := i.answer
	said, known := i.tokens[r.PostFormValue("token")]
	i.mu.Unlock()
	name, secret, basic := r.BasicAuth()
	asker := basic && name == "gateway" && secret == "s3cret%3A%C3%A4" ||
		r.PostFormValue("client_id") == "gateway" && r.PostFormValue("client_secret") == IntrospectionSecret ||
		r.Header.Get("Authorization") == "Bearer asker"
	switch {
	case answer != nil:
		answer(w, r)
	case r.Method != http.MethodPost || r.PostFormValue("token_type_hint") != "access_token" || r.Header.Get("Idempotency-Key") != "":
		http.Error(w, "what?", http.StatusBadRequest)
	case !asker:
		http.Error(w, `{"error": "invalid_client"}`, http.StatusUnauthorized)
	case !known:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"active": false}`))
	default:
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(said))
	}
}
