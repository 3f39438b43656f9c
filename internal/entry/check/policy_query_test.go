package check_test

import (
	"testing"

	"portico/internal/entry"
)

func TestQueryParametersAreChangedOnce(t *testing.T) {
	wrong(t, entry.PolicyQuery, map[string]string{
		`{"set": [{"name": "a", "value": "${param.id}"}, {"name": "A", "value": "b"}], "remove": ["utm_*"]}`: "",
		`{"set": [{"name": "a b&=", "value": "c"}]}`:                                                         "",
		`{"set": [{"name": "a", "value": "b"}, {"name": "a", "value": "b"}]}`:                                "set[1].name",
		`{"set": [{"name": "a", "value": "b"}], "rename": [{"from": "b", "to": "a"}]}`:                       "rename[0].to",
		`{"rename": [{"from": "a", "to": "a"}]}`:                                                             "rename[0].to",
		`{"remove": ["filter[*"]}`:                                                                           "",
		`{"remove": [""]}`:                                                                                   "remove[0]",
		`{"remove": ["*"]}`:                                                                                  "remove[0]",
		`{"set": [{"name": "a", "value": "${b}"}]}`:                                                          "set[0].value",
		`{"add": [{"name": "a\n", "value": "b"}]}`:                                                           "add[0].name",
	})
}
