package check_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

func TestTrafficIsCheckedByField(t *testing.T) {
	for name, c := range map[string]struct {
		traffic string
		want    string // of the one problem; "" for none
	}{
		"none":            {`{}`, ""},
		"all":             {`{"balance":{"algorithm":"hash","hash_by":"header:X-Tenant","bound_percent":125,"slow_start_ms":30000,"panic_percent":30},"health":{"kind":"http","method":"GET","path":"/healthz?deep=1","status":"200-204, 429","body":"ok","interval_ms":1000,"timeout_ms":500,"healthy":1,"unhealthy":2},"ejection":{"failures":3,"any_5xx":true,"for_ms":1000,"longest_ms":2000,"most_percent":34},"breaker":{"error_percent":50,"window_ms":1000,"min_requests":5,"open_ms":1000,"probes":1},"concurrency":{"max_requests":100,"queue":10,"queue_ms":50,"max_connections":20},"retry":{"attempts":4,"on":["connect","reset","timeout","5xx","503"],"try_timeout_ms":100,"budget_percent":10,"budget_min":1},"total_timeout_ms":900}`, ""},
		"algorithm":       {`{"balance":{"algorithm":"random"}}`, `balance.algorithm: want round_robin`},
		"hash by nothing": {`{"balance":{"algorithm":"hash"}}`, `balance.hash_by: want caller`},
		"hash by body":    {`{"balance":{"algorithm":"hash","hash_by":"body"}}`, `balance.hash_by: want caller`},
		"hash by header":  {`{"balance":{"algorithm":"hash","hash_by":"header:"}}`, `balance.hash_by: want caller`},
		"hash unasked":    {`{"balance":{"hash_by":"caller"}}`, `balance.hash_by: is of the algorithm hash`},
		"bound":           {`{"balance":{"algorithm":"hash","hash_by":"caller","bound_percent":100}}`, `balance.bound_percent: want 101 to`},
		"check kind":      {`{"health":{"kind":"icmp"}}`, `health.kind: want http`},
		"check no kind":   {`{"health":{"path":"/"}}`, `health.kind: want http`},
		"check path":      {`{"health":{"kind":"http","path":"x"}}`, `health.path: want a path`},
		"check status":    {`{"health":{"kind":"http","status":"2xx"}}`, `health.status: want statuses`},
		"check often":     {`{"health":{"kind":"tcp","interval_ms":10}}`, `health.interval_ms: want 100 to`},
		"check of tcp":    {`{"health":{"kind":"tcp","path":"/x"}}`, `health: method, path`},
		"eject":           {`{"ejection":{"most_percent":101}}`, `ejection.most_percent: want 0 to 100`},
		"eject off":       {`{"ejection":{"off":true,"failures":3}}`, `ejection: is off`},
		"breaker":         {`{"breaker":{"open_ms":1}}`, `breaker.error_percent: is needed`},
		"queue":           {`{"concurrency":{"queue":1}}`, `concurrency.max_requests: is needed`},
		"retry on":        {`{"retry":{"on":["connect","404"]}}`, `retry.on[1]: want connect`},
		"retry twice":     {`{"retry":{"on":["503","503"]}}`, `retry.on[1]: 503 stands there twice`},
		"retry much":      {`{"retry":{"attempts":11}}`, `retry.attempts: want 0 to 10`},
		"total":           {`{"total_timeout_ms":-1}`, `total_timeout_ms: want 0 to`},
		"find":            {`{"discovery":{"kind":"zookeeper"}}`, `discovery.kind: want dns`},
		"find what":       {`{"discovery":{"kind":"consul"}}`, `discovery.service: is empty`},
		"find path":       {`{"discovery":{"kind":"consul","service":"../kv"}}`, `discovery.service: "../kv" is not a name`},
		"find all":        {`{"discovery":{"kind":"kubernetes","service":"orders","namespace":".."}}`, `discovery.namespace: want a namespace's name`},
		"find up":         {`{"discovery":{"kind":"consul","service":".."}}`, `discovery.service: ".." is not a name`},
		"find in":         {`{"discovery":{"kind":"dns","namespace":"shop"}}`, `discovery.namespace: is of kubernetes`},
		"find tag":        {`{"discovery":{"kind":"dns","tag":"x"}}`, `discovery.tag: is of consul`},
	} {
		t.Run(name, func(t *testing.T) {
			a := goodAPI()
			var traffic entry.Traffic
			if err := json.Unmarshal([]byte(c.traffic), &traffic); err != nil {
				t.Fatal(err)
			}
			a.Upstreams[0].Traffic = traffic
			wrong := check.API(a)
			if c.want == "" {
				if len(wrong) > 0 {
					t.Errorf("refused: %v", wrong)
				}
				return
			}
			if len(wrong) != 1 || !strings.HasPrefix(wrong[0].Field+": "+wrong[0].Reason, "upstreams[0].traffic."+c.want) {
				t.Errorf("got %v, want %q", wrong, c.want)
			}
		})
	}
	a := goodAPI()
	a.Upstreams[0].Targets[0].Weight = 1001
	if wrong := check.API(a); len(wrong) != 1 || wrong[0].Field != "upstreams[0].targets[0].weight" {
		t.Errorf("a weight: %v", wrong)
	}
}
