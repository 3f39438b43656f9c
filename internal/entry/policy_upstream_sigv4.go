package entry

// PolicyUpstreamSigV4 is the kind of UpstreamSigV4.
const PolicyUpstreamSigV4 PolicyKind = "upstream_sigv4"

// Bounds of the bodies that a policy of UpstreamSigV4 signs.
const (
	SigV4MaxBodyBytes  = 1 << 20  // unless it says otherwise
	SigV4MostBodyBytes = 64 << 20 // at most
)

// UpstreamSigV4 proves to an AWS service who calls it, by signing every request.
type UpstreamSigV4 struct {
	AccessKeyID     Secret   `json:"access_key_id" help:"The id of the access key, from a secret value, so that each environment has its own."`
	SecretAccessKey Secret   `json:"secret_access_key" help:"The access key's secret, from a secret value."`
	SessionToken    Secret   `json:"session_token,omitzero" help:"The session token of temporary credentials, from a secret value. Empty for keys that last."`
	Region          string   `json:"region" help:"The region of the service, such as eu-central-1."`
	Service         string   `json:"service" help:"The service as it stands in signatures: execute-api, lambda, s3, dynamodb, es, and aoss for OpenSearch Serverless."`
	Body            string   `json:"body,omitempty" help:"signed reads a request's body whole and signs it. unsigned lets bodies stream, which S3 and VPC Lattice take: use it over https alone." enum:"signed,unsigned" default:"signed"`
	MaxBodyBytes    int64    `json:"max_body_bytes,omitempty" help:"How large a body that is signed may be. Larger ones are refused." default:"1048576" min:"1" max:"67108864"`
	Headers         []string `json:"headers,omitempty" help:"The X-Amz- headers that may go out, such as X-Amz-Target, whoever sets them. All others are taken away."`
	Upstream        string   `json:"upstream,omitempty" help:"The name of the upstream that this is for, its candidate included, and the mirror where it is the API's first. Empty: all that the API has."`
}

// Kind implements PolicyConfig.
func (*UpstreamSigV4) Kind() PolicyKind { return PolicyUpstreamSigV4 }
