package describe

var upstreamBasic = About{
	Title:   "Upstream: user name and password",
	Summary: "Proves to the upstream who calls it, by user name and password (basic authentication).",
	Text: `Every call of the upstream gets the header Authorization with user name and password. What a caller sent there goes no further, nor does what a policy for headers, an identity token or the upstream's own headers set there: where both are wanted, give the identity token a header of its own.

Both are secret values of the environment, to which the policy refers by name: make them on the page of values, under names such as orders_user and orders_password. They are sealed until a gateway calls the upstream, and are shown nowhere again. When a value changes, what refers to it is published by itself.

An API with several upstreams may have a policy for each, which says its name: it counts for what is called in its place too, such as the candidate of a split. One that says none holds for all that have no policy of their own, also for the calls of a composition. What stands at an operation takes the place of what its API says. Health checks carry no credentials.`,
	Examples: []Example{
		{"For all upstreams of the API", `{"username": "${orders_user}", "password": "${orders_password}"}`},
		{"For the upstream main of several", `{"username": "${main_user}", "password": "${main_password}", "upstream": "main"}`},
	},
}
