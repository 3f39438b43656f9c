package gateway

import (
	"time"

	"portico/gateway/policy"
	"portico/gateway/usage"
)

// takeSlot gives a call its place in the spool, before anything can refuse it.
func (n *Node) takeSlot(ex *policy.Exchange) {
	ex.Usage.Slot = n.usage.Take(ex.Shard, &usage.Begin{At: ex.Now, Method: ex.Method, RequestID: ex.RequestID, Address: ex.Client})
}

// completeSlot says in it what became of the call.
func (n *Node) completeSlot(ex *policy.Exchange, status int, took time.Duration) {
	c := usage.Call{Version: ex.Usage.Version, Status: status, Code: ex.Code, BytesIn: ex.Received(), BytesOut: ex.Sent, Took: took, Upstream: ex.Waited}
	if ex.Scope != nil {
		c.Operation = ex.Scope.Operation
	}
	if grant := ex.Caller.Grant; grant != nil {
		c.Application, c.Credential = grant.Application, grant.Credential
	}
	if sub := ex.Caller.Subscription; sub != nil {
		c.Subscription, c.Plan = sub.ID, sub.Terms.Plan
	}
	n.usage.Complete(ex.Usage.Slot, &c)
}
