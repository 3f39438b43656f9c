package gateway_test

import (
	"strings"
	"testing"

	"portico/internal/entry"
)

// The subscription that a call was counted for is named, and the one that was not
// enough for it; of somebody who is not subscribed nothing is.
func TestAnExplanationNamesTheSubscription(t *testing.T) {
	r := startExplaining(t)
	waiting, stranger := demoGrant(), demoGrant()
	waiting.Subscriptions[0].State = entry.Pending
	stranger.Subscriptions = nil
	r.put(t, 3, grantItem(t, 3, mint(2), waiting), grantItem(t, 3, mint(3), stranger))
	subscription := strings.ReplaceAll(demoGrant().Subscriptions[0].ID, "-", "")
	for _, c := range []struct{ name, key, code, want string }{
		{"active", goodKey, "", subscription},
		{"waiting", mint(2), "subscription_pending", subscription},
		{"none", mint(3), "subscription_missing", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, way := r.explain(t, token(), "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+c.key); way.SubscriptionUUID != c.want || way.Code != c.code {
				t.Errorf("got %q with %q, want %q with %q", way.SubscriptionUUID, way.Code, c.want, c.code)
			}
		})
	}
}

// A limit says how much of it is left, when the next call is let through, and that
// no other node has a part in that.
func TestALimitsTraceSaysWhoCounts(t *testing.T) {
	r := startExplaining(t)
	terms := demoTerms()
	terms.Limits = []entry.RateLimit{{Requests: 1, PeriodMS: 3_600_000}}
	r.put(t, 3, item(t, 3, terms))
	key := "X-API-Key: " + goodKey
	r.call(t, "GET", "/demo/orders/v1/orders", "", key)
	_, way := r.explain(t, token(), "GET", "/demo/orders/v1/orders", "", key)
	last := entry.ExplainedStep{}
	for _, s := range way.Steps {
		if s.Outcome == entry.ExplainRefused {
			last = s
		}
	}
	if last.Step != "plan_limit" || !strings.Contains(last.Detail, "0 left; the next call is let through in ") || !strings.HasSuffix(last.Detail, ", as this node counts, which counts alone") {
		t.Errorf("got %+v", last)
	}
}
