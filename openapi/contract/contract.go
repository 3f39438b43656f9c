// Package contract holds an HTTP API to its OpenAPI document: it finds the
// operation of a call and checks the request and the answer against it.
//
// It is for tests. Nothing that serves traffic uses it: gateway nodes hold no
// parsed documents, and the management API checks its input itself.
package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
)

// Contract is a document to check against. It is safe for concurrent use.
type Contract struct {
	doc  *openapi3.T
	base string // path of the first server
}

// Operation is one operation of the document.
type Operation struct {
	Method, Path string // path as in the document
	ID           string
	Query        []string // names of the query parameters, sorted
	Headers      []string // names of the header parameters, sorted
	Permission   string   // x-permission
	HasBody      bool
	Takes        []string // names of the fields of a JSON body, sorted
	Gives        []string // names of the fields of the JSON answer to what was done, sorted
}

// takeArchives tells the library of the media type that it has no decoder for.
// Its decoders are the process's.
var takeArchives = sync.OnceFunc(func() {
	openapi3filter.RegisterBodyDecoder("application/zip", openapi3filter.FileBodyDecoder)
})

// Load reads a document and refuses one that is not valid, examples included.
func Load(text string) (*Contract, error) {
	takeArchives()
	doc, err := openapi3.NewLoader().LoadFromData([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("load document: %w", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, fmt.Errorf("validate document: %w", err)
	}
	for name, ref := range doc.Components.Schemas {
		for i, example := range ref.Value.Examples {
			if err := ref.Value.VisitJSON(example, openapi3.EnableJSONSchema2020()); err != nil {
				return nil, fmt.Errorf("example %d of schema %s: %w", i+1, name, err)
			}
		}
	}
	server, err := url.Parse(doc.Servers[0].URL)
	if err != nil {
		return nil, fmt.Errorf("server of the document: %w", err)
	}
	return &Contract{doc: doc, base: strings.TrimSuffix(server.Path, "/")}, nil
}

// Operations returns all operations, by path and method.
func (c *Contract) Operations() []Operation {
	var all []Operation
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			o := Operation{Method: method, Path: path, ID: op.OperationID, HasBody: op.RequestBody != nil}
			o.Permission, _ = op.Extensions["x-permission"].(string)
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				switch p.Value.In {
				case openapi3.ParameterInQuery:
					o.Query = append(o.Query, p.Value.Name)
				case openapi3.ParameterInHeader:
					o.Headers = append(o.Headers, p.Value.Name)
				}
			}
			if op.RequestBody != nil {
				o.Takes = fields(op.RequestBody.Value.Content)
			}
			for status, answer := range op.Responses.Map() {
				if strings.HasPrefix(status, "2") {
					o.Gives = append(o.Gives, fields(answer.Value.Content)...)
				}
			}
			slices.Sort(o.Gives)
			slices.Sort(o.Query)
			slices.Sort(o.Headers)
			all = append(all, o)
		}
	}
	slices.SortFunc(all, func(a, b Operation) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	return all
}

// fields returns the names of the fields of JSON content, those of all
// alternatives.
func fields(content openapi3.Content) []string {
	media := content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	var out []string
	for _, s := range append(slices.Concat(media.Schema.Value.AllOf, media.Schema.Value.AnyOf, media.Schema.Value.OneOf), media.Schema) {
		for name := range s.Value.Properties {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// ErrNoOperation means that the document has no operation for a request.
var ErrNoOperation = errors.New("the document has no such operation")

// Check holds a call to the document. The answer's status, content type and
// every field of its body must be declared. A request that was taken (2xx)
// must be a valid one: whatever the document does not allow, the server may
// not accept. It returns ErrNoOperation when the document knows neither path
// nor method.
func (c *Contract) Check(r *http.Request, requestBody []byte, status int, header http.Header, body []byte) error {
	route, params, err := c.find(r.Method, r.URL.Path)
	if err != nil {
		return err
	}
	r = r.Clone(context.Background())
	r.Body = io.NopCloser(bytes.NewReader(requestBody))
	r.ContentLength = int64(len(requestBody))
	options := &openapi3filter.Options{
		IncludeResponseStatus: true, MultiError: true, SkipSettingDefaults: true,
		RejectWhenRequestBodyNotSpecified: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
	}
	request := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: options}
	if status >= 200 && status < 300 {
		if err := openapi3filter.ValidateRequest(r.Context(), request); err != nil {
			return fmt.Errorf("%s %s was answered %d, and the document does not allow the request: %w", r.Method, route.Path, status, err)
		}
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: status, Header: header,
		Body: io.NopCloser(bytes.NewReader(body)), Options: options,
	}
	if err := openapi3filter.ValidateResponse(r.Context(), answer); err != nil {
		return fmt.Errorf("%s %s: answer %d is not as in the document: %w\n%s", r.Method, route.Path, status, err, body)
	}
	declared := route.Operation.Responses.Status(status).Value
	if len(declared.Content) == 0 && len(body) > 0 {
		return fmt.Errorf("%s %s: answer %d has a body, and the document gives it none", r.Method, route.Path, status)
	}
	return nil
}

// OperationID returns the id of the operation that a call is of. It returns
// ErrNoOperation as Check does.
func (c *Contract) OperationID(method, path string) (string, error) {
	route, _, err := c.find(method, path)
	if err != nil {
		return "", err
	}
	return route.Operation.OperationID, nil
}

// find returns the operation for a path, and the values of its parameters. Of
// several templates that fit the one with fewer parameters counts.
func (c *Contract) find(method, path string) (*routers.Route, map[string]string, error) {
	rest, ok := strings.CutPrefix(path, c.base)
	if !ok {
		return nil, nil, ErrNoOperation
	}
	var best *routers.Route
	var found map[string]string
	for template, item := range c.doc.Paths.Map() {
		op := item.GetOperation(method)
		params, fits := match(template, rest)
		if op == nil || !fits || best != nil && len(params) >= len(found) {
			continue
		}
		best = &routers.Route{Spec: c.doc, Server: c.doc.Servers[0], Path: template, PathItem: item, Method: method, Operation: op}
		found = params
	}
	if best == nil {
		return nil, nil, ErrNoOperation
	}
	return best, found, nil
}

func match(template, path string) (map[string]string, bool) {
	want, have := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	params := map[string]string{}
	for i, w := range want {
		if name, ok := strings.CutPrefix(w, "{"); ok {
			params[strings.TrimSuffix(name, "}")] = have[i]
		} else if w != have[i] {
			return nil, false
		}
	}
	return params, true
}
