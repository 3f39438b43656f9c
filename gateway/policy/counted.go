package policy

// counted is what a limit counts by.
type counted struct {
	by, name string
	version  ID
}

// The marks that keep the values of callers apart from addresses, which they
// could otherwise imitate.
const (
	byValue   = 0x76616c7565
	byGranted = 0x6772616e74
)

// key returns the key under which a call counts for a limit. A call that lacks
// what is counted by is an address.
func (c *counted) key(m *Limiter, limit uint64, ex *Exchange) uint64 {
	switch c.by {
	case "api":
		return m.key(limit, c.version[:])
	case "caller":
		if ex.Caller.Grant != nil {
			return m.key(limit^byGranted, ex.Caller.Grant.Application[:])
		}
	case "credential":
		if ex.Caller.Grant != nil {
			return m.key(limit^byGranted, ex.Caller.Grant.Credential[:])
		}
	case "header":
		if value, ok := ex.Header.Value(c.name); ok && value != "" {
			return m.key(limit^byValue, bytesOf(value))
		}
	case "query":
		if raw, _ := QueryValue(ex.Query, c.name); raw != "" {
			n := len(ex.Scratch())
			grown := appendQueryText(ex.Scratch(), raw)
			ex.Grow(grown[:n]) // nobody needs the text any more
			return m.key(limit^byValue, grown[n:])
		}
	}
	address := ex.Client.Unmap().As16()
	if ex.Client.Is6() && !ex.Client.Is4In6() {
		clear(address[8:]) // one customer has a whole /64 to choose from
	}
	return m.key(limit, address[:])
}

// text is what a limit is told to be by: "address", "header X-Customer".
func (c *counted) text() string {
	if c.name == "" {
		return c.by
	}
	return c.by + " " + c.name
}
