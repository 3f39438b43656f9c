package describe_test

import (
	"testing"

	"portico/internal/entry"
	"portico/internal/entry/describe"
)

func TestLimitsAreToldInAFewWords(t *testing.T) {
	for want, config := range map[string]entry.PolicyConfig{
		"60 calls per minute, 20 at once":                                        &entry.RateLimit{Requests: 60, PeriodMS: 60_000, Burst: 20, By: "subscription"},
		"1,000 calls in any hour for each key":                                   &entry.RateLimit{Requests: 1000, PeriodMS: 3_600_000, Algorithm: entry.AlgorithmSlidingWindow, By: "credential"},
		"1 call per 90 min for each value of the header X":                       &entry.RateLimit{Requests: 1, PeriodMS: 5_400_000, By: "header", Name: "X"},
		"5 calls per 250 ms for each address":                                    &entry.RateLimit{Requests: 5, PeriodMS: 250, By: "address"},
		"1,234,567 calls per 1.5s for each API":                                  &entry.RateLimit{Requests: 1234567, PeriodMS: 1500, By: "api"},
		"10 calls at once; 5 more may wait 2 s":                                  &entry.ConcurrencyLimit{Calls: 10, By: "subscription", Queue: entry.Queue{Length: 5, WaitMS: 2000}},
		"30 calls per minute, evenly apart for each value of the parameter shop": &entry.SpikeArrest{Requests: 30, Per: "minute", By: "query", Name: "shop"},
		"9 calls at once for each value of an expression":                        &entry.ConcurrencyLimit{Calls: 9, By: "expression"},
		"9 calls at once for each value of the claim sub":                        &entry.ConcurrencyLimit{Calls: 9, By: "claim", Name: "sub"},
		"7 calls per 2 days":                                                     &entry.RateLimit{Requests: 7, PeriodMS: 172_800_000, By: "caller"},
		"":                                                                       &entry.KeyPolicy{},
	} {
		if got := describe.Limit(config); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for _, kind := range entry.PolicyKinds() {
		if told := describe.Limit(entry.NewPolicyConfig(kind)) != ""; told != (kind.Stage() == entry.Limit) {
			t.Errorf("%s is told: %v", kind, told)
		}
	}
}
