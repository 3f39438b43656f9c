package describe

var mock = About{
	Title:   "Mock",
	Summary: "Answers with the document's examples in the place of the upstream.",
	Text: `The answer is an example of the version's OpenAPI document; where that has none, one is made up of the schema. Without a wish it is the first success that the document describes, in the media type that Accept prefers.

Callers choose by the header Prefer (RFC 7240): Prefer: code=404 for a status, Prefer: example=NAME for an example by its name. What was taken into account is said in Preference-Applied; wishes that cannot be met are ignored. Where no example is of a media type that Accept names, the answer is 406 with the code not_acceptable. Mocked answers carry X-Portico-Mock: true.

An application whose request for access still waits for approval reaches the mock, and nothing else: it can make its first calls at once. That holds for the operations of the plan that it has asked for, also while a subscription of its to another plan is active: what an active plan holds is called for real, what only the requested one holds is mocked. Set pending to answer only such callers, so that all others reach the upstream. Limits and validation hold for mocked calls as well; policies that change or cache what the upstream says do not meet callers that wait.

Every operation that this policy is attached to must be in the version's document.`,
	Examples: []Example{
		{"Before there is a backend", `{}`},
		{"For applications that wait for approval, as slow as the real thing", `{"pending": true, "delay_ms": 80}`},
		{"Rehearse an outage", `{"status": 503}`},
	},
}
