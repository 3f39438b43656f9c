package describe

var errorPage = About{
	Title:   "Error page",
	Summary: "Says in a body of its own what callers read when a call fails.",
	Text: `The page is chosen by what the caller accepts, with its weights (Accept, RFC 9110): JSON, HTML or plain text, of those that are set here. JSON is always there, the gateway's problem where nothing else is set, and is what callers get who accept anything, or nothing of these.

A page may hold expressions between ${ and }, as the templates of JSON bodies: they see problem (status, title, code, detail, request_id), request and caller. In HTML their values are escaped as the place where they stand wants it: text, attribute, address or script.

Answers of the gateway itself get the page, and with upstream those of the upstream as well; for these the problem's code is upstream_answered. What tells a client more than the body, such as Retry-After, WWW-Authenticate and X-Request-Id, stays. Where several pages fit, the operation's own comes before its API's, that before the environment's, and of one list the first. Calls by gRPC keep their own form, and so do answers to requests that are no HTTP, which no policy sees. A page that cannot be made is left out.`,
	Examples: []Example{
		{"For browsers", `{"statuses": ["4xx", "5xx"], "html": "<!doctype html><title>${problem.title}</title><h1>${problem.title}</h1><p>${problem.detail}</p><p>Tell us this number: ${problem.request_id}</p>"}`},
		{"The company's own form of errors, and no upstream's", `{"statuses": ["4xx", "5xx"], "upstream": true, "json": {"error": {"code": "${problem.code}", "message": "${problem.detail}", "ref": "${problem.request_id}"}}}`},
		{"What must not be told apart", `{"statuses": ["403"], "status": 404, "text": "Nothing is here."}`},
	},
}
