package entry

import "encoding/json"

// Contract is what the version's document says of one operation, as far as
// policies of its route ask for it: validate and mock. Schemas refer to the API's
// own by "#/$defs/NAME". The control plane makes it when it compiles; nobody
// writes it.
type Contract struct {
	Parameters   []ContractParameter `json:"parameters,omitempty"`
	Body         []ContractContent   `json:"body,omitempty"` // by media type; none: the document describes no body
	BodyRequired bool                `json:"body_required,omitempty"`
	Answers      []ContractAnswer    `json:"answers,omitempty"`
}

// ContractParameter is one in the path, the query, a header or a cookie, or a
// header of an answer. It has a media type, or a style.
type ContractParameter struct {
	Name       string          `json:"name"`
	In         string          `json:"in"`
	Style      string          `json:"style,omitempty"`
	Explode    bool            `json:"explode,omitempty"`
	Required   bool            `json:"required,omitempty"`
	AllowEmpty bool            `json:"allow_empty,omitempty"`
	Type       string          `json:"type,omitempty"` // media type of its value
	Schema     json.RawMessage `json:"schema,omitempty"`
	Sample     string          `json:"sample,omitempty"` // of an answer's header
}

// ContractContent is a body of one media type, or of a range such as "text/*".
type ContractContent struct {
	Type     string              `json:"type"`
	Schema   json.RawMessage     `json:"schema,omitempty"`
	Fields   []ContractParameter `json:"fields,omitempty"` // how a form's are written, where that is said
	Examples []ContractExample   `json:"examples,omitempty"`
}

// ContractExample is a body as it may be sent. What was made up has no name.
type ContractExample struct {
	Name string `json:"name,omitempty"`
	Body string `json:"body"`
}

// ContractAnswer is an answer by its status: "200", "4XX" or "default".
type ContractAnswer struct {
	Status  string              `json:"status"`
	Headers []ContractParameter `json:"headers,omitempty"`
	Content []ContractContent   `json:"content,omitempty"`
}

// Needs is what the policies of a route ask of its contract.
type Needs struct {
	Request  bool // parameters and bodies, to hold calls to them
	Answers  bool // the same of answers
	Examples bool // to answer with
}

// NeedsOf returns what a route's policies need of the document, its API's
// included.
func NeedsOf(api, own []Policy) (n Needs) {
	for _, list := range [][]Policy{api, own} {
		for _, p := range list {
			switch c := p.Config.(type) {
			case *Validate:
				n.Request = n.Request || c.Request != "off"
				n.Answers = n.Answers || c.Answer == "report" || c.Answer == "refuse"
			case *Mock:
				n.Examples = true
			}
		}
	}
	return n
}
