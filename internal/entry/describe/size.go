package describe

var size = About{
	Title:   "Request size",
	Summary: "Bounds how large requests are, and of what their bodies may be.",
	Text: `Every request is bounded by the environment: heads by 32 KiB and 100 headers, bodies by its own setting and the version's. This policy sets smaller bounds; of several that hold, the smallest counts.

A body that says it is too large is refused before it is read, one that does not say when it has become too large: 413 with the code request_too_large. For a stream, such as a call by gRPC, that is all that the caller sends in one call. Too many headers, or too large ones, are 431 with the code header_too_large; they are counted without those of the connection and those that the gateway writes itself. A path or a query that is too long is 414 with the code uri_too_long.

A body of another media type, or of none, is 415 with the code content_type_refused. Parameters such as charset do not count. Requests without a body are not asked for a type.`,
	Examples: []Example{
		{"Small JSON documents", `{"body_bytes": 65536, "content_types": ["application/json", "application/*+json"]}`},
		{"Images of at most 5 MiB", `{"body_bytes": 5242880, "content_types": ["image/*"]}`},
		{"Short heads", `{"header_bytes": 8192, "headers": 40, "path_bytes": 1024, "query_bytes": 2048}`},
	},
}
