package entry

import "strconv"

// Env is the environment itself. Times are milliseconds.
type Env struct {
	Name       string `json:"name"`        // slug
	Kind       string `json:"kind"`        // "production" or "sandbox"
	GatewayURL string `json:"gateway_url"` // as consumers write it, no trailing slash
	// ProblemURL is the page that explains an error; the code is appended.
	ProblemURL string `json:"problem_url,omitempty"`

	TrustedProxies []string `json:"trusted_proxies,omitempty"` // CIDR prefixes

	// TLSMinimum is the oldest TLS that clients may use: "1.2" or "1.3". "": 1.2.
	TLSMinimum string `json:"tls_minimum,omitempty"`
	// Tracing makes nodes a part of callers' traces. TracePerMillion is how many
	// calls of a million are sampled, of those whose caller did not decide.
	Tracing         bool `json:"tracing,omitempty"`
	TracePerMillion int  `json:"trace_per_million,omitempty"`

	MaxBodyBytes     int64 `json:"max_body_bytes"`
	ConnectTimeoutMS int   `json:"connect_timeout_ms"`
	HeaderTimeoutMS  int   `json:"header_timeout_ms"`
	IdleTimeoutMS    int   `json:"idle_timeout_ms"`

	// MaxStaleMS is how long a node may serve without hearing from the bus
	// before it alarms, or refuses when RefuseStale is set. 0: 60 s.
	MaxStaleMS  int64 `json:"max_stale_ms,omitempty"`
	RefuseStale bool  `json:"refuse_stale,omitempty"`

	// Policies are for every request of the environment, before those of its API
	// within their stage. Nobody is identified by them.
	Policies []Policy `json:"policies,omitempty"`
}

// Keys is the environment's key, with which secrets inside its other entries
// are sealed. Each node gets it sealed to its own X25519 key (HPKE, RFC 9180),
// so that neither the bus nor a disk holds it in clear. A new number replaces
// the old key: what was sealed with that is sealed anew under the same sequence.
type Keys struct {
	Number uint64            `json:"number"` // from 1
	Sealed map[string]string `json:"sealed"` // by the node's uuid; base64
}

// KeyInfo names what an environment's key is sealed as, so that it opens as
// nothing else.
func KeyInfo(environment string, number uint64) string {
	return "environment_key|" + environment + "|" + strconv.FormatUint(number, 10)
}
