package describe

// places tells of value.Parse to those who write values.
const places = `In values, places are filled in for each call: ${request.id}, ${request.method}, ${request.host}, ${request.path}, ${client.address}, ${caller.application}, ${caller.application_id}, ${caller.plan}, ${api.name}, ${api.operation}, ${param.NAME} for a path parameter, ${header.NAME} for a header of the request and ${query.NAME} for a query parameter. Write $${ for the text ${ itself. A value has at most 16 places; filled in, it has at most 8 KiB, or the call is refused with the code request_invalid. What is not there is filled in as nothing.`

var headers = About{
	Title:   "Headers",
	Summary: "Sets, adds, renames and removes headers of requests before the upstream.",
	Text: `The changes are made in this order: set, add, rename, remove. One name is changed in one list alone, but for several values that are added to it. A header that gets a name which is there already takes its place.

` + places + ` A header whose value comes out empty is left out; where it is set, whatever the caller sent under its name goes too, so that nobody can speak in the gateway's place. A value that would hold a control character is refused.

Headers of the connection (Connection, Transfer-Encoding, Content-Length, Host and their like) and those that the gateway writes itself (Forwarded, X-Forwarded-*, X-Real-IP, X-Request-Id, X-Portico-*) cannot be changed. Values are stored in clear: secrets for the upstream belong into its own headers, where they are sealed.`,
	Examples: []Example{
		{"Tell the upstream who calls", `{"set": [{"name": "X-Application", "value": "${caller.application_id}"}, {"name": "X-Plan", "value": "${caller.plan}"}], "remove": ["Cookie", "X-Internal-*"]}`},
		{"An old name for a header", `{"rename": [{"from": "X-Customer", "to": "X-Client"}]}`},
		{"A parameter as a header", `{"set": [{"name": "X-Order", "value": "order ${param.id}"}], "add": [{"name": "Via", "value": "1.1 portico"}]}`},
	},
}

var answerHeaders = About{
	Title:   "Answer headers",
	Summary: "Sets, adds, renames and removes headers of answers before the caller.",
	Text: `The changes are made in this order: set, add, rename, remove. One name is changed in one list alone, but for several values that are added to it. Answers that the gateway gives itself, such as refusals, are changed only where that is asked for.

` + places + ` Headers are those of the request, as the upstream got it. A header whose value comes out empty is left out.

Headers of the connection, X-Request-Id, RateLimit and RateLimit-Policy, and how a call by gRPC went cannot be changed. Where a CORS policy holds, its headers are written after these. What follows a body as trailers stays as it is.`,
	Examples: []Example{
		{"Say nothing about the server", `{"remove": ["Server", "X-Powered-By", "X-AspNet-*"]}`},
		{"Security headers on every answer", `{"set": [{"name": "Strict-Transport-Security", "value": "max-age=31536000"}, {"name": "X-Content-Type-Options", "value": "nosniff"}], "own": true}`},
		{"No caching of what went well", `{"set": [{"name": "Cache-Control", "value": "no-store"}], "statuses": "200-299"}`},
	},
}
