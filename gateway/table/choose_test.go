package table_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"portico/gateway/policy"
	"portico/gateway/table"
	"portico/internal/entry"
)

func selecting(n int, selectors ...entry.Selector) entry.API {
	a := api(n, "/orders", get("/{x...}"))
	a.Name, a.API = fmt.Sprintf("orders v%d", n), uuid(50)
	a.Mounts = nil
	for _, s := range selectors {
		a.Mounts = append(a.Mounts, entry.Mount{BasePath: "/orders", Select: s})
	}
	return a
}

// versions are three that share a place: by header, query and media type at
// once, and one of them by a path of its own too.
func versions() *table.Table {
	tab := table.New()
	v1 := selecting(1, entry.Selector{In: "header", Name: "X-Version", Value: "1"}, entry.Selector{In: "query", Name: "v", Value: "one two"})
	v1.Mounts = append(v1.Mounts, entry.Mount{BasePath: "/orders/v1"})
	v1.DeprecatedAt, v1.SunsetAt, v1.SuccessorURL = 1_700_000_000, 1_800_000_000, "https://gw.example/orders/v2"
	tab.Put(compile(v1))
	tab.Put(compile(selecting(2,
		entry.Selector{In: "header", Name: "x-version", Value: "2"}, entry.Selector{In: "query", Name: "v", Value: "2"},
		entry.Selector{In: "media_type", Value: "application/vnd.acme.v2+json"}, entry.Selector{In: "media_type", Name: "version", Value: "2"})))
	tab.Put(compile(selecting(3, entry.Selector{In: "media_type", Value: "application/vnd.acme.v3+json"}, entry.Selector{In: "media_type", Name: "version", Value: "3"})))
	return tab
}

func TestVersionsAreSelectedByPathHeaderQueryAndMediaTypeAtOnce(t *testing.T) {
	alone, defaulted := versions(), versions()
	defaulted.Put(compile(selecting(4, entry.Selector{})))
	for _, c := range []struct {
		target  string
		headers []string
		want    string // "v2", or a code
		none    string // the same without a default; "" the same
	}{
		{"/orders/v1/a", nil, "v1", ""},
		{"/orders/v1/a?v=2", []string{"X-Version: 2"}, "v1", ""}, // the longest path decides alone
		{"/orders/a", nil, "v4", "version_missing"},
		{"/orders", []string{"Accept: application/json"}, "v4", "version_missing"},
		{"/orders/a", []string{"x-vErsion: 1"}, "v1", ""},
		{"/orders/a", []string{"X-Version: 2"}, "v2", ""},
		{"/orders/a", []string{"X-Version: 3"}, "version_unknown", ""},
		{"/orders/a", []string{"X-Version: "}, "version_unknown", ""},
		{"/orders/a", []string{"X-Version: 1", "X-Version: 1"}, "version_ambiguous", ""},
		{"/orders/a?v=one+two", nil, "v1", ""},
		{"/orders/a?%76=%32&w", nil, "v2", ""},
		{"/orders/a?v=9", nil, "version_unknown", ""},
		{"/orders/a?v", nil, "version_unknown", ""},
		{"/orders/a?v=2&v=2", nil, "version_ambiguous", ""},
		{"/orders/a?v=2", []string{"X-Version: 2", "Accept: application/vnd.acme.v2+json"}, "v2", ""},
		{"/orders/a?v=2", []string{"X-Version: 1"}, "version_ambiguous", ""},
		{"/orders/a?v=2", []string{"X-Version: 9"}, "v2", ""},
		{"/orders/a", []string{"Accept: Application/VND.acme.v2+JSON"}, "v2", ""},
		{"/orders/a", []string{"Accept: text/html, application/vnd.acme.v3+json;q=0.4"}, "v3", ""},
		{"/orders/a", []string{"Accept: application/vnd.acme.v2+json;q=0.3, application/vnd.acme.v3+json;q=0.31"}, "v3", ""},
		{"/orders/a", []string{"Accept: application/vnd.acme.v2+json", "Accept: application/vnd.acme.v3+json"}, "v2", ""},
		{"/orders/a", []string{"Accept: application/vnd.acme.v2+json;q=0"}, "v4", "version_missing"},
		{"/orders/a", []string{`Accept: application/json; version="3"`}, "v3", ""},
		{"/orders/a", []string{"Accept: application/json;version=3;q=0.2, */*;q=0.1"}, "v3", ""},
		{"/orders/a", []string{"Accept: application/json;version=7"}, "version_unknown", ""},
		{"/orders/a", []string{`Accept: text/x;note="a, application/vnd.acme.v3+json"`}, "v4", "version_missing"},
		{"/orders/a", []string{"Accept: application/vnd.acme.v2+json;version=3"}, "version_ambiguous", ""},
		{"/orders/a", []string{"Content-Type: application/vnd.acme.v3+json; charset=utf-8"}, "v3", ""},
		{"/orders/a", []string{"Content-Type: application/json;version=2"}, "v2", ""},
		{"/orders/a", []string{"Content-Type: application/vnd.acme.v3+json", "Accept: application/vnd.acme.v2+json"}, "version_ambiguous", ""},
		{"/orders/a", []string{"Content-Type: application/json", "Accept: application/vnd.acme.v2+json"}, "v2", ""},
	} {
		for name, tab := range map[string]*table.Table{"default": defaulted, "no default": alone} {
			want := c.want
			if name == "no default" && c.none != "" {
				want = c.none
			}
			ex, got := ask(t, tab, "GET", "x", c.target, c.headers...)
			if ex.Scope != nil {
				got = strings.TrimPrefix(ex.Scope.Name, "orders ")
			}
			if got != want {
				t.Errorf("%s: %s %v: got %s, want %s", name, c.target, c.headers, got, want)
			}
		}
	}
}

func TestRefusedCallsHearWhichVersionsThereAre(t *testing.T) {
	tab := versions()
	ex := exchange("/orders/a")
	_, _, err := tab.Match(ex)
	denied := (*policy.Denied)(nil)
	if !errors.As(err, &denied) || denied.Status != 400 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"orders v1 by header X-Version: 1", "orders v1 by query v=one two", "orders v2 by media type parameter version=2", "orders v3 by media type application/vnd.acme.v3+json"} {
		if !strings.Contains(denied.Detail, want) {
			t.Errorf("got %q, want %q in it", denied.Detail, want)
		}
	}
}

// announces is what an answer says, as "Name: value" lines.
func announces(ex *policy.Exchange) string {
	var lines []string
	for _, f := range ex.Announced {
		lines = append(lines, f.Name+": "+f.Value)
	}
	return strings.Join(lines, "\n")
}

func TestDeprecationIsAnnouncedHoweverAVersionIsSelected(t *testing.T) {
	tab := versions()
	life := "Deprecation: @1700000000\nSunset: Fri, 15 Jan 2027 08:00:00 GMT\nLink: <https://gw.example/orders/v2>; rel=\"successor-version\""
	vary := "Vary: X-Version, Accept, Content-Type"
	for _, c := range []struct{ method, target, header, want string }{
		{"GET", "/orders/v1/a", "", life},
		{"GET", "/orders/a", "X-Version: 1", life + "\n" + vary},
		{"GET", "/orders/a?v=one+two", "", life + "\n" + vary},
		{"POST", "/orders/a", "X-Version: 1", life + "\n" + vary}, // a refusal: no such operation
		{"POST", "/orders/v1/a", "", life},
		{"GET", "/orders/a", "X-Version: 2", vary},
		{"GET", "/orders/a", "", vary},
		{"GET", "/orders/a", "X-Version: 9", vary},
	} {
		var headers []string
		if c.header != "" {
			headers = []string{c.header}
		}
		ex, _ := ask(t, tab, c.method, "x", c.target, headers...)
		if got := announces(ex); got != c.want {
			t.Errorf("%s %s %s: got\n%s\nwant\n%s", c.method, c.target, c.header, got, c.want)
		}
	}
	v1 := selecting(1, entry.Selector{In: "query", Name: "v", Value: "1"})
	tab = table.New()
	tab.Put(compile(v1))
	if ex, _ := ask(t, tab, "GET", "x", "/orders/a?v=1"); len(ex.Announced) != 0 {
		t.Errorf("got %s, but no header selects here", announces(ex))
	}
}

func TestVersionsComeAndGoFromASharedPlace(t *testing.T) {
	tab := versions()
	v2, _ := policy.ParseID(uuid(2))
	tab.Remove(v2)
	for header, want := range map[string]string{"X-Version: 1": "GET /{x...} x=a", "X-Version: 2": "version_unknown"} {
		if _, got := ask(t, tab, "GET", "x", "/orders/a", header); got != want {
			t.Errorf("%s: got %s, want %s", header, got, want)
		}
	}
	// The header's name in another case is the same way; the query is gone.
	tab.Put(compile(selecting(1, entry.Selector{In: "header", Name: "X-VERSION", Value: "1"})))
	for target, want := range map[string]string{"/orders/a?v=one+two": "version_missing", "/orders/v1/a": "version_missing"} {
		if _, got := ask(t, tab, "GET", "x", target); got != want {
			t.Errorf("%s: got %s, want %s", target, got, want)
		}
	}
	if ex, _ := ask(t, tab, "GET", "x", "/orders/a", "x-version: 1"); ex.Scope == nil {
		t.Error("the version is gone with the spelling of its header")
	}
	// A default moves on before its former holder lets go.
	v3, v4 := selecting(3, entry.Selector{In: "media_type", Name: "version", Value: "3"}, entry.Selector{}), selecting(4, entry.Selector{In: "header", Name: "X-Version", Value: "4"}, entry.Selector{})
	tab.Put(compile(v3))
	tab.Put(compile(v4))
	v3.Mounts = v3.Mounts[:1]
	tab.Put(compile(v3))
	if ex, _ := ask(t, tab, "GET", "x", "/orders/a"); ex.Scope == nil || ex.Scope.Name != "orders v4" {
		t.Error("the default did not move")
	}
	for n := 1; n <= 4; n++ {
		id, _ := policy.ParseID(uuid(n))
		tab.Remove(id)
	}
	if _, got := ask(t, tab, "GET", "x", "/orders/a"); got != "no_route" {
		t.Errorf("got %s at a place that nobody holds any more", got)
	}
}

func TestSelectingAVersionAllocatesNothing(t *testing.T) {
	tab := versions()
	ex := exchange("/orders/a")
	ex.Query = "w=1&x=2"
	ex.Header.Add("Accept", "text/html, application/vnd.acme.v2+json;q=0.9, application/json;version=2;q=0.1")
	ex.Header.Add("X-Version", "2")
	if n := testing.AllocsPerRun(1000, func() {
		if _, _, err := tab.Match(ex); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("got %v allocations", n)
	}
}
