package check_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
)

func TestHeadersOfTheConnectionAndTheGatewayCannotBeChanged(t *testing.T) {
	cases := map[string]string{
		`{"set": [{"name": "X-A", "value": "a"}], "add": [{"name": "X-B", "value": "b"}, {"name": "x-b", "value": "c"}], "remove": ["X-C", "X-D-*"]}`: "",
		`{"set": [{"name": "X-A", "value": "a"}, {"name": "x-a", "value": "b"}]}`:                                                                     "set[1].name",
		`{"set": [{"name": "X-A", "value": "a"}], "remove": ["x-a"]}`:                                                                                 "remove[0]",
		`{"set": [{"name": "X-A", "value": "a"}], "rename": [{"from": "X-B", "to": "x-A"}]}`:                                                          "rename[0].to",
		`{"rename": [{"from": "X-B", "to": "x-b"}]}`:                                                                                                  "rename[0].to",
		`{"rename": [{"from": "Host", "to": "X-Host"}]}`:                                                                                              "rename[0].from",
		`{"set": [{"name": "X-A", "value": ""}]}`:                                                                                                     "set[0].value",
		`{"set": [{"name": "X-A", "value": "${caller.secret}"}]}`:                                                                                     "set[0].value",
		`{"set": [{"name": "X-A", "value": "a\r\nX-B: b"}]}`:                                                                                          "set[0].value",
		`{"set": [{"name": "X A", "value": "a"}]}`:                                                                                                    "set[0].name",
		`{"set": [{"name": "X-*", "value": "a"}]}`:                                                                                                    "set[0].name",
		`{"set": [{"name": "X-A", "value": "a"}], "remove": ["x-*"]}`:                                                                                 "remove[0]",
		`{"rename": [{"from": "X-A-Id", "to": "X-B"}], "remove": ["X-A-*"]}`:                                                                          "",
		`{"rename": [{"from": "X-B", "to": "X-A-Id"}], "remove": ["X-A-*"]}`:                                                                          "remove[0]",
		`{"remove": ["*"]}`:             "remove[0]",
		`{"remove": ["X-Forwarded-*"]}`: "remove[0]",
		`{"remove": ["X-**"]}`:          "remove[0]",
		`{"remove": [` + strings.TrimSuffix(strings.Repeat(`"X-A-*",`, 33), ",") + `]}`: "remove",
	}
	for _, name := range []string{
		"Host", "content-length", "Transfer-Encoding", "Connection", "TE", "Trailer", "Upgrade", "Expect", "Keep-Alive",
		"Proxy-Authorization", "Forwarded", "X-Forwarded-For", "X-Real-IP", "X-Request-Id", "X-Portico-Explain",
	} {
		cases[`{"set": [{"name": "`+name+`", "value": "a"}]}`] = "set[0].name"
	}
	wrong(t, entry.PolicyHeaders, cases)
	wrong(t, entry.PolicyAnswerHeaders, map[string]string{
		`{"remove": ["Server"], "statuses": "200-299, 404", "own": true}`: "",
		`{"remove": ["Server"], "statuses": "ok"}`:                        "statuses",
		`{"remove": ["RateLimit"]}`:                                       "remove[0]",
		`{"set": [{"name": "Grpc-Status", "value": "0"}]}`:                "set[0].name",
		`{"set": [{"name": "Content-Length", "value": "0"}]}`:             "set[0].name",
	})
}
