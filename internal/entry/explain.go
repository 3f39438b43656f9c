package entry

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// ExplainHeader carries an ExplainToken on a request, and ExplainIDHeader the
// id of its Explanation on the answer.
const (
	ExplainHeader   = "X-Portico-Explain"
	ExplainIDHeader = "X-Portico-Explain-Id"
)

// ExplainFor is the longest that a token is good for. Nodes refuse one that
// claims more.
const ExplainFor = 5 * time.Minute

// ExplainKeyUse names the key that signs tokens: it is derived, for this use,
// from the environment's key, which the manager and the environment's nodes
// have and nobody else.
const ExplainKeyUse = "explain tokens"

// ExplainToken lets who sends it with a request see the request's way through
// the gateway, as far as that concerns what a tenant offers.
type ExplainToken struct {
	ID          string `json:"id"`            // 32 hexadecimal digits
	Environment string `json:"environment"`   // slug
	Tenant      string `json:"tenant"`        // uuid
	API         string `json:"api,omitempty"` // uuid; "" for all of the tenant's
	ExpiresAt   int64  `json:"expires_at"`    // seconds since 1970
}

// Sees reports whether the token shows calls of an API. Both are uuids.
func (t ExplainToken) Sees(tenant, api string) bool {
	return t.Tenant == tenant && (t.API == "" || t.API == api)
}

const (
	explainPrefix   = "x1."
	maxExplainToken = 512
)

// Sign writes the token as it stands in the header.
func (t ExplainToken) Sign(key [32]byte) (string, error) {
	raw, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	body := explainPrefix + base64.RawURLEncoding.EncodeToString(raw)
	return body + "." + base64.RawURLEncoding.EncodeToString(explainMark(body, key)), nil
}

// OpenExplainToken reads what Sign wrote with the same key. It is for nodes:
// anything else, a token that has ended and one that claims to hold for longer
// than ExplainFor are refused without a reason.
func OpenExplainToken(text string, key [32]byte, now time.Time) (t ExplainToken, ok bool) {
	if len(text) > maxExplainToken || !strings.HasPrefix(text, explainPrefix) {
		return t, false
	}
	at := strings.LastIndexByte(text, '.')
	var mark [sha256.Size + 2]byte // room for what is too long to be one
	if base64.RawURLEncoding.DecodedLen(len(text)-at-1) != sha256.Size {
		return t, false
	}
	n, err := base64.RawURLEncoding.Strict().Decode(mark[:], []byte(text[at+1:]))
	if err != nil || !hmac.Equal(mark[:n], explainMark(text[:at], key)) {
		return t, false
	}
	raw, err := base64.RawURLEncoding.DecodeString(text[len(explainPrefix):at])
	if err != nil || Strict(raw, &t) != nil {
		return ExplainToken{}, false
	}
	left := time.Unix(t.ExpiresAt, 0).Sub(now)
	return t, left > 0 && left <= ExplainFor+clockSkew
}

// clockSkew is by how much a node's clock may be behind the manager's.
const clockSkew = 30 * time.Second

func explainMark(body string, key [32]byte) []byte {
	h := hmac.New(sha256.New, key[:])
	_, _ = h.Write([]byte(body)) // never returns an error
	return h.Sum(nil)
}

// Explanation is the way of one request through a node. It holds no value of a
// header or of the query, and nothing of what its token may not see.
type Explanation struct {
	ID          string `json:"id"`
	Token       string `json:"token"` // id of the token that asked for it
	Tenant      string `json:"tenant"`
	TokenAPI    string `json:"token_api,omitempty"` // the one API that the token sees
	Node        string `json:"node"`                // uuid
	NodeName    string `json:"node_name"`
	Environment string `json:"environment"`
	Sequence    uint64 `json:"sequence"` // up to which the node had applied everything
	At          int64  `json:"at"`       // milliseconds since 1970, by the node's clock
	RequestID   string `json:"request_id"`

	Method  string   `json:"method"`
	Host    string   `json:"host"`
	Path    string   `json:"path"`
	Query   []string `json:"query,omitempty"`   // names
	Headers []string `json:"headers,omitempty"` // names, as they came

	// Hidden says that the call reached nothing that the token may see. What
	// follows is empty then, but for the candidates and the times.
	Hidden bool `json:"hidden,omitempty"`

	API         string `json:"api,omitempty"`          // "demo/orders v1"
	APIUUID     string `json:"api_uuid,omitempty"`     //
	VersionUUID string `json:"version_uuid,omitempty"` //
	Revision    int    `json:"revision,omitempty"`
	Operation   string `json:"operation,omitempty"`
	Application string `json:"application,omitempty"` // the caller's name, where the token may know it
	Plan        string `json:"plan,omitempty"`
	// SubscriptionUUID is the one that the call was counted for, or that was not
	// enough for it.
	SubscriptionUUID string `json:"subscription_uuid,omitempty"`

	Status      int              `json:"status"`
	Code        string           `json:"code,omitempty"`   // of a refusal
	Detail      string           `json:"detail,omitempty"` // as the caller reads it
	Candidates  []ExplainedRoute `json:"candidates,omitempty"`
	Steps       []ExplainedStep  `json:"steps,omitempty"`      // in the order in which they ran
	Tries       []ExplainedTry   `json:"tries,omitempty"`      // of upstream calls
	Headings    []string         `json:"headings,omitempty"`   // names of the answer's headers
	AnswerBytes int64            `json:"answer_bytes"`         // of the body; -1 not known
	BrokenOff   bool             `json:"broken_off,omitempty"` // the caller did not get all of it
	TookNS      int64            `json:"took_ns"`              // from the request's head to the answer's end
	UpstreamNS  int64            `json:"upstream_ns"`          // of that, until the upstream's head
	Dropped     int              `json:"dropped,omitempty"`    // steps for which there was no room
}

// The outcomes of a step.
const (
	ExplainPassed  = "passed"
	ExplainRefused = "refused"
	ExplainSkipped = "skipped" // not reached
)

// ExplainedStep is one step of a request's way.
type ExplainedStep struct {
	Step    string `json:"step"`  // a policy's kind, or "route", "size", "grant", "plan_limit", "upstream", "answer"
	Stage   string `json:"stage"` // of the chain; "" before and after it
	Outcome string `json:"outcome"`
	Code    string `json:"code,omitempty"` // of a refusal
	Detail  string `json:"detail,omitempty"`
	AtNS    int64  `json:"at_ns"` // since the request's head was read
	TookNS  int64  `json:"took_ns"`
}

// ExplainedRoute is a route or a mount that was looked at, and what became of
// it.
type ExplainedRoute struct {
	API    string `json:"api"`             // "demo/orders v1"
	Route  string `json:"route,omitempty"` // "GET /orders/{id}"; "" when the API itself did not fit
	Reason string `json:"reason"`          // "chosen", "method", "predicate", "precedence", "path", "host", "base_path" or "selector"
	Detail string `json:"detail"`
}

// ExplainedTry is one call to an upstream.
type ExplainedTry struct {
	Target  string `json:"target"`  // host and port
	Reused  bool   `json:"reused"`  // the connection was open already
	Outcome string `json:"outcome"` // "answered", or what failed
	Status  int    `json:"status,omitempty"`
	AtNS    int64  `json:"at_ns"`
	TookNS  int64  `json:"took_ns"` // until the answer's head, or the failure
}
