package describe

import "portico/internal/entry"

// abouts has a line for each kind; what it holds stands in the file of its name.
var abouts = map[entry.PolicyKind]About{
	entry.PolicyAddress:       address,
	entry.PolicyAnswerHeaders: answerHeaders,
	entry.PolicyBots:          bots,
	entry.PolicyCORS:          cors,
	entry.PolicyHeaders:       headers,
	entry.PolicyCache:         cache,
	entry.PolicyDecompress:    decompress,
	entry.PolicyCompress:      compress,
	entry.PolicyIdentityToken: identityToken,
	entry.PolicyKey:           key,
	entry.PolicyValidate:      validate,
	entry.PolicyMock:          mock,
	entry.PolicyRateLimit:     rateLimit,
	entry.PolicyJSONBody:      jsonBody,
	entry.PolicyErrorPage:     errorPage,
	entry.PolicyGraphQL:       graphQL,
	entry.PolicyXMLJSON:       xmlJSON,
	entry.PolicyJSONAnswer:    jsonAnswer,
	entry.PolicyWAF:           waf,
	entry.PolicyJWT:           jwt,
	entry.PolicyAnonymous:     anonymous,
	entry.PolicyScopes:        scopes,
	entry.PolicyExpression:    expression,
	entry.PolicySpikeArrest:   spikeArrest,
	entry.PolicyConcurrency:   concurrency,
	entry.PolicyPath:          path,
	entry.PolicyQuery:         query,
	entry.PolicySize:          size,
	entry.PolicyComposition:   composition,
}
