package describe

var anonymous = About{
	Title:   "Anonymous",
	Summary: "Lets calls through that carry no credential, behind the other ways to identify.",
	Text: `It stands last of the identify policies. A call that carries a credential for one of those before it is decided by that one: a key that is not known is refused and does not become anonymous. A call that carries none is let through without an application: it needs no subscription and no plan limits it, so limit it here, by address for example.

Where nobody is to be identified at all, say that the operation is public instead.`,
	Examples: []Example{{"There is nothing to set", `{}`}},
}
