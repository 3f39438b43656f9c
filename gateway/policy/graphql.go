package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"

	"portico/gateway/graphql"
	"portico/internal/entry"
	"portico/internal/entry/tree"
)

// graphQLStep is the policy "graphql".
type graphQLStep struct {
	rules *graphql.Rules
	limit int64
	pass  bool // WebSockets
}

func newGraphQLStep(p *entry.GraphQL) Step {
	s := &graphQLStep{graphql.New(p), p.MaxBytes, p.WebSocket == "pass"}
	if s.limit == 0 {
		s.limit = 100 << 10
	}
	return s
}

// Run implements Step.
func (s *graphQLStep) Run(_ context.Context, ex *Exchange) error {
	if ex.Upgrade != "" {
		if s.pass {
			return nil
		}
		return &Denied{
			Status: http.StatusForbidden, Code: "graphql_operation_not_allowed",
			Detail: "Operations over a WebSocket are not allowed here. Send them by POST.",
		}
	}
	if ex.Method == http.MethodOptions {
		return nil
	}
	batch, refused, err := s.read(ex)
	if err != nil {
		return err
	}
	if refused != nil {
		return s.tell(ex, http.StatusBadRequest, refused)
	}
	types, refused := s.rules.Check(batch)
	switch {
	case refused != nil && FoldEqual(s.media(ex), jsonMedia):
		return s.tell(ex, http.StatusOK, refused)
	case refused != nil:
		return s.tell(ex, http.StatusBadRequest, refused)
	case ex.Method != http.MethodPost && slices.ContainsFunc(types, func(t string) bool { return t != "query" }):
		refused = &graphql.Refusal{Code: "graphql_operation_not_allowed", Message: "Only queries come by GET. Send it by POST."}
		err := s.tell(ex, http.StatusMethodNotAllowed, refused)
		ex.Answer.Header.Set("Allow", http.MethodPost)
		return err
	}
	return nil
}

func (s *graphQLStep) explain(ex *Exchange) string {
	if ex.Denied != nil {
		return "refused: " + ex.Denied.Code
	}
	return ""
}

// mostMessage bounds a sentence that may quote a document, in bytes.
const mostMessage = 1 << 10

const (
	jsonMedia  = "application/json"
	graphMedia = "application/graphql-response+json"
)

// read finds the operations that a request asks for.
func (s *graphQLStep) read(ex *Exchange) ([]graphql.Request, *graphql.Refusal, error) {
	switch {
	case ex.Method == http.MethodGet || ex.Method == http.MethodHead:
		return s.readQuery(ex)
	case ex.Method != http.MethodPost:
		return nil, nil, &Denied{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "GraphQL is called by GET or POST.", Allow: "GET, POST"}
	}
	for _, name := range []string{"query", "operationName", "variables", "extensions"} {
		if _, count := QueryValue(ex.Query, name); count > 0 {
			return nil, graphql.Invalid("A POST has its request in its body alone, and this one has %s in its address.", name), nil
		}
	}
	media := mediaType(&ex.Header)
	plain := FoldEqual(media, "application/graphql")
	if !plain && !FoldEqual(media, jsonMedia) {
		return nil, nil, &Denied{
			Status: http.StatusUnsupportedMediaType, Code: "media_type_not_supported",
			Detail: "Requests of GraphQL are of Content-Type application/json here.",
		}
	}
	data, err := wholeRequest(ex, s.limit)
	switch {
	case err != nil:
		return nil, nil, err
	case plain:
		return []graphql.Request{{Query: string(data)}}, nil, nil
	}
	body, err := tree.Decode(data)
	if err != nil {
		return nil, graphql.Invalid("The request's body %s.", err), nil
	}
	list, batched := body.([]any)
	if !batched {
		list = []any{body}
	}
	if len(list) == 0 {
		return nil, graphql.Invalid("The request's body is an empty list."), nil
	}
	batch := make([]graphql.Request, 0, len(list))
	for _, item := range list {
		one, refused := requestOf(item)
		if refused != nil {
			return nil, refused, nil
		}
		batch = append(batch, one)
	}
	// The upstream gets what was read: a name that stood there twice would be two
	// requests to two readers.
	if data, err = tree.Append(nil, body, 2*len(data)+1024); err != nil {
		return nil, graphql.Invalid("The request's body %s.", err), nil
	}
	replaceBody(ex, data)
	return batch, nil, nil
}

// readQuery reads a request that stands in the address.
func (s *graphQLStep) readQuery(ex *Exchange) ([]graphql.Request, *graphql.Refusal, error) {
	if hasBody(ex) {
		return nil, graphql.Invalid("A GET has its request in its address, and this one has a body."), nil
	}
	values, err := url.ParseQuery(ex.Query)
	if err != nil {
		return nil, graphql.Invalid("The address cannot be read."), nil
	}
	members := map[string]any{}
	for _, name := range []string{"query", "operationName", "variables"} {
		switch list := values[name]; {
		case len(list) > 1:
			return nil, graphql.Invalid("%s stands twice in the address.", name), nil
		case len(list) == 0 || list[0] == "":
		case name == "variables":
			if members[name], err = tree.Decode([]byte(list[0])); err != nil {
				return nil, graphql.Invalid("variables %s.", err), nil
			}
		default:
			members[name] = list[0]
		}
	}
	one, refused := requestOf(members)
	return []graphql.Request{one}, refused, nil
}

func requestOf(v any) (one graphql.Request, refused *graphql.Refusal) {
	members, ok := v.(map[string]any)
	if !ok {
		return one, graphql.Invalid("A request is an object with the member query.")
	}
	text := func(name string) string {
		s, ok := members[name].(string)
		if !ok && members[name] != nil {
			refused = graphql.Invalid("%s is no text.", name)
		}
		return s
	}
	one.Query, one.OperationName = text("query"), text("operationName")
	if one.Variables, ok = members["variables"].(map[string]any); !ok && members["variables"] != nil {
		refused = graphql.Invalid("variables is no object.")
	}
	if refused == nil && one.Query == "" {
		refused = graphql.Invalid("The request has no document. Send it as query; one that is persisted cannot be looked at.")
	}
	return one, refused
}

// media chooses the form of an answer.
func (s *graphQLStep) media(ex *Exchange) string {
	if accepted(&ex.Header, jsonMedia, graphMedia) == 1 {
		return graphMedia
	}
	return jsonMedia
}

// tell answers in GraphQL's own form.
func (s *graphQLStep) tell(ex *Exchange, status int, refused *graphql.Refusal) error {
	type location struct {
		Line   int `json:"line"`
		Column int `json:"column"`
	}
	type problem struct {
		Message    string            `json:"message"`
		Locations  []location        `json:"locations,omitempty"`
		Extensions map[string]string `json:"extensions"`
	}
	message := Clip(refused.Message, mostMessage)
	p := problem{Message: message, Extensions: map[string]string{"code": refused.Code, "request_id": ex.RequestID}}
	if refused.Line > 0 {
		p.Locations = []location{{refused.Line, refused.Column}}
	}
	body, err := json.Marshal(map[string][]problem{"errors": {p}})
	if err != nil {
		return err
	}
	ex.Code, ex.Denied = refused.Code, &Denied{Status: status, Code: refused.Code, Detail: message}
	a := &ex.Answer
	a.Status, a.Local = status, true
	a.Header.Set("Content-Type", s.media(ex)+"; charset=utf-8")
	a.Header.Set("Cache-Control", "no-store")
	a.Body, a.Length = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return ErrAnswered
}
