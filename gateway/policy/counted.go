package policy

import (
	"strconv"

	"portico/internal/entry/expression"
)

// declared is where a limit is set.
type declared struct {
	version   ID     // of an API, or of one of its operations
	operation string // "" where it is not an operation's
	planned   bool   // it is a plan's, for each of whose subscriptions it counts
	plan      string // the plan's name
}

// state is what keeps the counts of a limit apart from those of one that says the
// same elsewhere.
func (d declared) state() string {
	if d.planned {
		return "plan"
	}
	return d.version.String() + d.operation
}

// text says for what a call is one too many.
func (d declared) text() string {
	switch {
	case d.planned:
		return "the plan " + d.plan
	case d.operation != "":
		return "this operation"
	case d.version != ID{}:
		return "this API"
	}
	return "this environment"
}

// counted is what a limit counts by.
type counted struct {
	by, name string
	program  *expression.Program // nil for none
	version  ID
	planned  bool // each subscription counts for itself
}

// newCounted compiles what passed entry/check.
func newCounted(by, name, source string, at declared) counted {
	c := counted{by: by, name: name, version: at.version, planned: at.planned}
	if by == "expression" {
		if program, err := expression.Compile(source, expression.Text); err == nil {
			c.program = program
		}
	}
	return c
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
	version := &c.version
	if sub := ex.Caller.Subscription; c.planned && sub != nil {
		if c.by == bySubscription {
			return m.key(limit, sub.ID[:])
		}
		limit, version = m.key(limit, sub.ID[:]), &ex.Scope.Version
	}
	switch c.by {
	case "api":
		return m.key(limit, version[:])
	case bySubscription:
		if sub := ex.Caller.Subscription; sub != nil {
			return m.key(limit^byGranted, sub.ID[:])
		}
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
			return keyOf(m, limit, ex, appendQueryText(ex.Scratch(), raw))
		}
	case "claim":
		if text := appendClaim(ex.Scratch(), &ex.Caller, c.name); len(text) > len(ex.Scratch()) {
			return keyOf(m, limit, ex, text)
		}
	case "expression":
		if key, ok := c.expressed(m, limit, ex); ok {
			return key
		}
	}
	address := ex.Client.Unmap().As16()
	if ex.Client.Is6() && !ex.Client.Is4In6() {
		clear(address[8:]) // one customer has a whole /64 to choose from
	}
	return m.key(limit, address[:])
}

// keyOf returns the key of what was appended to the exchange's scratch, where it
// is not needed any more.
func keyOf(m *Limiter, limit uint64, ex *Exchange, grown []byte) uint64 {
	n := len(ex.Scratch())
	ex.Grow(grown[:n])
	return m.key(limit^byValue, grown[n:])
}

// expressed returns the key of what the expression comes to; false where that is
// nothing.
func (c *counted) expressed(m *Limiter, limit uint64, ex *Exchange) (uint64, bool) {
	if c.program == nil {
		return 0, false
	}
	run := BeginExpression(c.program, ex)
	defer c.program.End(run)
	text, err := run.Text()
	return m.key(limit^byValue, bytesOf(text)), err == nil && text != ""
}

// appendClaim appends a claim's value with the token's issuer, since each has
// its own names for its callers. It appends nothing where there is no claim, or
// one that is neither a text nor a number.
func appendClaim(dst []byte, caller *Caller, name string) []byte {
	value, ok := caller.Claims.Value(name)
	if !ok {
		return dst
	}
	n := len(dst)
	dst = append(append(dst, caller.Claims.Text("iss")...), 0)
	switch v := value.(type) {
	case string:
		if v != "" {
			return append(dst, v...)
		}
	case []any:
		if text := caller.Claims.Text(name); text != "" {
			return append(dst, text...)
		}
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	}
	return dst[:n]
}

// text is what a limit is told to be by: "address", "header X-Customer".
func (c *counted) text() string {
	if c.name == "" {
		return c.by
	}
	return c.by + " " + c.name
}
