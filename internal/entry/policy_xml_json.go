package entry

// PolicyXMLJSON is the kind of XMLJSON.
const PolicyXMLJSON PolicyKind = "xml_json"

// XMLJSON is the configuration of the policy "xml_json": bodies are turned from
// XML into JSON, or from JSON into XML, one way for requests and one for answers.
type XMLJSON struct {
	Request    string   `json:"request,omitempty" help:"What the upstream gets of a request's body: the other of the two, or the body as it came." enum:"to_xml,to_json,as_it_is" default:"as_it_is"`
	Answer     string   `json:"answer,omitempty" help:"What the caller gets of an answer's body: the other of the two, or the body as it came." enum:"to_xml,to_json,as_it_is" default:"as_it_is"`
	Root       string   `json:"root,omitempty" help:"The root element, which then has no member of its own in JSON. Empty: JSON is an object with one member, the root."`
	AnswerRoot string   `json:"answer_root,omitempty" help:"The same for answers. Empty: as root."`
	Arrays     []string `json:"arrays,omitempty" help:"Elements that are a list also when there is only one, by their path from the root, such as order/items/item."`
	XMLType    string   `json:"xml_type,omitempty" help:"The media type of the XML that is written." default:"application/xml"`
	MaxBytes   int64    `json:"max_bytes,omitempty" help:"How large a body may be, before and after." min:"1" max:"4194304" default:"1048576"`
	OtherTypes string   `json:"other_types,omitempty" help:"What happens to a request's body that does not say it is what is to be turned: refused with 415, or passed on as it is." enum:"refuse,pass" default:"refuse"`
	Unreadable string   `json:"unreadable,omitempty" help:"What happens to an answer that cannot be turned, since it is not what it says, too large or encoded: refused with 502, or passed on as it is." enum:"refuse,pass" default:"refuse"`
}

// Kind implements PolicyConfig.
func (*XMLJSON) Kind() PolicyKind { return PolicyXMLJSON }

// The ways of XMLJSON.
const (
	ToXML  = "to_xml"
	ToJSON = "to_json"
	AsItIs = "as_it_is"
)
