package describe

import "portico/internal/entry"

// abouts has a line for each kind; what it holds stands in the file of its name.
var abouts = map[entry.PolicyKind]About{
	entry.PolicyAddress:       address,
	entry.PolicyAnswerHeaders: answerHeaders,
	entry.PolicyBots:          bots,
	entry.PolicyCORS:          cors,
	entry.PolicyHeaders:       headers,
	entry.PolicyIdentityToken: identityToken,
	entry.PolicyKey:           key,
	entry.PolicyPath:          path,
	entry.PolicyQuery:         query,
	entry.PolicyRateLimit:     rateLimit,
	entry.PolicySize:          size,
	entry.PolicyWAF:           waf,
}
