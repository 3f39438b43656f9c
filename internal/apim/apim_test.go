package apim_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
)

var now = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func TestIDsSortByTheTimeTheyWereMade(t *testing.T) {
	var ids []string
	for i := range 3000 {
		ids = append(ids, string(apim.NewID(apim.PrefixAPI, now.Add(time.Duration(i)*time.Microsecond))))
	}
	if !slices.IsSorted(ids) {
		t.Error("an ID sorts before one that was made earlier")
	}
	for _, s := range ids {
		id, err := apim.ParseID(apim.PrefixAPI, s)
		if err != nil || len(id.UUID()) != 32 || id.UUID()[12] != '7' || !strings.ContainsRune("89ab", rune(id.UUID()[16])) {
			t.Fatalf("%s is no UUIDv7: %v", s, err)
		}
	}
	if slices.Sort(ids); len(slices.Compact(ids)) != 3000 {
		t.Error("an ID was made twice")
	}
}

func TestForeignIDIsNotFound(t *testing.T) {
	good := string(apim.NewID(apim.PrefixAPI, now))
	for _, s := range []string{"", "api_", "api", "ver" + good[3:], good + "0", good[:len(good)-1], strings.ToUpper(good), good[:len(good)-1] + "g", "api_" + good, good + "\n", "../" + good} {
		if _, err := apim.ParseID(apim.PrefixAPI, s); apim.KindOf(err) != apim.NotFound {
			t.Errorf("%q: got %v, want not found", s, err)
		}
	}
}

func TestSlugsAreWhatWireSays(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "orders": true, "a-b-1": true, "0": true, strings.Repeat("x", 63): true,
		"": false, "-a": false, "a-": false, "A": false, "a_b": false, "a.b": false, "ä": false, "a b": false, "a\n": false,
		strings.Repeat("x", 64): false, "v1": false, "ai": false, "mcp": false, "docs": false, "api": false,
	} {
		if got := apim.CheckSlug(s) == nil; got != want {
			t.Errorf("%q: got %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]bool{"v1": true, "v3.2": true, "2024-06": true, "": false, ".a": false, "a..b": false, "V1": false, "a/b": false} {
		if got := apim.CheckLabel(s) == nil; got != want {
			t.Errorf("label %q: got %v, want %v", s, got, want)
		}
	}
}

func FuzzSlugifyMakesSlugs(f *testing.F) {
	for _, s := range []string{"Orders", "API", "  ", "Ünïcode – Title 2", "v1", "--", strings.Repeat("long title ", 20), "日本語", "a\x00b", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, title string) {
		if s := apim.Slugify(title); s != "" && apim.CheckSlug(s) != nil {
			t.Errorf("%q became %q: %v", title, s, apim.CheckSlug(s))
		}
	})
}

// Every transition from every state: what ACCESS.md draws is allowed, the rest
// is refused and changes nothing.
func TestSubscriptionsMoveAsDrawn(t *testing.T) {
	moves := map[string]func(*apim.Subscription) error{
		"approve":  func(s *apim.Subscription) error { return s.Approve("per_b", "Bo", "", now) },
		"reject":   func(s *apim.Subscription) error { return s.Reject("per_b", "Bo", "why", now) },
		"undo":     func(s *apim.Subscription) error { return s.Undo("per_a", now) },
		"withdraw": func(s *apim.Subscription) error { return s.Withdraw(now) },
		"cancel":   func(s *apim.Subscription) error { return s.Cancel("", now) },
		"suspend":  func(s *apim.Subscription) error { return s.Suspend("why", now) },
		"resume":   func(s *apim.Subscription) error { return s.Resume(now) },
		"stop":     func(s *apim.Subscription) error { return s.Stop(true, now) },
		"expire":   func(s *apim.Subscription) error { return s.Expire(now) },
	}
	allowed := map[string]apim.SubscriptionState{
		"pending approve": apim.Active, "pending reject": apim.Rejected, "pending withdraw": apim.Cancelled, "pending cancel": apim.Cancelled, "pending stop": apim.Pending,
		"active undo": apim.Pending, "active cancel": apim.Cancelled, "active suspend": apim.Suspended, "active stop": apim.Active, "active expire": apim.Expired,
		"suspended cancel": apim.Cancelled, "suspended resume": apim.Active, "suspended stop": apim.Suspended, "suspended expire": apim.Expired,
	}
	for _, from := range []apim.SubscriptionState{apim.Pending, apim.Active, apim.Rejected, apim.Suspended, apim.Expired, apim.Cancelled} {
		for name, move := range moves {
			s := apim.Subscription{State: from, EndsAt: now}
			if from != apim.Pending {
				s.DecidedBy, s.Decider, s.DecidedAt = "per_a", "Ada", now.Add(-5*time.Second)
			}
			before := fmt.Sprintf("%+v", s)
			err := move(&s)
			want, ok := allowed[string(from)+" "+name]
			switch {
			case ok && (err != nil || s.State != want):
				t.Errorf("%s from %s: got %s, %v, want %s", name, from, s.State, err, want)
			case !ok && apim.KindOf(err) != apim.Conflict:
				t.Errorf("%s from %s: got %v, want a conflict", name, from, err)
			case !ok && fmt.Sprintf("%+v", s) != before:
				t.Errorf("%s from %s: refused, and changed to %+v", name, from, s)
			}
		}
	}
}

func TestDecisionsNeedTheirReasons(t *testing.T) {
	for name, err := range map[string]error{
		"reject":  (&apim.Subscription{State: apim.Pending}).Reject("per_a", "Ada", "", now),
		"suspend": (&apim.Subscription{State: apim.Active}).Suspend("", now),
	} {
		var e *apim.Error
		if !errors.As(err, &e) || e.Kind != apim.Invalid || e.Fields[0].Field != "reason" {
			t.Errorf("%s: got %v, want a refusal that names the reason", name, err)
		}
	}
}

func TestUndoEndsAfterTenSeconds(t *testing.T) {
	for after, want := range map[time.Duration]apim.ErrorKind{0: "", apim.UndoFor: "", apim.UndoFor + time.Millisecond: apim.Conflict} {
		s := apim.Subscription{State: apim.Active, DecidedBy: "per_a", DecidedAt: now}
		if got := apim.KindOf(s.Undo("per_a", now.Add(after))); got != want {
			t.Errorf("after %v: got %q, want %q", after, got, want)
		}
	}
	s := apim.Subscription{State: apim.Active, DecidedAt: now} // by the plan itself
	if apim.KindOf(s.Undo("", now)) != apim.Conflict {
		t.Error("nobody undid what nobody decided")
	}
}

func TestVersionsMoveForward(t *testing.T) {
	served := apim.Runtime{Routes: []apim.Route{{Operation: "a"}}}
	v := apim.Version{Label: "v1", State: apim.Draft, Unpublished: true}
	if _, err := v.Publish(); apim.KindOf(err) != apim.Conflict || v.Revision != 0 {
		t.Errorf("published without an operation: %v", err)
	}
	v.Runtime = served
	for want := 1; want <= 3; want++ {
		if n, err := v.Publish(); err != nil || n != want || v.State != apim.Published || v.Unpublished {
			t.Fatalf("got r%d, %v", n, err)
		}
	}
	for number, want := range map[int]apim.ErrorKind{0: apim.NotFound, 1: "", 3: "", 4: apim.NotFound, -1: apim.NotFound} {
		if got := apim.KindOf(v.RollBack(number)); got != want {
			t.Errorf("roll back to r%d: got %q, want %q", number, got, want)
		}
	}
	if err := v.Retire(2, ""); apim.KindOf(err) != apim.Conflict {
		t.Errorf("got %v, want subscribers to hold it", err)
	}
	if err := v.Deprecate(now, now.Add(-1), ""); apim.KindOf(err) != apim.Invalid {
		t.Errorf("got %v, want a sunset to come", err)
	}
	if err := v.Deprecate(now, time.Time{}, "old"); err != nil || v.State != apim.Deprecated {
		t.Fatal(err)
	}
	if err := v.Deprecate(now.Add(time.Hour), now.Add(2*time.Hour), "older"); err != nil || !v.DeprecatedAt.Equal(now) {
		t.Errorf("got %v, %v, want the first date", v.DeprecatedAt, err)
	}
	if err := v.Retire(2, ""); err != nil {
		t.Fatal(err)
	}
	_, published := v.Publish()
	for name, err := range map[string]error{"publish": published, "roll back": v.RollBack(1), "deprecate": v.Deprecate(now, time.Time{}, ""), "retire": v.Retire(0, "")} {
		if apim.KindOf(err) != apim.Conflict {
			t.Errorf("%s when retired: got %v", name, err)
		}
	}
	draft := apim.Version{State: apim.Draft}
	if apim.KindOf(draft.Retire(0, "")) != apim.Conflict || apim.KindOf(draft.RollBack(1)) != apim.Conflict {
		t.Error("a draft was retired or rolled back")
	}
}

func TestPlansNeverGoBack(t *testing.T) {
	order := []apim.PlanState{apim.PlanDraft, apim.PlanPublished, apim.PlanDeprecated, apim.PlanClosed}
	for i, from := range order {
		for j, to := range order {
			p := apim.Plan{State: from}
			err := p.Move(to, 0)
			if (err == nil) != (j >= i) || err == nil && p.State != to || err != nil && p.State != from {
				t.Errorf("%s → %s: got %s, %v", from, to, p.State, err)
			}
		}
		if got := (apim.Plan{State: from}).Takes() == nil; got != (from == apim.PlanPublished) {
			t.Errorf("%s takes subscriptions: %v", from, got)
		}
	}
	p := apim.Plan{State: apim.PlanPublished}
	if apim.KindOf(p.Move(apim.PlanClosed, 1)) != apim.Conflict || apim.KindOf(p.Move("moon", 0)) != apim.Invalid {
		t.Error("a plan in use was closed, or moved to nowhere")
	}
}

func TestErrorsSayEverythingThatIsWrong(t *testing.T) {
	var check apim.Check
	check.Require("name", " \t")
	check.Slug("slug", "No")
	check.Length("note", strings.Repeat("ä", 11), 10)
	check.Length("fine", strings.Repeat("ä", 10), 10)
	err := fmt.Errorf("save: %w", check.Err())
	var e *apim.Error
	if !errors.As(err, &e) || len(e.Fields) != 3 || apim.KindOf(err) != apim.Invalid {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"name: needs a value", "slug: use 1 to 63", "note: has 11 characters, the most is 10"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
	if (&apim.Check{}).Err() != nil || apim.KindOf(errors.New("x")) != "" || apim.KindOf(nil) != "" {
		t.Error("what is no refusal was taken for one")
	}
	cause := errors.New("disk full")
	wrapped := apim.Errorf(apim.Unavailable, "try again: %w", cause)
	if !errors.Is(wrapped, cause) || wrapped.WithCode("later").Code != "later" {
		t.Errorf("got %+v", wrapped)
	}
}

func TestPagesAreBounded(t *testing.T) {
	for limit, want := range map[int]int{-1: 50, 0: 50, 1: 1, 200: 200, 201: 200, 1 << 30: 200} {
		if got := (apim.Page{Limit: limit}).Size(); got != want {
			t.Errorf("%d: got %d, want %d", limit, got, want)
		}
	}
}

func TestLocksAndEnds(t *testing.T) {
	if apim.CheckLock("API", 3, 0) != nil || apim.CheckLock("API", 3, 3) != nil || apim.KindOf(apim.CheckLock("API", 3, 2)) != apim.Conflict {
		t.Error("locks are checked wrongly")
	}
	for end, want := range map[time.Time]bool{{}: false, now.Add(1): false, now: true, now.Add(-1): true} {
		if (apim.Secret{ExpiresAt: end}).Expired(now) != want || (apim.Token{ExpiresAt: end}).Expired(now) != want {
			t.Errorf("end %v: want expired %v", end, want)
		}
	}
	c := apim.Credential{}
	c.Revoke("Ada", now)
	c.Revoke("Bo", now.Add(time.Hour))
	if c.RevokedBy != "Ada" || !c.RevokedAt.Equal(now) {
		t.Errorf("got %+v, want the first revocation", c)
	}
	if got := (apim.Mount{BasePath: "/a"}).URL("http://gw:8080"); got != "http://gw:8080/a" {
		t.Errorf("got %s", got)
	}
	if got := (apim.Mount{Host: "api.x", BasePath: ""}).URL("https://gw"); got != "https://api.x" {
		t.Errorf("got %s", got)
	}
}

// Of a megabyte of wrong fields a page's worth is told, and that there are more.
func TestWhatIsWrongIsToldWithinBounds(t *testing.T) {
	var check apim.Check
	for range 100_000 {
		check.Fail("limits", "range", "is out of range")
	}
	var e *apim.Error
	if err := check.Err(); !errors.As(err, &e) || len(e.Fields) != 100 || !strings.Contains(e.Message, "99900 more") {
		t.Errorf("got %d fields and %.100q", len(e.Fields), e.Message)
	}
}
