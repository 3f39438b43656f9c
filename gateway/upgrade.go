package gateway

import (
	"net/http"
	"strings"

	"portico/gateway/policy"
)

// readUpgrade notes to which protocol a caller wants to switch, such as
// websocket, before what concerns the connection is removed. A wish that cannot
// be fulfilled is no mistake: the call then goes on without it (RFC 9110 section
// 7.8), as does one for a protocol in which calls come.
func readUpgrade(ex *policy.Exchange) {
	value, ok := ex.Header.Value("Upgrade")
	if !ok || ex.Method != http.MethodGet || ex.Body != nil || ex.Proto != "HTTP/1.1" {
		return
	}
	for _, f := range ex.Header.Fields() {
		if !policy.FoldEqual(f.Name, "Connection") {
			continue
		}
		for option := range strings.SplitSeq(f.Value, ",") {
			if policy.FoldEqual(strings.Trim(option, " \t"), "upgrade") && !asksHTTP(value) {
				ex.Upgrade = value
			}
		}
	}
}

// asksHTTP reports whether one of the protocols of a wish is HTTP, in a later
// version or within TLS. An upstream that switched to it would take calls that no
// table has matched and no chain has seen. HTTP/2 is had of the gateway, by asking
// for it at once.
func asksHTTP(value string) bool {
	for protocol := range strings.SplitSeq(value, ",") {
		name, _, _ := strings.Cut(strings.Trim(protocol, " \t"), "/")
		for _, carries := range [...]string{"h2c", "h2", "h3", "HTTP", "TLS"} {
			if policy.FoldEqual(name, carries) {
				return true
			}
		}
	}
	return false
}
