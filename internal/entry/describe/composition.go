package describe

var composition = About{
	Title:   "Composition",
	Summary: "Answers a call with what several calls of upstreams give.",
	Text: `The calls are declared: each with a path, headers and a body made from templates. Those that wait for none go out at once, side by side; one that names others in after waits for their answers and may use them. The answer is JSON made from what came back: calls.NAME.body (JSON, or text), calls.NAME.status and calls.NAME.headers (names in lower case), beside request and caller.

A call that does not come back in its time, or with a status outside 200 to 299, fails. When it is optional, its body is null and its status says why (0: there was no answer); otherwise the whole is answered 502 with the code composition_failed, and calls under way are given up.

The upstream's own headers, TLS and traffic settings hold for each call, and nothing of the caller's headers is sent but what a template takes. Each answer is read whole, up to max_bytes.`,
	Examples: []Example{
		{"An order with its customer, and its parcels where they can be had", `{"calls": [
  {"name": "order", "path": "/orders/${request.params.id}"},
  {"name": "customer", "path": "/customers/${calls.order.body.customer_id}", "after": ["order"]},
  {"name": "parcels", "path": "/parcels?order=${request.params.id}", "optional": true, "timeout_ms": 500}
], "answer": {"id": "${calls.order.body.id}", "customer": "${calls.customer.body.name}", "parcels": "${calls.parcels.body}"}}`},
	},
}
