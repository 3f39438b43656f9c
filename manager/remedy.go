package manager

import (
	"strings"

	"portico/internal/entry"
)

// policyRemedy says what would have let a call past a policy that has refused it,
// or its answer, for what it holds; "" for other refusals.
func policyRemedy(x entry.Explanation) string {
	switch x.Code {
	case "request_invalid":
		if refusedBy(x) != string(entry.PolicyValidate) {
			return ""
		}
		return "A call as the version's document describes it, or validation that only reports: " + x.Detail
	case "media_type_not_supported", "content_type_refused":
		return "A body of a media type that is taken here: " + x.Detail
	case "not_acceptable":
		return "A call whose Accept takes what the operation can answer with: " + x.Detail
	case "body_invalid":
		return "A body that is well formed, and no deeper or larger than the policy reads: " + x.Detail
	case "body_unsuitable":
		return "A body that has what the policy changes in it, or a change that can do without: " + x.Detail
	case "encoding_unsupported":
		return "A body that is not packed, or in a coding that can be read here: " + x.Detail
	case "answer_unusable":
		return "An upstream whose answer can be read and changed, or a policy that leaves such answers alone: " + stepDetail(x)
	case "composition_failed":
		return "All required parts answering well and in time, or parts that are optional: " + stepDetail(x)
	case "request_blocked":
		return "A request in which the rules find less, or an exclusion where they are mistaken: " + stepDetail(x)
	case "header_too_large", "uri_too_long":
		return "A shorter request, or a higher limit: " + x.Detail
	case "address_refused":
		return "A call from an address that may call: " + stepDetail(x)
	case "bot_refused":
		return "A program that is not among the bots that are refused: " + stepDetail(x)
	case "cors_refused":
		return "The page's origin, method and headers among those that may call: " + stepDetail(x)
	case "not_cached":
		return "A stored answer that is fresh enough, or a call without only-if-cached"
	case "credential_restricted":
		return "A call from where the credential may be used; its application's people can change that"
	}
	if rule, ok := strings.CutPrefix(x.Code, "graphql_"); ok {
		return graphQLRemedy(rule, x)
	}
	return ""
}

// graphQLRemedy is policyRemedy of what the guard of GraphQL refuses.
func graphQLRemedy(rule string, x entry.Explanation) string {
	switch rule {
	case "too_deep", "too_costly", "too_many_aliases", "batch_too_large":
		return "A smaller call, or a higher limit: " + x.Detail
	case "introspection_off":
		return "A call that does not ask for the schema, or the guard letting it be read"
	case "field_not_allowed", "operation_not_allowed":
		return "A call for what is allowed, or allowing it in the guard: " + x.Detail
	}
	return "A call that is valid GraphQL: " + x.Detail
}

// refusedBy is the step that refused a call; "" where none did.
func refusedBy(x entry.Explanation) string {
	for _, s := range x.Steps {
		if s.Outcome == entry.ExplainRefused {
			return s.Step
		}
	}
	return ""
}
