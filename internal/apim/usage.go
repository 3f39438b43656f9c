package apim

import "time"

// Usage is what was called in one minute by one application of one operation,
// as far as it ended alike. What is known of a call is in it, but for what tells
// it from others.
type Usage struct {
	ID                string // made of all that is not counted
	Tenant            ID     // that offers the version; "" for calls of no API
	ApplicationTenant ID     // "" for calls of nobody
	Environment       string
	Minute            time.Time // its beginning
	Version           ID
	Operation         string
	Application       ID
	Subscription      ID
	Plan              ID
	Status            int    // 0: the node ended before the call did
	Code              string // of a refusal; "lost" for calls that a node gave up counting

	Calls             int64
	BytesIn, BytesOut int64
	TookUS            int64   // sum, in microseconds
	UpstreamUS        int64   // sum, until the head of the upstream's answer
	Took              []int64 // how many took how long, UsageBuckets of them
}

// UsageBuckets is how many ranges of durations are told apart.
const UsageBuckets = 13

// UsageLost is the code of calls that a node gave up counting for want of room:
// how many they were is all that is known.
const UsageLost = "lost"

// UsagePiece is a piece of a node's spool, added up. Its lines have neither id
// nor tenants.
type UsagePiece struct {
	Environment, Node string
	Spool             string
	Segment           int64
	From, To          int64 // places in the segment: From is in it, To is not
	Lines             []Usage
}

// UsageFilter narrows usage. Its zero value takes all.
type UsageFilter struct {
	Environment string
	API         ID
	Version     ID
	Application ID
	Status      int       // 0 is any
	From, To    time.Time // of minutes; From is in it, To is not; zero: no bound
}
