package entry

// PolicyAnonymous is the kind of AnonymousPolicy.
const PolicyAnonymous PolicyKind = "anonymous"

// AnonymousPolicy lets calls through that carry no credential at all, after all
// other identify policies of its list. Such a call has no application: it needs
// no subscription, and no plan limits it. It has nothing to configure.
type AnonymousPolicy struct{}

// Kind implements PolicyConfig.
func (*AnonymousPolicy) Kind() PolicyKind { return PolicyAnonymous }
