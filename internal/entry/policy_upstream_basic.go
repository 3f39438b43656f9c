package entry

// PolicyUpstreamBasic is the kind of UpstreamBasic.
const PolicyUpstreamBasic PolicyKind = "upstream_basic"

// UpstreamBasic proves to the upstream by user name and password who calls it.
type UpstreamBasic struct {
	Username Secret `json:"username" help:"The gateway's user name at the upstream, from a secret value, so that each environment has its own. It holds no colon."`
	Password Secret `json:"password" help:"The password, from a secret value."`
	Upstream string `json:"upstream,omitempty" help:"The name of the upstream that this is for, its candidate included, and the mirror where it is the API's first. Empty: all that the API has."`
}

// Kind implements PolicyConfig.
func (*UpstreamBasic) Kind() PolicyKind { return PolicyUpstreamBasic }
