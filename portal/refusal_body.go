package portal

// bodyRefusals are of policies that read bodies.
func bodyRefusals() []refusal {
	return []refusal{
		{
			Code: "body_invalid", Status: 400, Title: "The body cannot be read", Group: groupRequest,
			Happened: "The body is not what its `Content-Type` says, or is nested deeper, or holds more, than any sensible one.",
			Means:    "The gateway reads this body before the API sees it, and did not forward the request. The answer's `detail` says what is wrong.",
			Do: []string{
				"Make the body with your language's JSON or XML library instead of by hand.",
				"In XML, leave out `<!DOCTYPE`, and entities of your own: they are refused.",
				"Send UTF-8.",
			},
			Retry: retryNever,
		},
		{
			Code: "body_unsuitable", Status: 400, Title: "The body lacks what the API needs", Group: groupRequest,
			Happened: "The body is JSON, and the gateway could not make of it what the API behind it reads: a field is missing, or has another type than it should.",
			Means:    "The request was not forwarded. The answer's `detail` names the step that did not work.",
			Do:       []string{"Compare the body with the example in the reference.", "If they are alike, tell the provider, with the request id."},
			Retry:    retryNever,
		},
		{
			Code: "encoding_unsupported", Status: 415, Title: "The body is compressed", Group: groupRequest,
			Happened: "The request has a `Content-Encoding` that this API does not take.",
			Means:    "The request was not forwarded.",
			Do:       []string{"Send the body as it is, without `Content-Encoding`."},
			Retry:    retryNever,
		},
		{
			Code: "graphql_operation_not_allowed", Status: 403, Title: "Operations do not come over a WebSocket here", Group: groupRequest,
			Happened: "The request asks for a WebSocket, and this API looks at every operation of GraphQL before it runs.",
			Means:    "The connection was not opened.",
			Do:       []string{"Send queries and mutations by POST.", "Ask the provider whether subscriptions are offered in another way."},
			Retry:    retryNever,
		},
		{
			Code: "answer_unusable", Status: 502, Title: "The API's answer could not be changed as it has to be", Group: groupUpstream,
			Happened: "The API answered, and the gateway could not read the answer, or not do with it what the provider has set.",
			Means:    "The API may have done what you asked for. Its answer is not sent, since it may hold what callers must not see.",
			Do:       []string{"Look whether the change was made, before you send the request again.", "Tell the provider, with the request id."},
			Retry:    "Only if the operation may be called twice.",
		},
	}
}
