package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/internal/secret"
)

// hand is somebody with a connection to the bus and bad manners.
type hand struct {
	t  *testing.T
	js jetstream.JetStream
}

func (w *world) hand() hand {
	w.t.Helper()
	conn := must(nats.Connect("", nats.InProcessServer(w.server)))(w.t)
	w.t.Cleanup(conn.Close)
	return hand{w.t, must(jetstream.New(conn))(w.t)}
}

// put writes a value under a key, as it is.
func (h hand) put(key, value string) {
	h.t.Helper()
	if _, err := h.js.Publish(h.t.Context(), "$KV."+entry.Bucket("production")+"."+key, []byte(value)); err != nil {
		h.t.Fatal(err)
	}
}

// value reads what stands under a key, "" for nothing.
func (h hand) value(key string) string {
	stream, err := h.js.Stream(h.t.Context(), "KV_"+entry.Bucket("production"))
	if err != nil {
		return ""
	}
	msg, err := stream.GetLastMsgForSubject(h.t.Context(), "$KV."+entry.Bucket("production")+"."+key)
	if err != nil || msg.Header.Get("KV-Operation") != "" {
		return ""
	}
	return string(msg.Data)
}

func apiKey(v apim.Version) string { return "api." + v.ID.UUID() }

// changed is an entry's value with a change.
func changed(t *testing.T, value string, change func(envelope, body map[string]any)) string {
	t.Helper()
	var envelope map[string]any
	if err := json.Unmarshal([]byte(value), &envelope); err != nil {
		t.Fatalf("%v: %s", err, value)
	}
	body, _ := envelope["body"].(map[string]any)
	change(envelope, body)
	raw := must(json.Marshal(envelope))(t)
	return string(raw)
}

const far = 1_000_000

// open takes a newer entry's authentication away.
func open(envelope, body map[string]any) {
	envelope["sequence"] = far
	delete(body, "policies")
	for _, r := range body["routes"].([]any) {
		delete(r.(map[string]any), "policies")
	}
}

// P4: what somebody wrote into the bucket by hand harms nothing but its own
// key, is reported, and is repaired from the database.
func TestForeignEntriesHarmOnlyThemselvesAndAreRepaired(t *testing.T) {
	w := newWorld(t)
	victim := w.live("victim", w.up.URL)
	n := w.readyNode("gw-1")
	n.eventually("the victim is live", func() bool { return n.status("victim", w.key) == http.StatusForbidden })
	h := w.hand()
	key := apiKey(victim)
	good := h.value(key)
	grant := "grant." + secret.HashHex(w.key)
	stop := n.load("orders", w.key)
	defer stop()
	for _, c := range []struct {
		name, key, value string
		reported         bool // as refused, by the node
	}{
		{"garbage", key, "\x00\x01garbage", true},
		{"nothing", key, "", true},
		{"half an entry", key, good[:len(good)/2], true},
		{"a list", key, "[]", true},
		{"an unknown field", key, changed(t, good, func(e, _ map[string]any) { e["sequence"], e["extra"] = far, 1 }), true},
		{"an unknown field inside", key, changed(t, good, func(e, b map[string]any) { e["sequence"], b["extra"] = far, 1 }), true},
		{"an unknown kind", key, changed(t, good, func(e, _ map[string]any) { e["sequence"], e["kind"] = far, "plugin" }), true},
		{"another kind", key, changed(t, good, func(e, _ map[string]any) { e["sequence"], e["kind"] = far, "grant" }), true},
		{"another schema", key, changed(t, good, func(e, _ map[string]any) { e["sequence"], e["schema"] = far, 99 }), true},
		{"an unknown policy", key, changed(t, good, func(e, b map[string]any) {
			e["sequence"], b["policies"] = far, []any{map[string]any{"mystery": map[string]any{}}}
		}), true},
		{"no authentication", key, changed(t, good, open), true},
		{"another's mount", key, changed(t, good, func(e, b map[string]any) {
			e["sequence"], b["mounts"] = far, []any{map[string]any{"base_path": "/demo/orders/v1"}}
		}), true},
		{"a bad upstream", key, changed(t, good, func(e, b map[string]any) {
			e["sequence"] = far
			b["upstreams"].([]any)[0].(map[string]any)["targets"] = []any{map[string]any{"url": "file:///etc/passwd"}}
		}), true},
		{"a body that is not there", key, fmt.Sprintf(`{"schema":1,"epoch":1,"sequence":%d,"kind":"api","digest":%q}`, far, strings.Repeat("ab", 32)), true},
		{"an older truth", key, changed(t, good, func(e, _ map[string]any) { e["sequence"] = 1 }), false},
		{"a newer lie", key, changed(t, good, func(e, b map[string]any) { e["sequence"], b["name"] = far, "forged" }), false},
		{"an early end", key, fmt.Sprintf(`{"schema":1,"epoch":1,"sequence":%d,"kind":"api","ended":true}`, far), false},
		{"a position beyond numbers", key, changed(t, good, func(e, _ map[string]any) { e["sequence"] = uint64(1) << 63 }), true},
		{"a foreign API", "api." + strings.Repeat("0123456789abcdef", 2), changed(t, good, func(e, b map[string]any) {
			e["sequence"], b["version"], b["mounts"] = far, strings.Repeat("0123456789abcdef", 2), []any{map[string]any{"base_path": "/demo/foreign/v1"}}
		}), false},
		{"no key at all", "nonsense", `{"schema":1}`, true},
		{"a key in capitals", "API." + strings.Repeat("0", 32), good, true},
		{"a short key", "api.123", good, true},
		{"a deep key", key + ".more", good, true},
		{"a head ahead", "head", fmt.Sprintf(`{"schema":1,"epoch":1,"sequence":%d,"kind":"head"}`, 2*far), false},
		{"garbage as the environment", "env", "garbage", true},
		{"garbage as a grant", grant, "garbage", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := n.Status().Applied
			h.put(c.key, c.value)
			if c.reported {
				eventually(t, "the node reports it or it is repaired", func() bool {
					_, ok := n.refuses(c.key)
					return ok || h.value(c.key) != c.value
				})
			}
			eventually(t, "it is repaired", func() bool { return h.value(c.key) != c.value })
			eventually(t, "no refusal is left", func() bool { return len(n.Status().Refused) == 0 })
			eventually(t, "the victim is as it was", func() bool { return n.status("victim", w.key) == http.StatusForbidden })
			eventually(t, "the foreign API is gone", func() bool { return n.status("foreign", w.key) == http.StatusNotFound })
			if now := n.Status().Applied; before.After(now) {
				t.Errorf("the node went back from %v to %v", before, now)
			}
			if strings.Contains(h.value(key), "forged") {
				t.Error("the lie stands in the bucket")
			}
		})
	}
	app, newKey := w.caller("after")
	w.applied(w.approve(app))
	if got, body := n.call("orders", newKey); got != http.StatusOK {
		t.Errorf("an approval after it all: got %d %s", got, body)
	}
}

// Without a manager nobody repairs; a bad entry is reported within a second and
// the last good one stays.
func TestBadEntryIsReportedAndTheLastGoodOneStays(t *testing.T) {
	w := newWorld(t)
	victim := w.live("victim", w.up.URL)
	n := w.readyNode("gw-1")
	n.eventually("the victim is live", func() bool { return n.status("victim", w.key) == http.StatusForbidden })
	h := w.hand()
	key := apiKey(victim)
	bad := changed(t, h.value(key), open)
	w.stopManager()
	stop := n.load("orders", w.key)
	began := time.Now()
	h.put(key, bad)
	n.eventually("it is reported", func() bool { _, ok := n.refuses(key); return ok })
	if took := time.Since(began); took > time.Second {
		t.Errorf("reported after %v, want at most 1 s", took)
	}
	reason, _ := n.refuses(key)
	if !strings.Contains(reason, "identify") {
		t.Errorf("got reason %q", reason)
	}
	if got, body := n.call("victim", w.key); got != http.StatusForbidden {
		t.Errorf("the last good one: got %d %s, want 403", got, body)
	}
	// The refusal survives no restart as a table: the copy holds the good one.
	w.settled(n)
	stop()
	if err := n.end(); err != nil {
		t.Fatal(err)
	}
	again := w.node("gw-1", w.connect())
	again.eventually("it is refused again", func() bool { _, ok := again.refuses(key); return ok })
	if got, body := again.call("victim", w.key); got != http.StatusForbidden {
		t.Errorf("restarted, the last good one: got %d %s, want 403", got, body)
	}
	w.startManager()
	again.eventually("the manager repairs it", func() bool { _, ok := again.refuses(key); return !ok })
}

func TestMissingEntriesAreWrittenAgain(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	h := w.hand()
	stream := must(h.js.Stream(t.Context(), "KV_"+entry.Bucket("production")))(t)
	stop := n.load("orders", w.key)
	for _, key := range []string{apiKey(w.version), "grant." + secret.HashHex(w.key), "env", "head", "complete"} {
		before := h.value(key)
		if before == "" {
			t.Fatalf("%s is not there", key)
		}
		if err := stream.Purge(t.Context(), jetstream.WithPurgeSubject("$KV."+entry.Bucket("production")+"."+key)); err != nil {
			t.Fatal(err)
		}
		eventually(t, key+" is written again", func() bool { return h.value(key) != "" })
	}
	t.Logf("%d calls", stop())
	fresh := w.node("gw-2", w.connect())
	fresh.eventually("a new node serves", func() bool { return fresh.status("orders", w.key) == http.StatusOK })
}

// TestBucketDeletedUnderARunningNodeIsRebuilt: nobody is refused meanwhile, and
// what is changed while it is gone arrives.
func TestBucketDeletedUnderARunningNodeIsRebuilt(t *testing.T) {
	w := newWorld(t)
	n := w.readyNode("gw-1")
	h := w.hand()
	stop := n.load("orders", w.key)
	for round := range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		before := n.Status().Applied
		if err := h.js.DeleteStream(ctx, "KV_"+entry.Bucket("production")); err != nil {
			t.Fatal(err)
		}
		app, key := w.caller(fmt.Sprintf("round-%d", round))
		change := w.approve(app)
		began := time.Now()
		eventually(t, "the bucket is rebuilt and the node follows", func() bool { return n.Status().Applied.Epoch > before.Epoch })
		w.applied(change)
		if got, body := n.call("orders", key); got != http.StatusOK {
			t.Errorf("what was changed meanwhile: got %d %s", got, body)
		}
		t.Logf("rebuilt after %v", time.Since(began))
		cancel()
	}
	t.Logf("%d calls", stop())
	if err := h.js.DeleteStream(t.Context(), "OBJ_"+entry.Objects("production")); err != nil {
		t.Fatal(err)
	}
	app, key := w.caller("last")
	w.applied(w.approve(app))
	if got, body := n.call("orders", key); got != http.StatusOK {
		t.Errorf("without the object store: got %d %s", got, body)
	}
}
