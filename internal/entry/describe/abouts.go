package describe

import "portico/internal/entry"

// abouts has a line for each kind; what it holds stands in the file of its name.
var abouts = map[entry.PolicyKind]About{
	entry.PolicyComposition: composition,
	entry.PolicyKey:         key,
	entry.PolicyRateLimit:   rateLimit,
	entry.PolicyJSONBody:    jsonBody,
	entry.PolicyErrorPage:   errorPage,
	entry.PolicyXMLJSON:     xmlJSON,
	entry.PolicyJSONAnswer:  jsonAnswer,
}
