package policy

import (
	"net/url"
	"strings"

	"portico/internal/entry/render"
)

// uses says which inputs a template, or a change, reads.
type uses interface{ Uses(input string) bool }

// inputsOf gathers what a template reads of an exchange, and nothing else. It
// holds as long as the exchange.
func inputsOf(ex *Exchange, of uses) *render.Inputs {
	in := &render.Inputs{}
	if of.Uses("request") {
		in.Request.Method, in.Request.Host, in.Request.Path = ex.Method, ex.Host, ex.Path.Decoded
		if ex.Scope != nil {
			in.Request.Operation = ex.Scope.Operation
		}
		if of.Uses("request.address") {
			in.Request.Address = ex.Client.Unmap().String()
		}
		if of.Uses("request.params") {
			in.Request.Params = make(map[string]string, ex.Params.Len())
			for i := range ex.Params.Len() {
				name, value := ex.Params.At(i)
				in.Request.Params[name] = value
			}
		}
		if of.Uses("request.query") {
			in.Request.Query = queryOf(ex.Query)
		}
		if of.Uses("request.headers") {
			in.Request.Headers = headersOf(&ex.Header)
		}
	}
	if of.Uses("answer") {
		in.Answer.Status = ex.Answer.Status
		if of.Uses("answer.headers") {
			in.Answer.Headers = headersOf(&ex.Answer.Header)
		}
	}
	if grant := ex.Caller.Grant; grant != nil && of.Uses("caller") {
		in.Caller.Application, in.Caller.Name, in.Caller.Tenant = "app_"+grant.Application.String(), grant.Name, "ten_"+grant.Tenant.String()
		if sub := ex.Caller.Subscription; sub != nil {
			in.Caller.Plan = "plan_" + sub.Terms.Plan.String()
			if terms := sub.Terms.Load(); terms != nil {
				in.Caller.PlanName = terms.Name
			}
		}
	}
	return in
}

// headersOf returns the fields by their names in lower case. Fields of one name
// are one, with commas.
func headersOf(h *Header) map[string]string {
	out := make(map[string]string, len(h.Fields()))
	for _, f := range h.Fields() {
		name := strings.ToLower(f.Name)
		if before, ok := out[name]; ok {
			out[name] = before + ", " + f.Value
		} else {
			out[name] = f.Value
		}
	}
	return out
}

// queryOf returns the parameters of a query that can be read; the first of a
// name counts.
func queryOf(query string) map[string]string {
	values, _ := url.ParseQuery(query) // what can be read is there all the same
	out := make(map[string]string, len(values))
	for name, list := range values {
		out[name] = list[0]
	}
	return out
}
