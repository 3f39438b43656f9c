package openapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"portico/openapi"
)

// FuzzScan: whatever the bytes, there is an outline or an *Error, and what is
// scanned can be loaded and shown.
func FuzzScan(f *testing.F) {
	for _, raw := range documents(f) {
		if len(raw) < 10_000 {
			f.Add(raw)
		}
	}
	f.Add([]byte(whole))
	f.Add([]byte(aliasBomb(4)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		ctx := context.Background()
		out, err := openapi.Scan(ctx, raw, openapi.ScanOptions{SourceURL: "https://example.com/x"})
		if err != nil {
			var refused *openapi.Error
			if !errors.As(err, &refused) || refused.Code == "" || refused.Message == "" {
				t.Fatalf("%#v is no *Error with a message", err)
			}
			return
		}
		ids := make(map[string]bool)
		for _, o := range out.Operations {
			if ids[o.ID] || o.ID == "" {
				t.Fatalf("the id %q is empty or used twice", o.ID)
			}
			ids[o.ID] = true
			checkRoute(t, o)
		}
		doc, err := openapi.Load(ctx, raw, openapi.LoadOptions{})
		if err != nil {
			t.Fatalf("scanned, but not loaded: %v", err)
		}
		for ref := range doc.References() {
			if text, err := json.Marshal(ref); err != nil || len(text) > openapi.MaxReferenceBytes {
				t.Fatalf("reference of %d bytes, %v", len(text), err)
			}
			openapi.Samples(ref, openapi.SampleTarget{BaseURL: "https://example.com"})
		}
		for s := range doc.Schemas() {
			if !json.Valid([]byte(s.Example.Text)) {
				t.Fatalf("the example of %q is no JSON: %q", s.Name, s.Example.Text)
			}
		}
	})
}

// FuzzPath: whatever the key of a path, it is routed by a sound template or is
// documentation only.
func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/", "", "a", "/a/", "/{id}", "/{id}.json", "/{a}...{b}", "/{a}{b}", "/{", "/}", "/{}", "/{a/b}", "/a?b=c", "/a#b=c&d",
		"/{?a,b}", "/{a...}", "/{a+}/{a*}", "/../x", "https://x/y", "/a b", "/#X-Amz-Target=A.B", "/{{a}}", "/é/{ü}", "\x00",
	} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		key, err := json.Marshal(path)
		if err != nil {
			t.Fatal(err)
		}
		out, err := openapi.Scan(context.Background(), []byte(head+`"paths":{`+string(key)+`:{"get":{}},"/other":{"get":{}}}}`), openapi.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range out.Operations {
			checkRoute(t, o)
		}
	})
}

func checkRoute(t *testing.T, o openapi.Operation) {
	t.Helper()
	if o.DocumentationOnly {
		return
	}
	if !strings.HasPrefix(o.Path, "/") {
		t.Fatalf("routes %q, which has no slash in front", o.Path)
	}
	names := make(map[string]bool)
	open, after := -1, -2
	for i := range len(o.Path) {
		switch c := o.Path[i]; {
		case c < ' ' || c == '\\' || c == 0x7f:
			t.Fatalf("routes %q", o.Path)
		case c == '{' && (open >= 0 || after == i):
			t.Fatalf("routes %q: braces inside braces, or one parameter straight after another", o.Path)
		case c == '{':
			open = i
		case c == '/' && open >= 0, c == '}' && open < 0:
			t.Fatalf("routes %q: braces do not pair up", o.Path)
		case c == '}':
			name := strings.TrimSuffix(o.Path[open+1:i], "...")
			if name == "" || names[name] {
				t.Fatalf("routes %q: the parameter %q is empty or stands twice", o.Path, name)
			}
			names[name] = true
			open, after = -1, i+1
		case (c == '?' || c == '#') && open < 0:
			t.Fatalf("routes %q", o.Path)
		}
	}
	if open >= 0 {
		t.Fatalf("routes %q: a brace is left open", o.Path)
	}
}
