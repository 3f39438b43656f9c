package apim

import "time"

// Traffic says how calls are spread over an upstream's targets and what becomes
// of those that fail. The zero value is round robin, a second try of calls
// that could not connect, and a rest for targets that fail again and again.
// Times are milliseconds; of every number 0 is the default that stands beside.
type Traffic struct {
	Balance     Balance     `json:"balance,omitzero"`
	Health      HealthCheck `json:"health,omitzero"`
	Ejection    Ejection    `json:"ejection,omitzero"`
	Breaker     Breaker     `json:"breaker,omitzero"`
	Concurrency Concurrency `json:"concurrency,omitzero"`
	Retry       Retry       `json:"retry,omitzero"`
	Discovery   Discovery   `json:"discovery,omitzero"`
	// TotalTimeoutMS bounds all tries together, until an answer begins; 0: no bound.
	TotalTimeoutMS int `json:"total_timeout_ms,omitempty"`
}

// Balance is how a target is chosen.
type Balance struct {
	Algorithm    string `json:"algorithm,omitempty"`     // "round_robin" (the default), "least_requests", "ewma" or "hash"
	HashBy       string `json:"hash_by,omitempty"`       // "caller", "address", "header:<name>" or "cookie:<name>"; of hash alone
	BoundPercent int    `json:"bound_percent,omitempty"` // how much of the average a target takes at most, 101 to 1000; 0: no bound; of hash alone
	SlowStartMS  int    `json:"slow_start_ms,omitempty"` // until a target that comes, or comes back, has its whole share; 0: at once
	PanicPercent int    `json:"panic_percent,omitempty"` // when fewer are fit all are called; 0: only when none is
}

// HealthCheck asks targets how they are. Kind "" is none.
type HealthCheck struct {
	Kind       string `json:"kind,omitempty"`        // "http", "tcp" or "grpc"
	Method     string `json:"method,omitempty"`      // of http: GET
	Path       string `json:"path,omitempty"`        // of http: /
	Status     string `json:"status,omitempty"`      // of http: 200-299; numbers and ranges with commas
	Body       string `json:"body,omitempty"`        // of http: what the answer must hold
	Service    string `json:"service,omitempty"`     // of grpc: which service; "" is the server
	IntervalMS int    `json:"interval_ms,omitempty"` // 10,000
	TimeoutMS  int    `json:"timeout_ms,omitempty"`  // 2,000
	Healthy    int    `json:"healthy,omitempty"`     // that go well in a row before a target gets calls again: 2
	Unhealthy  int    `json:"unhealthy,omitempty"`   // that fail in a row before it gets none: 3
}

// Ejection lets a target rest that fails calls.
type Ejection struct {
	Off         bool `json:"off,omitempty"`
	Failures    int  `json:"failures,omitempty"`     // in a row: 5
	Any5xx      bool `json:"any_5xx,omitempty"`      // every status from 500 is a failure, not 502 to 504 alone
	ForMS       int  `json:"for_ms,omitempty"`       // the first rest, each longer than the last: 10,000
	LongestMS   int  `json:"longest_ms,omitempty"`   // 300,000
	MostPercent int  `json:"most_percent,omitempty"` // of the targets that rest at once, rounded up: 50; never all
}

// Breaker refuses calls at once where too many fail. ErrorPercent 0 is none.
type Breaker struct {
	ErrorPercent int `json:"error_percent,omitempty"`
	WindowMS     int `json:"window_ms,omitempty"`    // over which calls are counted: 10,000
	MinRequests  int `json:"min_requests,omitempty"` // in the window before it may open: 20
	OpenMS       int `json:"open_ms,omitempty"`      // 5,000
	Probes       int `json:"probes,omitempty"`       // calls that must do well before it closes: 3
}

// Concurrency bounds how much an upstream is called at once, by each node. A call
// has a connection to itself by HTTP/1.1, and a stream of one by HTTP/2: to bound
// the calls is to bound the connections in use.
type Concurrency struct {
	MaxRequests    int `json:"max_requests,omitempty"`    // of the whole upstream; 0: no bound
	Queue          int `json:"queue,omitempty"`           // that wait for their turn beyond them
	QueueMS        int `json:"queue_ms,omitempty"`        // for so long: 1,000
	MaxConnections int `json:"max_connections,omitempty"` // in use to one target, or streams; 0: no bound
}

// Retry is what happens to calls that fail: only those are sent again of which
// nothing was sent, or that may be sent twice and whose body is at hand.
type Retry struct {
	Off           bool     `json:"off,omitempty"`
	Attempts      int      `json:"attempts,omitempty"`       // with the first: 3
	On            []string `json:"on,omitempty"`             // "connect", "reset", "timeout", "5xx" or a status from 500; connect and reset
	TryTimeoutMS  int      `json:"try_timeout_ms,omitempty"` // until the answer of one try begins; 0: the upstream's header timeout
	BudgetPercent int      `json:"budget_percent,omitempty"` // of calls that are tried again: 20
	BudgetMin     int      `json:"budget_min,omitempty"`     // retries a second that are always allowed: 10
}

// Discovery finds the targets: the addresses of the upstream then say only the
// scheme, the name and the path. Kind "" is none.
type Discovery struct {
	Kind       string `json:"kind,omitempty"`       // "dns", "srv", "kubernetes" or "consul"
	Service    string `json:"service,omitempty"`    // of srv its name; of kubernetes and consul the service's
	Namespace  string `json:"namespace,omitempty"`  // of kubernetes: default
	Port       string `json:"port,omitempty"`       // of kubernetes: its name or number; "" is the first
	Tag        string `json:"tag,omitempty"`        // of consul: only instances that have it
	Datacenter string `json:"datacenter,omitempty"` // of consul; "" is the agent's
}

// NodeUpstreams is how a version's upstreams are, as one gateway node sees them.
type NodeUpstreams struct {
	Node      string // its name
	Reachable bool
	HeardAt   time.Time
	// Upstreams are those where something is amiss, and those whose targets are
	// looked for; of the others all targets get calls. Partial says that the
	// node had more to tell than a status holds.
	Upstreams []UpstreamHealth
	Partial   bool
}

// UpstreamHealth is how an upstream is.
type UpstreamHealth struct {
	Name    string
	Targets int
	Unfit   int            // of them that get no calls
	Panic   bool           // so many are unfit that all get calls
	Open    bool           // the circuit breaker lets nobody through
	Source  string         // why targets cannot be looked for; "" when they can
	Found   []string       // some of the addresses, where they are looked for
	Worst   []TargetHealth // some of the unfit
}

// TargetHealth is a target that gets no calls. Until is zero where only a check
// can tell.
type TargetHealth struct {
	URL, Address, Why string
	Since, Until      time.Time
}

// NodeTargets is how the targets of a version are, as one gateway node finds
// them when it is asked.
type NodeTargets struct {
	Node      string // its name
	Reachable bool
	Answered  bool // it did, in time
	Upstreams []UpstreamTargets
	More      int // targets that it did not tell of
}

// UpstreamTargets are the targets of an upstream.
type UpstreamTargets struct {
	Name    string
	Targets []TargetState
}

// TargetState is how a target is.
type TargetState struct {
	URL, Address string
	Why          string        // it gets no calls; "" when it does
	Median       time.Duration // until an answer begins, of Calls
	Calls        int           // some of those of the last five minutes
	Check        TargetCheck   // the last one; its time is zero where there was none
}

// TargetCheck is what asking a target found.
type TargetCheck struct {
	At        time.Time
	Took      time.Duration
	Why       string // it is not well; "" when it is
	Connected bool   // only connecting was tried
}
