package describe

var jsonAnswer = About{
	Title:   "JSON answer",
	Summary: "Changes the JSON body of an upstream's answer before the caller reads it.",
	Text: `What is set is done in this order: the template makes a new body, the patch is applied to it, then the merge; then only the selected fields stay, and the omitted ones are left out. At least one of them is set. Templates are those of the policy JSON body; beside body (the answer's), request and caller their expressions see answer (status, headers).

Only answers of the upstream that say they are JSON, with one of the named statuses, are changed. Others, streams of events, gRPC and WebSocket pass as they come. So does 206: to avoid it, the upstream is asked for the whole, and without compression.

The answer is read whole before it goes to the caller, up to max_bytes. One that is not JSON, is too large, is compressed all the same, or to which the change cannot be applied is answered 502 with the code answer_unusable, unless it is to be passed as it is: do not let answers pass where fields are left out because callers must not see them. The changed answer's ETag is a weak one; digests of the bytes before, and Accept-Ranges, are taken away. HEAD is answered without a length.`,
	Examples: []Example{
		{"Without what callers must not see", `{"omit": ["/internal", "/items/*/margin"]}`},
		{"Only some fields", `{"select": ["/id", "/status", "/items/*/sku"]}`},
		{"In an envelope", `{"template": {"data": "${body}", "links": {"self": "${request.path}"}}}`},
	},
}
