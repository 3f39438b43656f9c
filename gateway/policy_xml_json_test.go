package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"portico/internal/entry"
)

// serveXML is an upstream that says in XML what it got.
func serveXML(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	h := w.Header()
	h.Set("ETag", `"1"`)
	h.Set("X-Got", strings.ReplaceAll(string(body), "\n", ""))
	h.Set("X-Type", r.Header.Get("Content-Type"))
	h.Set("X-Accept", r.Header.Get("Accept"))
	h.Set("Content-Type", "text/xml; charset=utf-8")
	switch r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:] {
	case "bad":
		io.WriteString(w, `<!DOCTYPE a><result/>`)
	case "fault":
		w.WriteHeader(500)
		io.WriteString(w, `<fault code="7">no</fault>`)
	case "json":
		h.Set("Content-Type", "application/json")
		io.WriteString(w, `{"order":{"id":1.50}}`)
	default:
		io.WriteString(w, `<result><items><item n="1"/></items><ok>true</ok></result>`)
	}
}

func xmlJSONCase(t *testing.T, lane change) {
	r := shaped(t, lane, serveXML, &entry.XMLJSON{
		Request: entry.ToXML, Answer: entry.ToJSON, Root: "order", AnswerRoot: "result", Arrays: []string{"result/items/item"}, MaxBytes: 10_000,
	}, &entry.JSONAnswer{Merge: json.RawMessage(`{"via":"portico"}`)})
	const path = "/demo/orders/v1/do/"
	got := r.call(t, "POST", path+"it", `{"z":1.50,"@id":"<","a":["x","y"]}`, asJSON, "Accept: application/json")
	if want := `{"items":{"item":[{"@n":"1"}]},"ok":"true","via":"portico"}`; got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s %s, want %s", got.status, got.header.Get("Content-Type"), got.body, want)
	}
	if h := got.header; h.Get("X-Got") != `<?xml version="1.0" encoding="UTF-8"?><order id="&lt;"><z>1.50</z><a>x</a><a>y</a></order>` ||
		h.Get("X-Type") != "application/xml" || h.Get("X-Accept") != "application/xml" || h.Get("ETag") != `W/"1"` {
		t.Errorf("the upstream saw, and said: %v", h)
	}
	for name, c := range map[string]struct {
		body, header string
		status       int
		code         string
	}{
		"no JSON":      {`{"z":`, asJSON, 400, "body_invalid"},
		"no XML of it": {`{"a b":1}`, asJSON, 400, "body_invalid"},
		"another type": {`<order/>`, "Content-Type: application/xml", 415, "media_type_not_supported"},
		"too large":    {`{"z":"` + strings.Repeat("x", 10_000) + `"}`, asJSON, 413, "request_too_large"},
		"too large after it": {
			`{"z":"` + strings.Repeat("<", 5_000) + `"}`, asJSON, 400, "body_invalid",
		},
	} {
		if got := r.call(t, "POST", path+"it", c.body, c.header); got.status != c.status || got.code() != c.code {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
	if got := r.call(t, "GET", path+"bad", ""); got.code() != "answer_unusable" {
		t.Errorf("a document type: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "GET", path+"fault", ""); got.status != 500 || got.body != `{"fault":{"#text":"no","@code":"7"}}` {
		t.Errorf("a fault: got %d %s", got.status, got.body)
	}
	if got := r.call(t, "HEAD", path+"it", ""); got.status != 200 || got.header.Get("Content-Type") != "application/json" || got.header.Get("Content-Length") != "" {
		t.Errorf("HEAD: got %d %v", got.status, got.header)
	}
}

func TestXMLForTheCallerOfAnUpstreamOfJSON(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := shaped(t, lane, serveXML, &entry.XMLJSON{Request: entry.ToJSON, Answer: entry.ToXML, XMLType: "text/xml; charset=utf-8"})
		got := r.call(t, "POST", "/demo/orders/v1/do/json", `<order><id>1</id></order>`, "Content-Type: text/xml", "Accept: text/xml")
		if want := `<order><id>1.50</id></order>`; !strings.HasSuffix(got.body, want) || got.header.Get("Content-Type") != "text/xml; charset=utf-8" {
			t.Errorf("got %d %v %s, want %s", got.status, got.header, got.body, want)
		}
		if h := got.header; h.Get("X-Got") != `{"order":{"id":"1"}}` || h.Get("X-Type") != "application/json" || h.Get("X-Accept") != "application/json" {
			t.Errorf("the upstream saw: %v", h)
		}
		bomb := `<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>`
		if got := r.call(t, "POST", "/demo/orders/v1/do/json", bomb, "Content-Type: text/xml"); got.status != 400 || got.code() != "body_invalid" {
			t.Errorf("a bomb: got %d %s", got.status, got.body)
		}
	})
}
