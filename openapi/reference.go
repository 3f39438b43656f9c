package openapi

// Reference is all that a page about one operation shows: plain data of at
// most MaxReferenceBytes as JSON, made once and stored, so that a page view
// never parses a document. Descriptions are Markdown source, as hostile as
// whoever wrote them.
type Reference struct {
	ID                string           `json:"id"`   // as in Operation
	Slug              string           `json:"slug"` // as in Operation
	Method            string           `json:"method"`
	Path              string           `json:"path"`
	Summary           string           `json:"summary,omitempty"`
	Description       string           `json:"description,omitempty"`
	Deprecated        bool             `json:"deprecated,omitempty"`
	DocumentationOnly bool             `json:"documentation_only,omitempty"`
	Predicates        []Predicate      `json:"predicates,omitempty"`
	Tags              []string         `json:"tags,omitempty"`
	DocsURL           string           `json:"docs_url,omitempty"` // http or https
	Parameters        []ParameterGroup `json:"parameters,omitempty"`
	Body              *Body            `json:"body,omitempty"`
	Responses         []Response       `json:"responses,omitempty"`
	Security          [][]Requirement  `json:"security,omitempty"`
	SecurityText      string           `json:"security_text,omitempty"` // one sentence for people
	Truncated         bool             `json:"truncated,omitempty"`     // less is shown than the document has
}

// MaxReferenceBytes bounds a Reference, and a Schema, as JSON.
const MaxReferenceBytes = 256 << 10

// ParameterGroup is the parameters of one place, in the order path, query,
// header, cookie.
type ParameterGroup struct {
	In         string     `json:"in"`
	Parameters []Property `json:"parameters"`
}

// Body is what a request carries.
type Body struct {
	Required    bool    `json:"required,omitempty"`
	Description string  `json:"description,omitempty"`
	Media       []Media `json:"media,omitempty"`
}

// Response is an answer, by status: "200", "4XX", "default".
type Response struct {
	Status      string     `json:"status"`
	Description string     `json:"description,omitempty"`
	Headers     []Property `json:"headers,omitempty"`
	Media       []Media    `json:"media,omitempty"`
}

// Media is a body in one media type.
type Media struct {
	Type    string    `json:"type"` // application/json
	Schema  *Property `json:"schema,omitempty"`
	Example *Example  `json:"example,omitempty"`
	Others  []Example `json:"others,omitempty"` // the document's further examples
}

// Example is a body as it could be.
type Example struct {
	Name        string `json:"name,omitempty"`
	Summary     string `json:"summary,omitempty"`
	Text        string `json:"text"`                  // JSON is laid out over lines
	Language    string `json:"language"`              // json, xml, text
	Synthesised bool   `json:"synthesised,omitempty"` // made from the schema: the document has none
}

// Property is a schema at its place: a parameter, a field, a header, a body.
type Property struct {
	Name        string   `json:"name,omitempty"`
	Type        string   `json:"type"`                  // "string", "date-time", "array of Parcel", "string | Address"
	Ref         string   `json:"ref,omitempty"`         // the named schema that Type speaks of
	Constraints []string `json:"constraints,omitempty"` // "max 70", "1–99"
	Required    bool     `json:"required,omitempty"`
	Deprecated  bool     `json:"deprecated,omitempty"`
	Nullable    bool     `json:"nullable,omitempty"`
	ReadOnly    bool     `json:"read_only,omitempty"`
	WriteOnly   bool     `json:"write_only,omitempty"`
	Description string   `json:"description,omitempty"`
	Enum        []string `json:"enum,omitempty"`
	Default     string   `json:"default,omitempty"`
	Example     string   `json:"example,omitempty"`

	// Properties are the fields of an object, or of an array's elements. The
	// name "*" stands for every name that is not listed.
	Properties []Property `json:"properties,omitempty"`

	// Choice is "one of" or "any of" where the value may have several forms;
	// Options are these.
	Choice  string     `json:"choice,omitempty"`
	Options []Property `json:"options,omitempty"`

	// More is how many fields, options or enum values are not shown here;
	// Ref leads to them where it is set. Recursive says that they are those
	// of a schema that this stands inside of.
	More      int  `json:"more,omitempty"`
	Recursive bool `json:"recursive,omitempty"`
}

// Schema is a named schema of the document.
type Schema struct {
	Name        string   `json:"name"` // what Property.Ref holds
	Slug        string   `json:"slug"`
	Title       string   `json:"title,omitempty"`
	Description string   `json:"description,omitempty"`
	Property    Property `json:"property"`
	Example     Example  `json:"example"`
	Pointer     string   `json:"pointer"`
	Line        int      `json:"line"`
	Truncated   bool     `json:"truncated,omitempty"`
}
