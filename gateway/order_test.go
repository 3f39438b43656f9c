package gateway_test

import (
	"encoding/json"
	"strings"
	"testing"

	"portico/internal/entry"
)

func TestBadEntryHarmsOnlyItself(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		other := demoAPI(r.upstream.URL)
		other.Version, other.Name = uuid(400), "demo/other v1"
		other.Mounts[0].BasePath = "/demo/other/v1"
		broken := demoAPI(r.upstream.URL)
		broken.Routes = append(broken.Routes, entry.Route{Operation: "again", Method: "GET", Path: "/orders/{other}", Upstream: "main"})
		taken := demoAPI(r.upstream.URL)
		taken.Version, taken.Name = uuid(500), "demo/taken v1"
		future := item(t, 2, demoTerms())
		future.Schema = 9
		unknown := grantItem(t, 2, mint(5), demoGrant())
		unknown.Body = json.RawMessage(strings.Replace(string(unknown.Body), `"name"`, `"bypass":true,"name"`, 1))
		r.carrier.Put(item(t, 2, other), item(t, 2, broken), item(t, 2, taken), future, unknown, entry.Mark(entry.HeadKey, at(2)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 2 })

		reasons := map[entry.Key]string{}
		for _, ref := range r.Status().Refused {
			reasons[ref.Key] = ref.Reason
		}
		for key, want := range map[entry.Key]string{
			entry.Key("api." + uuid(100)):   "can match the same request",
			entry.Key("api." + uuid(500)):   "/demo/orders/v1 is taken by demo/orders v1",
			entry.Key("terms." + uuid(200)): "schema 9",
			grantKey(t, mint(5)):            `unknown field "bypass"`,
		} {
			if !strings.Contains(reasons[key], want) {
				t.Errorf("%s: got reason %q, want it to hold %q", key, reasons[key], want)
			}
		}
		if len(reasons) != 4 {
			t.Errorf("got %d refusals: %v", len(reasons), reasons)
		}
		for _, path := range []string{"/demo/orders/v1/open", "/demo/other/v1/open"} {
			if got := r.call(t, "GET", path, ""); got.status != 200 {
				t.Errorf("%s: got %d %s", path, got.status, got.body)
			}
		}
		wait(t, "the refusals to be reported", func() bool { s, ok := r.carrier.Last(); return ok && len(s.Refused) == 4 })

		// The mount becomes free: the entry that was refused for it is served.
		r.carrier.Put(entry.Tombstone(entry.Key("api."+uuid(100)), at(3)), entry.Mark(entry.HeadKey, at(3)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 3 })
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Errorf("got %d %s, want the API that waited for the mount", got.status, got.body)
		}
		if s := r.Status(); len(s.Refused) != 2 || s.APIs != 2 {
			t.Errorf("got %d refusals and %d APIs", len(s.Refused), s.APIs)
		}
	})
}

func TestWhatIsNoEntryIsRefusedAndHarmsNothing(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		garbage := func(key entry.Key, at entry.Position, body string) entry.Item {
			return entry.Item{Key: key, Envelope: entry.Envelope{Position: at, Body: json.RawMessage(body)}}
		}
		refused := func() string {
			text := ""
			for _, ref := range r.Status().Refused {
				text += string(ref.Key) + ": " + ref.Reason + "\n"
			}
			return text
		}
		api := entry.Key("api." + uuid(100))
		if err := r.Apply([]entry.Item{
			garbage("no.key", entry.Position{}, "x"), garbage(api, entry.Position{}, "{"), garbage(entry.EnvKey, at(7), `{"schema":1,"epoch":1,"sequence":7,"kind":"env","digest":"00"}`),
		}, true); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"no.key: entry key", string(api) + ": entry api.", "env: entry env: its body is not in the object store"} {
			if !strings.Contains(refused(), want) {
				t.Errorf("got %s, want %s", refused(), want)
			}
		}
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		whole := item(t, 7, environment()) // the body has come since
		if err := r.Apply([]entry.Item{whole, item(t, 2, demoAPI(r.upstream.URL)), {Key: "no.key", Envelope: entry.Envelope{Ended: true}}}, true); err != nil {
			t.Fatal(err)
		}
		if refused() != "" {
			t.Errorf("still refused: %s", refused())
		}
	})
}

func TestOlderAndRepeatedEntriesChangeNothing(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		newer := demoAPI(r.upstream.URL)
		newer.Revision = 2
		newer.Routes = newer.Routes[:1]
		r.carrier.Put(item(t, 5, newer), entry.Mark(entry.HeadKey, at(5)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 5 })
		r.carrier.Put(item(t, 4, demoAPI(r.upstream.URL)), item(t, 5, demoAPI(r.upstream.URL)), entry.Tombstone(entry.Key("api."+uuid(100)), at(3)),
			entry.Mark(entry.HeadKey, at(2)), entry.Mark(entry.HeadKey, at(6)))
		wait(t, "applied", func() bool { return r.Status().Applied.Sequence == 6 })
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.code() != "no_route" {
			t.Errorf("got %d %s, want the newest revision, which has no such route", got.status, got.body)
		}
	})
}

func TestNewEpochDropsNothingUntilItIsComplete(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		in := func(sequence uint64) entry.Position { return entry.Position{Epoch: 2, Sequence: sequence} }
		moved := demoAPI(r.upstream.URL)
		moved.Version = uuid(600)
		second := item(t, 0, moved)
		second.Position = in(1)
		env := item(t, 0, environment())
		env.Position = in(1)
		r.carrier.Replace(env, second)
		wait(t, "the refusal", func() bool { return len(r.Status().Refused) == 1 })
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.status != 200 {
			t.Errorf("before it is complete: got %d %s", got.status, got.body)
		}
		r.carrier.Put(entry.Mark(entry.CompleteKey, in(1)), entry.Mark(entry.HeadKey, in(1)))
		wait(t, "applied", func() bool { return r.Status().Applied == in(1) })
		s := r.Status()
		if s.APIs != 1 || s.Grants != 0 || len(s.Refused) != 0 {
			t.Errorf("got %d APIs, %d grants, refused %v; want the new epoch's alone", s.APIs, s.Grants, s.Refused)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 200 {
			t.Errorf("got %d %s", got.status, got.body)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/orders", "", "X-API-Key: "+goodKey); got.code() != "credential_invalid" {
			t.Errorf("a grant of the old epoch: got %d %s", got.status, got.body)
		}
	})
}

// A new node gets what there is in pieces, and a bucket that is being rebuilt
// may end before everything is in it. Until it has all, it would answer known
// calls as unknown ones.
func TestNodeIsReadyOnlyWithAllThatThereIs(t *testing.T) {
	r := start(t, newStopped())
	refuses := func(when string) {
		t.Helper()
		if code, body := r.ready(); code != 503 || body.Reason == "" {
			t.Errorf("%s: /readyz said %d %+v", when, code, body)
		}
		if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 503 || got.code() != "not_ready" {
			t.Errorf("%s: got %d %s", when, got.status, got.body)
		}
	}
	in := func(it entry.Item) entry.Item { it.Position = entry.Position{Epoch: 2, Sequence: 1}; return it }
	for _, step := range []struct {
		when     string
		items    []entry.Item
		caughtUp bool
	}{
		{"the environment alone", []entry.Item{in(item(t, 0, environment()))}, false},
		{"all of a bucket that is not complete", nil, true},
		{"again from the beginning", nil, false},
		{"an API more", []entry.Item{in(item(t, 0, demoAPI("http://127.0.0.1:9")))}, false},
		{"the mark, with more to come", []entry.Item{in(entry.Mark(entry.CompleteKey, entry.Position{}))}, false},
	} {
		if err := r.Apply(step.items, step.caughtUp); err != nil {
			t.Fatal(err)
		}
		refuses(step.when)
	}
	if err := r.Apply(nil, true); err != nil {
		t.Fatal(err)
	}
	if code, body := r.ready(); code != 200 {
		t.Errorf("with everything: /readyz said %d %+v", code, body)
	}
	if err := r.Apply(nil, false); err != nil { // the connection broke
		t.Fatal(err)
	}
	if code, body := r.ready(); code != 200 {
		t.Errorf("cut off with everything: /readyz said %d %+v", code, body)
	}
}

func TestNothingIsServedBeforeThereIsAnEnvironment(t *testing.T) {
	items := demo(t, "http://127.0.0.1:1")
	carrier := newStopped()
	carrier.Put(items[1:]...)
	r := start(t, carrier)
	if got := r.call(t, "GET", "/demo/orders/v1/open", ""); got.status != 503 || got.code() != "not_ready" {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if code, _ := r.ready(); code != 503 {
		t.Errorf("got %d from /readyz", code)
	}
	carrier.Start()
	carrier.Put(items[0])
	wait(t, "ready", func() bool { code, _ := r.ready(); return code == 200 })
}
