package describe

var clientCertificate = About{
	Title:   "Client certificate",
	Summary: "Identifies the calling application by the certificate that it shows on its TLS connection.",
	Text: `The host that is called has to ask for client certificates: its certificate in the gateway names the authorities that sign them. The gateway verifies what a client shows against these, and that the client holds its private key. This policy then asks whose it is: the application's people have registered the certificate itself, and proved by a signature that they hold its key, so that nobody can take or block another's. Another one of the same name or authority is not the same.

A call on whose connection no certificate was shown that is good for its host is answered 401 with the code credential_missing, one with a certificate that nobody has registered 401 with credential_invalid, and one whose certificate or registration has expired 401 with credential_expired. A certificate that another proxy passes on in a header is never taken.

A certificate belongs to the connection and comes with every call on it. Where callers may show one and identify in another way, put this policy behind the other one.`,
	Examples: []Example{
		{"The registered certificate of an application", `{}`},
	},
}
