package portal

import (
	"slices"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/entry/describe"
)

// limitLabel is what a row of a comparison calls the policies of a kind.
func limitLabel(kind entry.PolicyKind) string {
	switch kind {
	case entry.PolicyConcurrency:
		return "Under way"
	case entry.PolicySpikeArrest:
		return "Pace"
	}
	return "Calls"
}

// planPolicies says what the policies of a plan admit that are in force, by their
// kinds: "10 calls at once".
func planPolicies(p apim.Plan) map[entry.PolicyKind][]string {
	out := map[entry.PolicyKind][]string{}
	for _, one := range p.Policies {
		if one.Off {
			continue
		}
		parsed, err := entry.ParsePolicy(entry.PolicyKind(one.Kind), one.Config)
		if err != nil {
			continue // no node has it either
		}
		out[parsed.Kind()] = append(out[parsed.Kind()], describe.Limit(parsed.Config))
	}
	return out
}

// limitKinds are the kinds of policies that any of the plans has, in the order in
// which they are told.
func limitKinds(plans ...apim.Plan) []entry.PolicyKind {
	return slices.DeleteFunc([]entry.PolicyKind{entry.PolicyRateLimit, entry.PolicySpikeArrest, entry.PolicyConcurrency}, func(kind entry.PolicyKind) bool {
		return !slices.ContainsFunc(plans, func(p apim.Plan) bool { return len(planPolicies(p)[kind]) > 0 })
	})
}

// limitRows are a plan's policies as rows for those kinds.
func limitRows(p apim.Plan, kinds []entry.PolicyKind) []planRow {
	admits := planPolicies(p)
	var rows []planRow
	for _, kind := range kinds {
		value := "—"
		if texts := admits[kind]; len(texts) > 0 {
			value = strings.Join(texts, "; ")
		}
		rows = append(rows, planRow{Label: limitLabel(kind), Value: value})
	}
	return rows
}
