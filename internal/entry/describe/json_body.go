package describe

var jsonBody = About{
	Title:   "JSON body",
	Summary: "Changes the JSON body of a request before the upstream reads it.",
	Text: `What is set is done in this order: the template makes a new body, the patch is applied to it, then the merge; then only the selected fields stay, and the omitted ones are left out. At least one of them is set.

A template is JSON. A text in it that is one expression between ${ and } becomes the value of that expression, of whatever type: "${body.price * body.quantity}" is a number. In a longer text, such as "Dear ${body.name}", the value is written into it. $${ stands for ${ itself. Lists are made with map, as in "${map(body.items, ({'id': .id, 'cost': .price}))}"; filter, sum, len, join, split, replace, upper, lower, json and others are there too, ?? gives what stands in for something missing. An expression sees body, request (method, host, path, operation, address, params, query, and headers by their names in lower case) and caller (application, name, tenant, plan, plan_name), and nothing else; one that takes too long or grows too large is ended. The values of patch and merge may hold expressions as well: they see the body as it came.

Numbers that are only carried along keep all their digits; in arithmetic they are whole numbers of 64 bits, or floating point. The members of objects do not keep their order.

The body is read whole before the call goes on, up to max_bytes, also 100 levels deep and 250,000 values: a larger one is answered 413 with the code request_too_large. One that is not JSON is answered 400 with body_invalid, one to which a change cannot be applied (a patch that tests for something else, say) 400 with body_unsuitable, one that is compressed 415 with encoding_unsupported, and one that does not say it is JSON 415 with media_type_not_supported, unless it is to be passed. Requests without a body, WebSocket and gRPC pass as they are; a body that calls itself gRPC and does not begin as such is answered 400.`,
	Examples: []Example{
		{"A body for an older upstream", `{"template": {"customer": {"ref": "${body.customer_id}"}, "lines": "${map(body.items, ({'sku': .sku, 'count': .quantity ?? 1}))}", "channel": "api", "tenant": "${request.headers['x-tenant']}"}}`},
		{"What callers may not set, and a default", `{"omit": ["/is_admin", "/items/*/discount"], "merge": {"source": "portico"}}`},
		{"A JSON Patch", `{"patch": [{"op": "move", "from": "/name", "path": "/full_name"}, {"op": "add", "path": "/application", "value": "${caller.name}"}]}`},
	},
}
