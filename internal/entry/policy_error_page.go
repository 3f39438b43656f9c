package entry

import "encoding/json"

// PolicyErrorPage is the kind of ErrorPage.
const PolicyErrorPage PolicyKind = "error_page"

// ErrorPage is the configuration of the policy "error_page": what callers read
// when a call fails. The page is chosen by what the caller accepts.
type ErrorPage struct {
	Statuses []string        `json:"statuses" help:"Which answers get the page, such as 502, 4xx or 5xx."`
	Codes    []string        `json:"codes,omitempty" help:"Only problems of the gateway with one of these codes, such as rate_limited. None: all."`
	Upstream bool            `json:"upstream,omitempty" help:"Answers of the upstream with such a status get the page too; their own bodies are not sent."`
	Status   int             `json:"status,omitempty" help:"The status that the caller reads in the place of the one that it was. 0: that one." min:"400" max:"599"`
	JSON     json.RawMessage `json:"json,omitempty" help:"The page in JSON, whose texts may hold expressions such as ${problem.detail}. Empty: the gateway's problem (RFC 9457)."`
	HTML     string          `json:"html,omitempty" help:"The page in HTML. The values of expressions are escaped as the place where they stand wants it." lines:"true"`
	Text     string          `json:"text,omitempty" help:"The page in plain text." lines:"true"`
}

// Kind implements PolicyConfig.
func (*ErrorPage) Kind() PolicyKind { return PolicyErrorPage }
