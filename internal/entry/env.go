package entry

// Env is the environment itself. Times are milliseconds.
type Env struct {
	Name       string `json:"name"`        // slug
	Kind       string `json:"kind"`        // "production" or "sandbox"
	GatewayURL string `json:"gateway_url"` // as consumers write it, no trailing slash
	// ProblemURL is the page that explains an error; the code is appended.
	ProblemURL string `json:"problem_url,omitempty"`

	TrustedProxies []string `json:"trusted_proxies,omitempty"` // CIDR prefixes

	MaxBodyBytes     int64 `json:"max_body_bytes"`
	ConnectTimeoutMS int   `json:"connect_timeout_ms"`
	HeaderTimeoutMS  int   `json:"header_timeout_ms"`
	IdleTimeoutMS    int   `json:"idle_timeout_ms"`

	// MaxStaleMS is how long a node may serve without hearing from the bus
	// before it alarms, or refuses when RefuseStale is set. 0: 60 s.
	MaxStaleMS  int64 `json:"max_stale_ms,omitempty"`
	RefuseStale bool  `json:"refuse_stale,omitempty"`
}
