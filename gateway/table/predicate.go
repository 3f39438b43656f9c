package table

import (
	"strings"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// pick returns the first route whose predicates hold.
func (s *several) pick(ex *policy.Exchange) *Route {
	routes := s.routes
	if s.index != nil {
		if value, plain := predicateValue(ex, routes[0].predicates[0]); plain {
			for _, r := range s.index[value] {
				if holds(ex, r.predicates) {
					return r
				}
			}
			routes = s.index[""]
		}
	}
	for _, r := range routes {
		if holds(ex, r.predicates) {
			return r
		}
	}
	return nil
}

// indexPredicates makes a long list of routes that all ask for a value of one
// header or parameter (X-Amz-Target) as cheap as one. Those without a predicate
// stand under "".
func indexPredicates(routes []*Route) map[string][]*Route {
	if len(routes) <= 8 || len(routes[0].predicates) == 0 {
		return nil
	}
	first := routes[0].predicates[0]
	index := map[string][]*Route{}
	for _, r := range routes {
		value := ""
		if len(r.predicates) > 0 {
			p := r.predicates[0]
			if value = p.Value; value == "" || p.In != first.In || p.Name != first.Name {
				return nil
			}
		}
		index[value] = append(index[value], r)
	}
	return index
}

// predicateValue returns the value that the request has, and whether it can be
// looked up as it stands.
func predicateValue(ex *policy.Exchange, p entry.Predicate) (value string, plain bool) {
	if p.In == "header" {
		value, _ = ex.Header.Value(p.Name)
		return value, true
	}
	value, _ = policy.QueryValue(ex.Query, p.Name)
	return value, !strings.ContainsAny(value, "%+")
}

// holds asks that each name is there exactly once: of several, the upstream
// might read another than the gateway.
func holds(ex *policy.Exchange, predicates []entry.Predicate) bool {
	for i := range predicates {
		p := &predicates[i]
		if p.In == "query" {
			raw, count := policy.QueryValue(ex.Query, p.Name)
			if count != 1 || p.Value != "" && !policy.QueryEqual(raw, p.Value) {
				return false
			}
			continue
		}
		count, value := 0, ""
		for _, f := range ex.Header.Fields() {
			if policy.FoldEqual(f.Name, p.Name) {
				count++
				value = f.Value
			}
		}
		if count != 1 || p.Value != "" && value != p.Value {
			return false
		}
	}
	return true
}
