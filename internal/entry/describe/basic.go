package describe

var basic = About{
	Title:   "Basic",
	Summary: "Identifies the calling application by a user name and a password.",
	Text: `User name and password stand in Authorization: Basic (RFC 7617), in UTF-8. Both are those of a credential that the application's people have registered; the password is generated, and shown to them once. What is read is taken away before the upstream is called.

A call without them is answered 401 with the code credential_missing, and browsers ask people for the realm named here. A user name or password that is not known, or several different ones, are answered 401 with credential_invalid, a credential that has expired 401 with credential_expired. Nobody is told which of the two was wrong. Texts of more than 1024 bytes, and such as hold control characters, are not looked up.

User name and password come with every call and can be read by whoever sees one: call over TLS alone. Signatures and client certificates never send their secret.`,
	Examples: []Example{
		{"User name and password", `{}`},
		{"With a realm that people understand", `{"realm": "Orders of Acme"}`},
	},
}
