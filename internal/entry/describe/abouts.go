package describe

import "portico/internal/entry"

// abouts has a line for each kind; what it holds stands in the file of its name.
var abouts = map[entry.PolicyKind]About{
	entry.PolicyIdentityToken:     identityToken,
	entry.PolicyKey:               key,
	entry.PolicyJWT:               jwt,
	entry.PolicyAnonymous:         anonymous,
	entry.PolicyBasic:             basic,
	entry.PolicySignature:         signature,
	entry.PolicyClientCertificate: clientCertificate,
	entry.PolicyScopes:            scopes,
	entry.PolicyExpression:        expression,
	entry.PolicyRateLimit:         rateLimit,
	entry.PolicySpikeArrest:       spikeArrest,
	entry.PolicyConcurrency:       concurrency,
	entry.PolicyWAF:               waf,
}
