package describe

var upstreamSigV4 = About{
	Title:   "Upstream: AWS signature",
	Summary: "Proves to an AWS service who calls it, by signing every request (Signature Version 4).",
	Text: `Every call of the upstream is signed as it leaves, after all that other policies make of it: method, path, query, host, the headers Content-Type, Content-MD5 and X-Amz-, and the body. The host is that of the upstream's address. Another try is signed anew.

A body that is signed is read whole before the upstream is called, up to max_body_bytes; a larger one is answered 413. So a stream of gRPC that waits for answers while it sends cannot be signed. With body set to unsigned bodies stream: S3 and VPC Lattice take that, other services do not. S3 wants to know a body's length beforehand.

What a caller sent in Authorization goes no further. Of the headers whose names begin with X-Amz- only those go out that are listed here, whoever sets them: they tell a service what to do, such as to copy another object, and would do so in the gateway's name. For the JSON protocols list X-Amz-Target.

A plus in a query is sent as %20, which is what AWS reads it as. Paths to S3 are sent with everything escaped that is not plain. The body's hash is told in X-Amz-Content-Sha256 to those services that ask for it: S3, OpenSearch Serverless (aoss) and Glacier.

Access key, secret and session token are secret values of the environment, to which the policy refers by name. They are sealed until a gateway signs with them, and are shown nowhere again. Temporary credentials are replaced by changing the values, by REST for instance: what refers to them is published by itself. A gateway's clock may differ from AWS's by five minutes at most.

An API with several upstreams may have a policy for each, which says its name: it counts for what is called in its place too, such as the candidate of a split. One that says none holds for all that have no policy of their own, also for the calls of a composition. What stands at an operation takes the place of what its API says.`,
	Examples: []Example{
		{"A private API of API Gateway", `{"access_key_id": "${aws_key_id}", "secret_access_key": "${aws_secret}", "region": "eu-central-1", "service": "execute-api"}`},
		{"Objects of S3, as they stream", `{"access_key_id": "${aws_key_id}", "secret_access_key": "${aws_secret}", "session_token": "${aws_session}", "region": "eu-central-1", "service": "s3", "body": "unsigned"}`},
		{"DynamoDB, bodies up to 400 KiB", `{"access_key_id": "${aws_key_id}", "secret_access_key": "${aws_secret}", "region": "us-east-1", "service": "dynamodb", "max_body_bytes": 409600, "headers": ["X-Amz-Target"]}`},
	},
}
