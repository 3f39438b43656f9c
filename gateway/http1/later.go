package http1

// Later holds a request that came by a later version of HTTP to the rules of
// this one, so that it means the same wherever it is passed on. Begin, then
// Field for each field, then End. The zero value is ready for use.
type Later struct {
	head    Head
	framing framing
	bytes   int
	fields  int
}

// fieldCost is what a field counts for beside its name and value: colon, space
// and line end.
const fieldCost = 4

// Begin reads what stands for the request line. authority is "" when only the
// field Host says it.
func (l *Later) Begin(method, target, authority string) *Error {
	l.framing, l.bytes, l.fields = framing{}, len(method)+len(target)+len(authority), 0
	h := &l.head
	h.Method, h.Target, h.Path, h.Query, h.Host, h.Minor, h.Length, h.Upgrade, h.Close, h.Expects = "", "", "", "", "", 1, 0, false, false, false
	switch {
	case !IsToken(method) || target == "":
		return bad("The request has no method or no path.")
	case target[0] != '/' && target != "*":
		return bad("The request's path does not begin with a slash.")
	}
	if err := h.request(method, target); err != nil {
		return err
	}
	if authority == "" {
		return nil
	}
	if !ValidAuthority(authority) {
		return bad("The request's authority is not a host with an optional port.")
	}
	h.Host = authority
	return nil
}

// Field checks one field.
func (l *Later) Field(name, value string) *Error {
	if l.fields++; l.fields > MaxFields {
		return &Error{431, "The request has more than 100 header fields. Send fewer."}
	}
	if l.bytes += len(name) + len(value) + fieldCost; l.bytes > MaxHeadBytes {
		return HeadTooLarge()
	}
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Upgrade":
		return bad("The header " + name + " has no place in HTTP/2. Leave it out.")
	}
	return l.framing.field(&l.head, Field{name, value})
}

// End checks what all of it says together.
func (l *Later) End() *Error {
	if !l.framing.host {
		if l.head.Host == "" {
			return bad("The request has no authority.")
		}
		l.framing.host, l.framing.hostValue = true, l.head.Host
	}
	return l.framing.check(&l.head)
}
