package portal

import "slices"

// A refusal explains, in Markdown, one code of the gateway's problem answers (RFC 9457),
// whose "type" leads to its page.
type refusal struct {
	Code     string
	Status   int
	Title    string   // as the answer's title
	Group    string   // heading on the index
	Happened string   // what happened
	Means    string   // what it means
	Do       []string // what to do, the most likely first
	// Retry says whether sending the same request again can help.
	Retry string
}

const (
	groupRequest      = "The request"
	groupCredential   = "The key"
	groupSubscription = "The subscription"
	groupLimit        = "Limits"
	groupUpstream     = "The API behind the gateway"
	groupGateway      = "The gateway"
)

const (
	retryNever = "No. The same request gets the same answer."
	retryLater = "Yes, after the seconds in `Retry-After`."
)

// refusals returns every code that the gateway answers with, in the order of
// the index.
func refusals() []refusal {
	return slices.Concat(requestRefusals(), bodyRefusals(), credentialRefusals(), subscriptionRefusals(), limitRefusals(), upstreamRefusals(), gatewayRefusals())
}

// refusalOf returns the explanation of a code.
func refusalOf(code string) (refusal, bool) {
	all := refusals()
	i := slices.IndexFunc(all, func(r refusal) bool { return r.Code == code })
	if i < 0 {
		return refusal{}, false
	}
	return all[i], true
}

func requestRefusals() []refusal {
	return []refusal{
		{
			Code: "no_route", Status: 404, Title: "No API answers at this address", Group: groupRequest,
			Happened: "No published API has an operation with this path on this host.",
			Means:    "The request was not forwarded and does not count against your plan.",
			Do: []string{
				"Compare the address with the base URL on the API's page. It has the form `/{provider}/{api}/{version}`, and the version is part of it.",
				"Compare the rest with the path in the reference. A slash at the end and upper or lower case both count.",
				"If it worked before, the version may have retired: its page names the one that follows.",
			},
			Retry: retryNever,
		},
		{
			Code: "version_missing", Status: 400, Title: "The call asks for no version", Group: groupRequest,
			Happened: "Several versions of the API share this address, and none of them answers calls that ask for none.",
			Means:    "The request was not forwarded. The answer's `detail` names the versions, and how to ask for each.",
			Do:       []string{"Send the header, query parameter or media type that `detail` gives for the version you want.", "The version's page in the catalog says it too, and its samples hold it."},
			Retry:    retryNever,
		},
		{
			Code: "version_unknown", Status: 400, Title: "There is no such version", Group: groupRequest,
			Happened: "The call asks for a version, by a header, a query parameter or a media type, that is not published at this address.",
			Means:    "The request was not forwarded: another version than the one you mean could do something else with it.",
			Do:       []string{"Compare the value with those in `detail`. Upper and lower case count.", "If it worked before, the version may have retired: its page names the one that follows."},
			Retry:    retryNever,
		},
		{
			Code: "version_ambiguous", Status: 400, Title: "The call asks for two versions", Group: groupRequest,
			Happened: "The call asks for more than one version, such as one by a header and another by its media type, or says one of them twice.",
			Means:    "The request was not forwarded, since it is not clear which version you mean.",
			Do:       []string{"Ask in one way alone, or for the same version in all of them.", "Look for a default header or parameter that your client library adds."},
			Retry:    retryNever,
		},
		{
			Code: "method_not_allowed", Status: 405, Title: "This path does not take this method", Group: groupRequest,
			Happened: "The path exists, but not with the method of the request.",
			Means:    "The request was not forwarded. The answer's `Allow` header lists the methods that the path takes.",
			Do:       []string{"Use one of the methods in `Allow`.", "Look the operation up in the reference: creating and changing often have different paths."},
			Retry:    retryNever,
		},
		{
			Code: "request_invalid", Status: 400, Title: "The request is not valid", Group: groupRequest,
			Happened: "The request is not well-formed HTTP, or is not what the API's document describes.",
			Means:    "The gateway refused it before the API saw it. The answer's `detail` says what is wrong and where.",
			Do: []string{
				"Read `detail` and, where present, `errors`: they name the header, parameter or field.",
				"Build the URL with your language's library instead of by hand: encoded slashes, backslashes and dot segments are refused.",
				"Compare the body with the example in the reference.",
			},
			Retry: retryNever,
		},
		{
			Code: "media_type_not_supported", Status: 415, Title: "The body is of another kind than the API takes", Group: groupRequest,
			Happened: "The request's `Content-Type` is none of those that the API's document describes for this operation.",
			Means:    "The request was not forwarded.",
			Do:       []string{"Send the body in one of the media types that the reference shows, and say so in `Content-Type`."},
			Retry:    retryNever,
		},
		{
			Code: "not_acceptable", Status: 406, Title: "The mock has no answer of this kind", Group: groupRequest,
			Happened: "The call was for a mock, and `Accept` names no media type that it has an example of.",
			Means:    "Nothing was forwarded: mocks are answered by the gateway.",
			Do:       []string{"Name a media type in `Accept` that the reference shows for this operation, or leave the header out."},
			Retry:    retryNever,
		},
		{
			Code: "request_too_large", Status: 413, Title: "The request is too large", Group: groupRequest,
			Happened: "The body is larger than this API takes, or the header is larger than the gateway takes: 32 KiB and 100 fields.",
			Means:    "The gateway stopped reading and closed the connection. The answer's `detail` names the limit.",
			Do: []string{
				"Send less at once, or in several requests.",
				"With status 431, look for a cookie or token that grew: an API key needs a few dozen characters.",
				"Ask the provider whether the limit can be raised for your use.",
			},
			Retry: retryNever,
		},
		{
			Code: "client_certificate_required", Status: 403, Title: "This host asks for a client certificate", Group: groupRequest,
			Happened: "The request came without encryption, to a host whose callers show a certificate of their own (mutual TLS).",
			Means:    "The request was not forwarded.",
			Do:       []string{"Call the address with `https`, and let your HTTP client show the certificate that the API's provider gave you or signed for you."},
			Retry:    retryNever,
		},
		{
			Code: "misdirected", Status: 421, Title: "The connection is not for this host", Group: groupRequest,
			Happened: "The host asks for a client certificate, and none that is good for it was shown when this connection began: it was opened for another host, or the certificate has expired since.",
			Means:    "The request was not forwarded.",
			Do:       []string{"Open a new connection for this host. Most HTTP clients do so by themselves.", "If a new connection fails too, the certificate has expired or is signed by an authority that this host does not take."},
			Retry:    "Yes, at once, on a new connection.",
		},
		{
			Code: "upgrade_not_supported", Status: 501, Title: "The connection cannot change its protocol", Group: groupRequest,
			Happened: "The request asks to switch to another protocol, such as WebSocket, which this gateway does not do.",
			Means:    "The request was not forwarded.",
			Do:       []string{"Send the request without the header `Upgrade`, if the API offers the same over plain HTTP or server-sent events."},
			Retry:    retryNever,
		},
	}
}

func credentialRefusals() []refusal {
	return []refusal{
		{
			Code: "credential_missing", Status: 401, Title: "The request has no key", Group: groupCredential,
			Happened: "The operation needs an API key, a token or another credential, and the request has none where this API looks for it; the answer's `detail` says where.",
			Means:    "Nobody knows who calls, so the request was not forwarded.",
			Do: []string{
				"Send the key as the API's page says: usually `Authorization: Bearer`, the header `X-API-Key` or the query parameter `api_key`.",
				"If you have no key yet, open your application and make one. It takes a few seconds.",
				"In a shell, check that `PORTICO_KEY` is set: `echo ${PORTICO_KEY:+set}` prints \"set\".",
			},
			Retry: retryNever,
		},
		{
			Code: "credential_invalid", Status: 401, Title: "The key is not known", Group: groupCredential,
			Happened: "The request has a key that the gateway does not know: mistyped, cut off, revoked, or made for another environment. Or it has a token that this API does not take: of another issuer, for another audience, or not signed as it should be.",
			Means:    "The request was not forwarded. A revoked key is refused on every node as soon as the revocation is confirmed.",
			Do: []string{
				"Copy the key again. It is one line, begins with its prefix (`portico_live_` or `portico_test_`) and ends with a checksum.",
				"Compare its beginning with the keys on your application's page.",
				"Keys are shown once. If yours is lost, revoke it and make a new one.",
				"A user name and password, a client certificate or the key id of a signature have to be registered at your application, in this environment.",
				"A signature is of one call as it is sent, and of now: the answer's `detail` says what is wrong with it.",
				"Of a token the answer's `detail` says what is wrong with it. Ask its issuer for one that is made for this API.",
			},
			Retry: retryNever,
		},
		{
			Code: "credential_expired", Status: 401, Title: "The key has expired", Group: groupCredential,
			Happened: "The key, the token, the password or the client certificate had an end, and that is past; or the call was signed too long ago.",
			Means:    "It does not come back. Your subscription is not affected.",
			Do:       []string{"Make a new key on your application's page and replace the old one.", "Get a new token from its issuer; most clients do so by themselves.", "Sign each call when you send it, by a clock that is right."},
			Retry:    retryNever,
		},
		{
			Code: "application_unknown", Status: 403, Title: "The token is of no application", Group: groupCredential,
			Happened: "The token is good, but no application has registered the client that it names.",
			Means:    "Nobody's subscription covers the call, so the request was not forwarded.",
			Do: []string{
				"Register the token's issuer and client at your application. The answer's `detail` says which claim names the client.",
				"If it is registered, check that the token is of the issuer and the client that you think.",
			},
			Retry: "Yes, once the client is registered.",
		},
		{
			Code: "issuer_unavailable", Status: 503, Title: "Tokens cannot be checked at the moment", Group: groupCredential,
			Happened: "The gateway cannot fetch the keys of the token's issuer, and so cannot tell whether the token is good.",
			Means:    "The request was not forwarded. Nothing is wrong with it.",
			Do:       []string{"Call again after a few seconds.", "If it lasts, tell the API's provider, with the request id."},
			Retry:    retryLater,
		},
		{
			Code: "introspection_unavailable", Status: 503, Title: "Tokens cannot be checked at the moment", Group: groupCredential,
			Happened: "The gateway asks the token's issuer whether the token is good, and gets no answer that it can read.",
			Means:    "The request was not forwarded. Nothing is wrong with it.",
			Do:       []string{"Call again after a few seconds.", "If it lasts, tell the API's provider, with the request id."},
			Retry:    retryLater,
		},
		{
			Code: "signatures_overloaded", Status: 503, Title: "The signature cannot be checked at the moment", Group: groupCredential,
			Happened: "This API takes each signature once, and the gateway has too many to remember, of this key or of others. It cannot tell whether this one is new.",
			Means:    "The request was not forwarded. Nothing is wrong with it.",
			Do:       []string{"Call again after a few seconds, signed anew.", "If it lasts, call less often with this key, or tell the API's provider, with the request id."},
			Retry:    retryLater,
		},
		{
			Code: "insufficient_scope", Status: 403, Title: "The token does not allow this operation", Group: groupCredential,
			Happened: "The operation asks for scopes that the token does not have.",
			Means:    "The request was not forwarded. The token is good for other operations.",
			Do:       []string{"Ask the token's issuer for one with the scopes that `WWW-Authenticate` names."},
			Retry:    retryNever,
		},
		{
			Code: "not_allowed", Status: 403, Title: "The API's provider does not allow the call", Group: groupCredential,
			Happened: "The provider has set a rule of its own for this operation, and the call does not keep it.",
			Means:    "The request was not forwarded.",
			Do:       []string{"Do as the answer's `detail` says, or ask the provider, whose contact the API's page shows."},
			Retry:    retryNever,
		},
	}
}

func subscriptionRefusals() []refusal {
	return []refusal{
		{
			Code: "subscription_missing", Status: 403, Title: "The application has no access to this API", Group: groupSubscription,
			Happened: "The key is good, but its application has no subscription to a product with this API version, or the subscription has ended.",
			Means:    "The request was not forwarded.",
			Do: []string{
				"Open the API in the catalog and request access for the application that the key belongs to.",
				"Check that the key is of the application you think: its beginning is on the application's page.",
				"If you had access, the application's page says when the subscription ended and why.",
			},
			Retry: retryNever,
		},
		{
			Code: "subscription_pending", Status: 403, Title: "The request for access waits for approval", Group: groupSubscription,
			Happened: "Your application asked for access and nobody has decided yet.",
			Means:    "The key works from the moment of approval. You need no other key.",
			Do: []string{
				"Wait for the approval; your application's page shows it.",
				"If the product has a plan that is approved at once, withdraw the request and take that plan meanwhile.",
			},
			Retry: "Yes, once the request is approved.",
		},
		{
			Code: "subscription_suspended", Status: 403, Title: "The provider suspended the subscription", Group: groupSubscription,
			Happened: "The provider of the API suspended your application's subscription.",
			Means:    "Calls are refused until it is resumed. The key and the subscription stay as they are.",
			Do:       []string{"Read the reason on your application's page.", "Settle it with the provider; nothing needs to be set up again afterwards."},
			Retry:    "Yes, once the subscription is resumed.",
		},
		{
			Code: "subscription_stopped", Status: 403, Title: "The subscription is stopped on your side", Group: groupSubscription,
			Happened: "Somebody of your organisation stopped this subscription of the application.",
			Means:    "Calls are refused until it is started again. The key and the subscription stay as they are.",
			Do:       []string{"Open the subscription on your application's page and start it again."},
			Retry:    "Yes, once the subscription is started.",
		},
		{
			Code: "subscription_expired", Status: 403, Title: "The subscription has ended", Group: groupSubscription,
			Happened: "Your application's subscription had an end, and that is past.",
			Means:    "The application has no access any more. Its keys still work for its other subscriptions.",
			Do:       []string{"Open the product in the catalog and request access again."},
			Retry:    retryNever,
		},
		{
			Code: "subscription_not_started", Status: 403, Title: "The subscription has not started yet", Group: groupSubscription,
			Happened: "Your application's subscription is approved from a later time on.",
			Means:    "Calls are refused before that time.",
			Do:       []string{"Call again after its start, which your application's page shows."},
			Retry:    "Yes, after its start.",
		},
		{
			Code: "operation_not_in_plan", Status: 403, Title: "The plan does not include this operation", Group: groupSubscription,
			Happened: "Your subscription's plan covers this API, but not this operation.",
			Means:    "The request was not forwarded.",
			Do:       []string{"Compare the plans on the product's page and ask for one that includes it."},
			Retry:    retryNever,
		},
	}
}

func limitRefusals() []refusal {
	return []refusal{
		{
			Code: "rate_limited", Status: 429, Title: "Too many calls in a short time", Group: groupLimit,
			Happened: "The application called more often than its plan, or the API itself, allows.",
			Means:    "The request was not forwarded. Refused calls do not make the wait longer.",
			Do: []string{
				"Wait the seconds in `Retry-After`, then go on.",
				"Read `RateLimit` on every answer: `r` is how many calls are left, `t` in how many seconds there are more.",
				"Spread calls evenly instead of in bursts, and keep answers that you need again.",
				"If you need more all the time, compare the product's plans.",
			},
			Retry: retryLater,
		},
		{
			Code: "spike_arrested", Status: 429, Title: "Two calls too close together", Group: groupLimit,
			Happened: "The call came sooner after the one before than the application's plan, or the API itself, allows.",
			Means:    "The request was not forwarded, and counts for no other limit. It says nothing of how many calls you may make in all.",
			Do: []string{
				"Spread calls evenly: one after another with a pause, not all of them at the full minute.",
				"Wait the seconds in `Retry-After`, then go on.",
			},
			Retry: retryLater,
		},
		{
			Code: "concurrency_limited", Status: 429, Title: "Too many calls at the same time", Group: groupLimit,
			Happened: "As many calls are under way as the application's plan, or the API itself, allows at the same time.",
			Means:    "The request was not forwarded, and counts for no other limit.",
			Do: []string{
				"Wait for the answers to your calls before you make more; close streams that you no longer read.",
				"Wait the seconds in `Retry-After`, then go on.",
			},
			Retry: retryLater,
		},
		{
			Code: "quota_exhausted", Status: 429, Title: "The quota is used up", Group: groupLimit,
			Happened: "The application has made all the calls that its plan gives for this day or month.",
			Means:    "Calls are refused until the period ends. `Retry-After` says when.",
			Do:       []string{"Wait for the next period, or change to a larger plan.", "Look at which calls could be saved: unchanged answers need not be fetched again."},
			Retry:    retryLater,
		},
	}
}

func upstreamRefusals() []refusal {
	return []refusal{
		{
			Code: "upstream_unreachable", Status: 502, Title: "The API could not be reached", Group: groupUpstream,
			Happened: "The gateway let the request pass, but no connection to the API behind it could be made, or it broke before an answer.",
			Means:    "Your key and plan are fine. Whether the API has acted on the request is not known if the connection broke.",
			Do:       []string{"Try again after a short, growing pause; for calls that change something, with the same `Idempotency-Key` if the API takes one.", "If it lasts, tell the provider the request id from the answer."},
			Retry:    "Yes, with a growing pause.",
		},
		{
			Code: "upstream_invalid", Status: 502, Title: "The API's answer is not valid HTTP", Group: groupUpstream,
			Happened: "The API behind the gateway answered with something that is not an HTTP answer.",
			Means:    "Your request was fine and may have taken effect.",
			Do:       []string{"Tell the provider the request id from the answer.", "Before repeating a call that changes something, look whether it took effect."},
			Retry:    "Once.",
		},
		{
			Code: "answer_invalid", Status: 502, Title: "The API's answer is not what its document says", Group: groupUpstream,
			Happened: "The API behind the gateway answered, but not as its document describes, and its provider has the gateway hold such answers back.",
			Means:    "Your request was fine and may have taken effect. `errors` says where the answer differs.",
			Do:       []string{"Tell the provider the request id from the answer.", "Before repeating a call that changes something, look whether it took effect."},
			Retry:    "Once.",
		},
		{
			Code: "upstream_timeout", Status: 504, Title: "The API did not answer in time", Group: groupUpstream,
			Happened: "The gateway let the request pass, and the API behind it did not answer within its time.",
			Means:    "The API may still be working on it. Repeating a call that changes something may do it twice.",
			Do:       []string{"Ask for less at once: a smaller page, a shorter period.", "Before repeating a call that changes something, look whether it took effect.", "If it lasts, tell the provider the request id from the answer."},
			Retry:    "Yes, for calls that only read.",
		},
		{
			Code: "upstream_busy", Status: 503, Title: "The API is as busy as it may be", Group: groupUpstream,
			Happened: "As many calls as the provider allows at once are under way on the API behind the gateway.",
			Means:    "The request was not forwarded. Your key and plan are fine.",
			Do:       []string{"Try again after the seconds that `Retry-After` says, with a growing pause.", "Send fewer calls at the same time."},
			Retry:    "Yes, after `Retry-After`.",
		},
		{
			Code: "upstream_unavailable", Status: 503, Title: "The API gets no calls at the moment", Group: groupUpstream,
			Happened: "The API behind the gateway has failed so many calls that the gateway lets it rest, or no address of it is known.",
			Means:    "The request was not forwarded. Your key and plan are fine.",
			Do:       []string{"Try again after the seconds that `Retry-After` says, with a growing pause.", "If it lasts, tell the provider the request id from the answer."},
			Retry:    "Yes, after `Retry-After`.",
		},
		{
			Code: "upstream_token_unavailable", Status: 503, Title: "The gateway cannot sign in at the API", Group: groupUpstream,
			Happened: "The gateway calls the API behind it with a token of its own, and cannot get one at the moment.",
			Means:    "The request was not forwarded. Your key and plan are fine.",
			Do:       []string{"Try again after the seconds that `Retry-After` says, with a growing pause.", "If it lasts, tell the provider the request id from the answer."},
			Retry:    "Yes, after `Retry-After`.",
		},
	}
}

func gatewayRefusals() []refusal {
	return []refusal{
		{
			Code: "not_ready", Status: 503, Title: "The gateway is not ready", Group: groupGateway,
			Happened: "This gateway node is starting, is being taken out of service, or has not heard from its manager for longer than its operator allows.",
			Means:    "The request was not forwarded and does not count against your plan.",
			Do:       []string{"Try again after a second. Another node, or the same one, answers then."},
			Retry:    "Yes, after a second.",
		},
		{
			Code: "overloaded", Status: 503, Title: "The gateway is overloaded", Group: groupGateway,
			Happened: "This gateway node has more calls than it can carry and answers a part of them at once, so that the others are answered in time. Or it has as many connections open as it may.",
			Means:    "The request was not forwarded. Which calls are refused is chance.",
			Do:       []string{"Try again after the seconds that `Retry-After` says, with a growing pause."},
			Retry:    "Yes, after `Retry-After`.",
		},
		{
			Code: "internal", Status: 500, Title: "Something failed inside the gateway", Group: groupGateway,
			Happened: "The gateway met a fault of its own while it handled the request.",
			Means:    "It is not your request's fault. The fault is in the operator's log under the request id.",
			Do:       []string{"Tell the operator the request id from the answer.", "Try again once; if the answer is the same, wait."},
			Retry:    "Once.",
		},
	}
}
