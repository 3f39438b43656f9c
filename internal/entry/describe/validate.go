package describe

var validate = About{
	Title:   "Validation",
	Summary: "Holds requests and answers to the version's OpenAPI document.",
	Text: `Parameters of path, query, headers and cookies in all of OpenAPI's styles, and bodies of JSON, forms and text, are compared with their schemas: JSON Schema 2020-12 for OpenAPI 3.1, and the dialect of OpenAPI 3.0 and Swagger 2.0. Formats, discriminators, readOnly and writeOnly hold. Bodies of other media types pass once the type is one that the document names.

A request that does not fit is answered 400 with the code request_invalid, or 415 with media_type_not_supported. The member "errors" lists up to 20 errors, each with its place, a JSON pointer and the reason. An answer that does not fit is held back and becomes 502 with answer_invalid. Where something is only reported, the call passes; the metric portico_gateway_validation_reports_total counts it, and explain shows what was wrong.

A body that is looked at is read whole before the call goes on, up to the size that is set here, and gzip, br, zstd and deflate are undone within it. An upstream is asked only for those of the codings that the caller accepts, and its answer goes to the caller as it came. Where answers are refused, the upstream is asked for whole ones: no part passes unlooked at. Streams (text/event-stream), WebSocket and gRPC pass without being read. In JSON a name that stands twice in one object is an error, since programs differ in which they take.

Patterns are regular expressions of RE2, which takes one pass whatever is sent; look-around and references back cannot be published. Every operation that this policy is attached to must be in the version's document.`,
	Examples: []Example{
		{"Refuse requests that do not fit", `{"request": "refuse"}`},
		{"Watch first: report requests and answers", `{"request": "report", "answer": "report"}`},
		{"Strict on both sides, for bodies of up to 256 KiB", `{"request": "refuse", "answer": "refuse", "refuse_unknown": true, "strict": true, "max_bytes": 262144}`},
	},
}
