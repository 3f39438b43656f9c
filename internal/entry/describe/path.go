package describe

var path = About{
	Title:   "Path",
	Summary: "Changes the path that the upstream is called by.",
	Text: `The path is changed in one of three ways. A template is the whole path, over the operation's own parameters; a parameter that is the rest of the path stands at the end, as {rest...}. A prefix is what the path begins with, by whole segments, and is replaced; a path that begins otherwise stays as it is. A pattern is a regular expression of RE2, and its first match is replaced; a path without a match stays as it is.

What prefixes and patterns see is the path below the version's base path, as it would be sent: percent-encoded. The path under the upstream's own address comes before what is made here. Scheme, host, port and query cannot be changed by it. Operations are matched, authorised and counted by the path that the caller sent.

A path that would hold a dot segment, an encoded slash, a backslash or a control character, or that is longer than 8 KiB, is refused 400 with the code request_invalid.`,
	Examples: []Example{
		{"The whole path", `{"template": "/v2/orders/{id}"}`},
		{"Another beginning", `{"prefix": "/api", "replacement": "/internal/v2"}`},
		{"Without its beginning", `{"prefix": "/public"}`},
		{"A number out of a name", `{"pattern": "^/items/([0-9]+)-[a-z-]*$", "replacement": "/items/$1"}`},
	},
}
