package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"portico/internal/apim"
)

// kind is a kind of object that people call by slug, id or name.
type kind struct{ noun, prefix, list string }

func anAPI() kind         { return kind{"API", apim.PrefixAPI, "/apis"} }
func aProduct() kind      { return kind{"product", apim.PrefixProduct, "/products"} }
func anApplication() kind { return kind{"application", apim.PrefixApplication, "/applications"} }
func aTeam() kind         { return kind{"team", apim.PrefixTeam, "/teams"} }

// at returns the path of an object of the tenant, which may be called by its
// slug, its id or its name.
func (s *session) at(ctx context.Context, k kind, called string) (string, error) {
	ref, err := s.ref(ctx, k, called)
	if err != nil {
		return "", err
	}
	return s.in(ctx, k.list+"/%s", ref)
}

// ref returns what the management API calls an object by: its slug or its id.
func (s *session) ref(ctx context.Context, k kind, called string) (string, error) {
	if _, err := apim.ParseID(k.prefix, called); err == nil {
		return called, nil
	}
	if apim.CheckSlug(called) == nil {
		path, err := s.in(ctx, k.list+"/%s", called)
		if err != nil {
			return "", err
		}
		err = s.get(ctx, path, nil, nil)
		if !missing(err) {
			return called, err
		}
	}
	path, err := s.in(ctx, k.list)
	if err != nil {
		return "", err
	}
	items, err := s.all(ctx, path, nil)
	if err != nil {
		return "", err
	}
	return s.byName(k.noun, called, items)
}

// byName picks the one item of that name and returns its id.
func (s *session) byName(noun, called string, items []json.RawMessage) (string, error) {
	var fits, are []string
	for _, raw := range items {
		var one struct{ ID, Slug, Name string }
		if err := json.Unmarshal(raw, &one); err != nil {
			return "", fmt.Errorf("read %s: %w", noun, err)
		}
		if strings.EqualFold(one.Name, called) {
			fits = append(fits, one.ID)
		}
		are = append(are, one.Slug)
	}
	slices.Sort(are)
	switch {
	case len(fits) == 1:
		return fits[0], nil
	case len(fits) > 1:
		return "", usagef("%d are called %q; say which by its id: %s", len(fits), called, strings.Join(fits, ", "))
	}
	return "", s.unknown("there is no such %s as %q; there is %s", noun, called, few(are))
}

// fewest is how many names are told of things that there are.
const fewest = 20

// few joins names, as many as one reads.
func few(names []string) string {
	if len(names) <= fewest {
		return orNone(names)
	}
	return strings.Join(names[:fewest], ", ") + fmt.Sprintf(" and %d more", len(names)-fewest)
}

// unknown is the refusal of a reference that fits nothing.
func (s *session) unknown(format string, args ...any) error {
	r := &refusal{Status: http.StatusNotFound, Title: "Not Found", Code: "not_found", Detail: fmt.Sprintf(format, args...)}
	if s.flags.JSON {
		raw, err := json.Marshal(map[string]any{"type": "about:blank", "title": r.Title, "status": r.Status, "code": r.Code, "detail": r.Detail})
		if err != nil {
			return fmt.Errorf("write refusal: %w", err)
		}
		r.raw = raw
	}
	return r
}

// missing reports whether the manager said that there is no such object.
func missing(err error) bool {
	var r *refusal
	return errors.As(err, &r) && r.Status == http.StatusNotFound
}
