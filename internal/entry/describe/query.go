package describe

var query = About{
	Title:   "Query parameters",
	Summary: "Sets, adds, renames and removes query parameters before the upstream.",
	Text: `Parameters that nothing is said about reach the upstream byte for byte, in their order. One that is set stands where the first of its name stood, or at the end; those that are added follow. One that gets a name which is there already takes its place. Names are compared decoded: a%2Eb and a.b are one name. One name is changed in one list alone, but for several values that are added to it.

` + places + ` Values are read before anything is changed, and are escaped as a query needs it. A parameter whose value comes out empty is left out; where it is set, whatever the caller sent under its name goes too.`,
	Examples: []Example{
		{"A fixed format, and no tracking", `{"set": [{"name": "format", "value": "json"}], "remove": ["utm_*", "fbclid"]}`},
		{"An old name, and who calls", `{"rename": [{"from": "q", "to": "search"}], "set": [{"name": "client", "value": "${caller.application_id}"}]}`},
		{"A path parameter as a query parameter", `{"add": [{"name": "id", "value": "${param.id}"}]}`},
	},
}
