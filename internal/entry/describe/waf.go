package describe

var waf = About{
	Title:   "Web application firewall",
	Summary: "Refuses requests in which the OWASP Core Rule Set finds an attack.",
	Text: `Path, query, headers and body are looked at for injections (SQL, shell, script, template), traversal, scanners and abuse of the protocol, by the OWASP Core Rule Set in Coraza. The scores of what is found are added up; a request that reaches the threshold is answered 403 with the code request_blocked. The caller learns no more; the explanation of a call names the rules.

It is the costliest of the policies: about a millisecond of processor for a call without a body, and a quarter of one more for each value in it, parameter or field of JSON: a body of 1 KB with fifty fields costs some 13 milliseconds, and twice that at paranoia 2. Put it on the operations that take free text from strangers, begin with observe, look at the explanations of real calls, and leave out what errs by rule or parameter before you block.

Bodies are read whole first, so streams wait until they end, and unpacked as Content-Encoding says (gzip, br, zstd, deflate) within the same size; the mode block refuses what cannot be unpacked. A caller that waits to be asked for its body (Expect: 100-continue) is asked when it is known and let in, and the request is then looked at again with it. Bodies of gRPC, and of calls that switch protocols, are not looked at, nor are answers.`,
	Examples: []Example{
		{"Look, and let everything pass", `{"mode": "observe", "paranoia": 1, "threshold": 5}`},
		{"Block, but for SQL in a field for notes", `{"mode": "block", "paranoia": 2, "threshold": 5, "exclude_arguments": ["json.note"], "exclude_rules": [942100]}`},
	},
}
