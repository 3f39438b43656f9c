package web_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"

	"portico/internal/web"
)

type account struct {
	Name  string     `json:"name"`
	Age   *int       `json:"age"`
	Admin bool       `json:"admin"`
	Tags  []string   `json:"tags"`
	Home  address    `json:"home"`
	At    *time.Time `json:"at"`
	Flags map[string]bool
	Marks map[string]bool `json:"marks"`
}

type address struct {
	Street string `json:"street"`
	Rooms  []room `json:"rooms"`
}

type room struct {
	Beds int `json:"beds"`
}

func decoder(t *testing.T, optional bool) (*gin.Engine, *account) {
	e := newEdge(t, io.Discard, func(c *web.Config) { c.MaxBodyBytes = 1 << 10 })
	got := &account{}
	e.POST("/", func(g *gin.Context) {
		*got = account{}
		if err := web.DecodeJSON(g, got, optional); err != nil {
			web.Fail(g, err)
			return
		}
		g.Status(204)
	})
	return e, got
}

func TestBodiesAreReadStrictly(t *testing.T) {
	e, got := decoder(t, false)
	for _, c := range []struct {
		name, body string
		status     int
		code       string
		fields     string // "field code, …"
	}{
		{"empty", ``, 400, "malformed_json", ""},
		{"half", `{"name":`, 400, "malformed_json", ""},
		{"no JSON", `name=x`, 400, "malformed_json", ""},
		{"trailing", `{} {}`, 400, "malformed_json", ""},
		{"comma", `{"name":"a",}`, 400, "malformed_json", ""},
		{"not UTF-8", "{\"name\":\"\xff\"}", 400, "malformed_json", ""},
		{"deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), 400, "malformed_json", ""},
		{"unknown", `{"naem":"a"}`, 422, "invalid", "naem unknown_field"},
		{"other case", `{"Name":"a"}`, 422, "invalid", "Name unknown_field"},
		{"untagged", `{"Flags":{}}`, 422, "invalid", "Flags unknown_field"},
		{"repeated", `{"name":"a","name":"b"}`, 422, "invalid", "name repeated"},
		{"null", `{"name":null,"age":null}`, 422, "invalid", "name null, age null"},
		{"list for body", `[]`, 422, "invalid", "body type"},
		{"inside", `{"home":{"rooms":[{"beds":1},{"beds":"2","sofa":1}]}}`, 422, "invalid", "home.rooms[1].beds type, home.rooms[1].sofa unknown_field"},
		{"fraction", `{"age":1.5}`, 422, "invalid", "age type"},
		{"too big", `{"age":9223372036854775808}`, 422, "invalid", "age type"},
		{"time", `{"at":"tomorrow"}`, 422, "invalid", "at time"},
		{"map", `{"marks":{"a":1}}`, 422, "invalid", "marks.a type"},
		{"NUL", `{"name":"a\u0000"}`, 422, "invalid", "name text"},
		{"everything at once", `{"name":1,"admin":"yes","tags":[1],"x":0}`, 422, "invalid", "name type, admin type, tags[0] type, x unknown_field"},
		{"large", `{"name":"` + strings.Repeat("a", 2000) + `"}`, 413, "body_too_large", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := do(e, "POST", "/", c.body, "Content-Type", "application/json")
			p := problem(t, w)
			var fields []string
			for _, f := range p.Errors {
				fields = append(fields, f.Field+" "+f.Code)
			}
			if p.Status != c.status || p.Code != c.code || strings.Join(fields, ", ") != c.fields {
				t.Errorf("got %d %s %q (%s), want %d %s %q", p.Status, p.Code, fields, p.Detail, c.status, c.code, c.fields)
			}
		})
	}
	body := `{"name":"Ada","age":36,"tags":["a"],"home":{"street":"x","rooms":[{"beds":2}]},"at":"2026-03-31T12:00:00Z","marks":{"a":true}}`
	if w := do(e, "POST", "/", body, "Content-Type", "application/json; charset=utf-8"); w.Code != 204 {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	if got.Name != "Ada" || *got.Age != 36 || got.Home.Rooms[0].Beds != 2 || !got.Marks["a"] || got.At.Year() != 2026 {
		t.Errorf("got %+v", got)
	}
}

func TestComplaintsAreBounded(t *testing.T) {
	e, _ := decoder(t, false)
	w := do(e, "POST", "/", "{"+strings.TrimSuffix(strings.Repeat(`"x":1,`, 160), ",")+"}", "Content-Type", "application/json")
	if p := problem(t, w); len(p.Errors) != 50 {
		t.Errorf("got %d complaints, want 50", len(p.Errors))
	}
}

func TestOnlyJSONIsTaken(t *testing.T) {
	e, _ := decoder(t, true)
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded"} {
		if p := problem(t, do(e, "POST", "/", `{}`, "Content-Type", media)); p.Status != 415 {
			t.Errorf("%q: got %d, want 415", media, p.Status)
		}
	}
	if w := do(e, "POST", "/", ""); w.Code != 204 {
		t.Errorf("an optional body was left out: got %d, want 204", w.Code)
	}
}

func TestARouteMayTakeLargerBodies(t *testing.T) {
	e := newEdge(t, io.Discard, func(c *web.Config) { c.MaxBodyBytes = 10 })
	read := func(g *gin.Context) {
		if _, err := io.ReadAll(g.Request.Body); err != nil {
			web.Fail(g, web.BodyError(err))
			return
		}
		g.Status(204)
	}
	e.POST("/small", read)
	e.POST("/large", web.AllowBody(100), read)
	body := strings.Repeat("x", 50)
	if w := do(e, "POST", "/small", body); w.Code != 413 {
		t.Errorf("small: got %d, want 413", w.Code)
	}
	if w := do(e, "POST", "/large", body); w.Code != 204 {
		t.Errorf("large: got %d, want 204", w.Code)
	}
	if w := do(e, "POST", "/large", body+body+body); w.Code != 413 {
		t.Errorf("too large: got %d, want 413", w.Code)
	}
}

func TestListsRefuseOddLimitsAndParameters(t *testing.T) {
	e := newEdge(t, io.Discard, nil)
	e.GET("/", func(g *gin.Context) {
		page, err := web.Page(g)
		if err = errors.Join(err, web.KnownQuery(g, "limit", "cursor")); err != nil {
			web.Fail(g, err)
			return
		}
		web.JSON(g, 200, page)
	})
	for _, query := range []string{"limit=0", "limit=201", "limit=-1", "limit=ten", "limit=", "cursor=" + strings.Repeat("x", 2000), "sort=name", "limit=1&limit=2"} {
		if p := problem(t, do(e, "GET", "/?"+query, "")); p.Status != 422 || len(p.Errors) == 0 {
			t.Errorf("%.20s: %+v", query, p)
		}
	}
	if w := do(e, "GET", "/?limit=200&cursor=abc", ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"Limit":200`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestASlowBodyIsCut(t *testing.T) {
	e := newEdge(t, io.Discard, func(c *web.Config) { c.BodyTimeout = 50 * time.Millisecond })
	e.POST("/", func(g *gin.Context) {
		if err := web.DecodeJSON(g, &account{}, false); err != nil {
			web.Fail(g, err)
		}
	})
	server := httptest.NewServer(e)
	defer server.Close()
	body, slow := io.Pipe()
	defer slow.Close()
	go func() { _, _ = slow.Write([]byte(`{"name":`)) }() // and never the rest
	req, err := http.NewRequestWithContext(t.Context(), "POST", server.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s, want 400", res.Status)
	}
}

// FuzzParseJSON: whatever is taken is JSON that encoding/json takes too, with
// no field that the struct does not have.
func FuzzParseJSON(f *testing.F) {
	for _, seed := range []string{`{}`, `{"name":"a","home":{"rooms":[{"beds":1}]}}`, `{"name":"a","name":"b"}`, `[`, `{"age":1e3}`, `{"at":"2026-03-31T12:00:00Z"}`, "\xff", `{"marks":{"a":true}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want account
		if web.ParseJSON(body, &got) != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("took %q, which encoding/json refuses: %v", body, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read %+v of %q, want %+v", got, body, want)
		}
	})
}
