package entry

// PolicyAddress is the kind of AddressPolicy.
const PolicyAddress PolicyKind = "address"

// AddressPolicy is the configuration of the policy "address": from where calls
// may come. At least one list holds something.
type AddressPolicy struct {
	Allow []string `json:"allow,omitempty" help:"Addresses and ranges that may call, such as 203.0.113.7, 10.0.0.0/8 and 2001:db8::/32. Empty: all that are not denied."`
	Deny  []string `json:"deny,omitempty" help:"Addresses and ranges that may not call, even where they are allowed above."`
}

// Kind implements PolicyConfig.
func (*AddressPolicy) Kind() PolicyKind { return PolicyAddress }
