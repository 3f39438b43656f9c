package rest_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/manager"
	"portico/test/postgres"
)

const (
	credentials = "/tenants/client/applications/till/credentials"
	oneKey      = "8e03978e-40d5-43dd-bc93-6894a57f9324"
	named       = "Idempotency-Key"
)

func TestARequestSentAgainIsCarriedOutOnce(t *testing.T) {
	postgres.Both(t, testARequestSentAgainIsCarriedOutOnce)
}

func testARequestSentAgainIsCarriedOutOnce(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	count := func() int { return len(items(s.call(s.cem, "GET", credentials, nil).ok(200))) }
	before := count()
	body := `{"name":"second","environment":"production"}`
	first := s.call(s.cem, "POST", credentials, body, named, oneKey)
	first.ok(201)
	for range 2 {
		again := s.call(s.cem, "POST", credentials, body, named, oneKey)
		again.ok(201)
		if !bytes.Equal(again.Body, first.Body) || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Etag") != first.Header.Get("Etag") {
			t.Errorf("got %s %v, first %s %v", again.Body, again.Header, first.Body, first.Header)
		}
	}
	if first.Header.Get("Idempotency-Replayed") != "" {
		t.Error("the first answer calls itself a former one")
	}
	if got := count(); got != before+1 {
		t.Errorf("%d keys were made, want 1", got-before)
	}

	s.call(s.cem, "POST", credentials, `{"name":"third","environment":"production"}`, named, oneKey).refused(422, "invalid", named)
	s.call(s.cem, "POST", credentials+"?wait=applied", body, named, oneKey).refused(422, "invalid", named)
	s.call(s.cem, "POST", credentials, body, named, "short").refused(422, "invalid", named)
	s.call(s.cem, "POST", credentials, body, named, strings.Repeat("x", 256)).refused(422, "invalid", named)
	s.call(s.cem, "POST", credentials, body, named, "has spaces in its middle").refused(422, "invalid", named)

	// Somebody else's key of the same text is another.
	dan := s.person("client", "Dan", apim.RoleOwner)
	other := s.call(dan, "POST", credentials, body, named, oneKey)
	if text(other.ok(201), "id") == text(first.ok(201), "id") {
		t.Error("one person was answered with another's key")
	}
	s.pass(24*time.Hour + time.Second)
	later := s.call(s.cem, "POST", credentials, body, named, oneKey)
	if text(later.ok(201), "id") == text(first.ok(201), "id") {
		t.Error("a key stands for its request after 24 hours")
	}
}

func TestARefusedRequestLeavesItsKeyFree(t *testing.T) {
	postgres.Both(t, testARefusedRequestLeavesItsKeyFree)
}

func testARefusedRequestLeavesItsKeyFree(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	s.call(s.cem, "POST", credentials, `{"name":"a","environment":"production","expires_at":"2001-01-01T00:00:00Z"}`, named, oneKey).refused(422, "invalid", "expires_at")
	s.call(s.cem, "POST", "/tenants/client/applications/nothing/credentials", `{"name":"a","environment":"production"}`, named, oneKey).refused(404, "not_found")
	s.call(s.cem, "POST", credentials, `{"name":"a","environment":"production"}`, named, oneKey).ok(201)
}

func TestEqualRequestsAtOnceMakeOneChange(t *testing.T) {
	postgres.Both(t, testEqualRequestsAtOnceMakeOneChange)
}

func testEqualRequestsAtOnceMakeOneChange(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	for round := range 5 {
		key := fmt.Sprintf("%s-%d", oneKey, round)
		body := fmt.Sprintf(`{"name":"App %d","slug":"app-%d"}`, round, round)
		answers := make([]answer, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = s.call(s.cem, "POST", "/tenants/client/applications", body, named, key) })
		}
		wg.Wait()
		made := ""
		for _, a := range answers {
			if a.Status == 409 {
				a.refused(409, "idempotency_in_progress")
				continue
			}
			id := text(a.ok(201), "id")
			if made != "" && id != made {
				t.Errorf("round %d made %s and %s", round, made, id)
			}
			made = id
		}
		if made == "" {
			t.Errorf("round %d: nobody made it", round)
		}
		s.call(s.cem, "POST", "/tenants/client/applications", body, named, key).ok(201)
	}
}

// What a kill leaves between a change and its answer: the change, whose request
// is not carried out again.
func TestALostAnswerIsSaid(t *testing.T) { postgres.Both(t, testALostAnswerIsSaid) }

func testALostAnswerIsSaid(t *testing.T, place postgres.Place) {
	s := newScene(t, place)
	client, err := s.edge.Tenants.Tenant(t.Context(), apim.Actor{System: true}, "client")
	if err != nil {
		t.Fatal(err)
	}
	me := apim.Actor{System: true, Token: "tok_somebody"}
	fingerprint := func() (string, error) { return "this request", nil }
	attempt, err := s.edge.Tenants.Once(t.Context(), me, oneKey, fingerprint)
	if err != nil || attempt.Answer != nil {
		t.Fatalf("got %v, %v", attempt, err)
	}
	name := "Once"
	app, err := s.edge.Access.CreateApplication(attempt.Context(t.Context()), me, client.ID, manager.ApplicationInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		pass time.Duration
		code string
	}{{0, "idempotency_in_progress"}, {2 * time.Minute, "idempotency_answer_lost"}} {
		s.pass(step.pass)
		_, err = s.edge.Tenants.Once(t.Context(), me, oneKey, fingerprint)
		var refused *apim.Error
		if !errors.As(err, &refused) || refused.Code != step.code {
			t.Errorf("after %s: got %v, want %s", step.pass, err, step.code)
		}
	}
	if err := attempt.Keep(t.Context(), []byte(app.ID)); err != nil {
		t.Fatal(err)
	}
	attempt, err = s.edge.Tenants.Once(t.Context(), me, oneKey, fingerprint)
	if err != nil || string(attempt.Answer) != string(app.ID) {
		t.Errorf("got %v, %v", attempt, err)
	}
	if err := s.store.SweepClaims(t.Context(), s.clock()); err != nil {
		t.Fatal(err)
	}
	if attempt, err = s.edge.Tenants.Once(t.Context(), me, oneKey, fingerprint); err != nil || attempt.Answer != nil {
		t.Errorf("swept: got %v, %v", attempt, err)
	}
}
