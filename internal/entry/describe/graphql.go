package describe

var graphQL = About{
	Title:   "GraphQL guard",
	Summary: "Refuses operations of GraphQL that are too deep, too costly, or ask for what they may not.",
	Text: `Every operation is read before the upstream gets it, fragments included; no schema is needed. Looked at is the operation that will be run: the only one, or the one that operationName names. What goes on to the upstream is what was read, written anew.

A field costs 1, or its weight, together with the fields that it holds, as often as an argument such as first says how long the list is, or else as often as list says in its weight. The values of variables count. The costs and aliases of a batch are added up. Depth is how deep fields stand in one another. Introspection is off unless it is allowed; __typename is always free.

A refusal has GraphQL's own form, errors with a code in their extensions, and its status is that of GraphQL over HTTP: a request that is none is 400; one that is refused is 400 where the caller accepts application/graphql-response+json, else 200. The codes are graphql_invalid, graphql_too_deep, graphql_too_costly, graphql_too_many_aliases, graphql_introspection_off, graphql_operation_not_allowed, graphql_field_not_allowed and graphql_batch_too_large.

Requests come by GET (queries alone), or by POST as application/json or application/graphql. A POST that has parts of the request in its address, a request without its document (persisted queries), more than 10,000 tokens, and other methods and types are refused; so is a WebSocket, unless it is to be passed.`,
	Examples: []Example{
		{"Bounds that suit most", `{"max_depth": 10, "max_cost": 5000, "max_aliases": 10}`},
		{"Only queries of orders, without what is internal", `{"operations": ["query"], "allow": ["/orders", "/order"], "deny": ["internalNotes", "/orders/customer/email"], "max_cost": 1000, "weights": [{"field": "items", "cost": 2, "list": 20}]}`},
	},
}
