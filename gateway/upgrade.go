package gateway

import (
	"net/http"
	"strings"

	"portico/gateway/policy"
)

// readUpgrade notes to which protocol a caller wants to switch, such as
// websocket, before what concerns the connection is removed. A wish that cannot
// be fulfilled is no mistake: the call then goes on without it (RFC 9110 section
// 7.8), as does one for HTTP/2, which is had by asking for it at once.
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
			if policy.FoldEqual(strings.Trim(option, " \t"), "upgrade") && !asksHTTP2(value) {
				ex.Upgrade = value
			}
		}
	}
}

func asksHTTP2(value string) bool {
	return policy.FoldEqual(value, "h2c") || policy.FoldEqual(value, "h2")
}
