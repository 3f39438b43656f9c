package entry

// PolicyCache is the kind of CachePolicy.
const PolicyCache PolicyKind = "cache"

// CachePolicy is the configuration of the policy "cache": answers are kept in the
// node's memory after RFC 9111. The zero value keeps what says itself for how long
// it is fresh, for each application apart.
type CachePolicy struct {
	Public bool `json:"public,omitempty" help:"All callers share the answers. Off: each application gets its own."`

	DefaultTTLMS           int64 `json:"default_ttl_ms,omitempty" help:"How long an answer is fresh that does not say so itself, in milliseconds. 0: such an answer is not kept." min:"0" max:"31622400000"`
	HeuristicPercent       int64 `json:"heuristic_percent,omitempty" help:"An answer that does not say how long it is fresh, but when it changed last (Last-Modified), is fresh for this share of the time since then, a day at most; before the default. 10 is usual. 0: no guess." min:"0" max:"100"`
	MaxTTLMS               int64 `json:"max_ttl_ms,omitempty" help:"The longest that an answer is fresh, whatever it says, in milliseconds. 0: as long as it says." min:"0" max:"31622400000"`
	StaleWhileRevalidateMS int64 `json:"stale_while_revalidate_ms,omitempty" help:"For how long an answer that is fresh no more is given at once, while a new one is fetched in the background, in milliseconds. An answer may say so itself." min:"0" max:"31622400000"`
	StaleIfErrorMS         int64 `json:"stale_if_error_ms,omitempty" help:"For how long an answer that is fresh no more is given where the upstream fails, in milliseconds. An answer may say so itself." min:"0" max:"31622400000"`

	Vary          []string `json:"vary,omitempty" help:"Headers of the request on which answers depend although they do not say so in Vary."`
	IgnoreQuery   []string `json:"ignore_query,omitempty" help:"Query parameters that make no difference, such as utm_source. They are not sent to the upstream either."`
	IgnoreCookies bool     `json:"ignore_cookies,omitempty" help:"Answer calls with cookies from the cache too. Only where no answer depends on a cookie: cookies are not sent to the upstream then."`

	MaxEntryBytes int64 `json:"max_entry_bytes,omitempty" help:"The largest body that is kept, in bytes. 0: 1 MiB." min:"0" max:"16777216"`
}

// Kind implements PolicyConfig.
func (*CachePolicy) Kind() PolicyKind { return PolicyCache }
