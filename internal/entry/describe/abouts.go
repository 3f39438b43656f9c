package describe

import "portico/internal/entry"

// abouts has a line for each kind; what it holds stands in the file of its name.
var abouts = map[entry.PolicyKind]About{
	entry.PolicyAddress:       address,
	entry.PolicyHeaders:       headers,
	entry.PolicyAnswerHeaders: answerHeaders,
	entry.PolicyQuery:         query,
	entry.PolicyPath:          path,
	entry.PolicySize:          size,
	entry.PolicyBots:          bots,
	entry.PolicyCORS:          cors,
	entry.PolicyKey:           key,
	entry.PolicyRateLimit:     rateLimit,
}
