package console_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
)

func TestApprovalTellsWhatIsInForceAndCanBeUndone(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	id := string(s.ask(actor, tenant.ID, growth, "Checkout backend", "Show delivery dates at checkout"))

	b.get("/t/acme").shows(http.StatusOK, "Checkout backend", "1")
	b.get("/t/acme/approvals").shows(http.StatusOK, "Checkout backend wants Shop, Growth", "Ines Aguilar, halden", "Show delivery dates at checkout",
		"100 requests per minute, burst 20", "€ 49 a month", "Orders v1", "History with halden", "Pending")
	a := b.post("/t/acme/approvals/"+id+"/approve", "note", "Fits").
		shows(http.StatusOK, "Checkout backend may use Shop, Growth", "in force on 3 of 3 nodes · 38 ms", "Undo", "No request waits")
	reloaded := a.path
	b.get(reloaded).shows(http.StatusOK, "in force on 3 of 3 nodes · 38 ms")
	b.post("/t/acme/approvals/"+id+"/approve", "note", "Fits").shows(http.StatusOK, "Checkout backend may use") // a double press is one decision
	b.get("/t/acme/approvals?tab=answered").shows(http.StatusOK, "Checkout backend", "Active by Ada Byron", "Fits")
	b.post("/t/acme/approvals/"+id+"/undo").shows(http.StatusOK, "Checkout backend wants Shop, Growth", "Pending")

	b.post("/t/acme/approvals/" + id + "/approve")
	s.clock.pass(11 * time.Second)
	b.get(reloaded).hides("Undo,")
	b.post("/t/acme/approvals/"+id+"/undo").shows(http.StatusConflict, "10 seconds")
}

func TestRejectionNeedsAReasonThatTheRequesterSees(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	id := s.ask(actor, tenant.ID, growth, "Checkout", "test")
	page := "/t/acme/approvals/" + string(id)
	b.post(page+"/reject", "note", "").shows(http.StatusUnprocessableEntity, "Checkout wants").fieldError("note")
	b.post(page+"/reject", "note", "Name the team and the expected traffic").shows(http.StatusOK, "is rejected", "Ines Aguilar sees your reason")
	sub, err := s.access.Subscription(t.Context(), actor, tenant.ID, id)
	if err != nil || sub.Subscription.Note != "Name the team and the expected traffic" {
		t.Fatalf("the requester sees %q, %v", sub.Subscription.Note, err)
	}
	b.get("/t/acme/approvals?tab=answered").shows(http.StatusOK, "Rejected by Ada Byron", "Name the team")
	b.post(page+"/approve").shows(http.StatusConflict, "Ada Byron decided")
	b.post(page + "/dance").shows(http.StatusNotFound)
}

func TestRequestsAreDecidedInBulk(t *testing.T) {
	s := newSite(t)
	b := s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	_, actor, tenant := s.consumer("halden")
	one := string(s.ask(actor, tenant.ID, growth, "One", "first"))
	two := string(s.ask(actor, tenant.ID, growth, "Two", "second"))
	three := string(s.ask(actor, tenant.ID, growth, "Three", "third"))
	inbox := "/t/acme/approvals"
	b.get(inbox).shows(http.StatusOK, "One", "Two", "Three").has(`name="id" value="` + one + `"`)
	b.post(inbox, "do", "approve").shows(http.StatusOK, "Nothing was ticked")
	b.post(inbox, "do", "approve", "id", one, "id", two).shows(http.StatusOK, "Approved 2 requests", "in force on 3 of 3 nodes").hides("Two wants")
	a := b.post(inbox, "do", "reject", "id", three).shows(http.StatusOK, "Reject 1 request", "Three", "Reason")
	if strings.Contains(a.body, "aria-invalid") {
		t.Error("the reason is called wrong before it was asked for")
	}
	b.post(inbox, "do", "reject", "id", three, "note", "").shows(http.StatusUnprocessableEntity, "Three").fieldError("note")
	b.post(inbox, "do", "reject", "id", three, "note", "Not now").shows(http.StatusOK, "Rejected 1 request")
	b.post(inbox, "do", "reject", "id", one, "id", three, "note", "Not now").shows(http.StatusOK, "Rejected 1 request", "1 was not decided", "Ada Byron decided")
	b.post(inbox, "do", "approve", "id", "sub_made-up").shows(http.StatusNotFound)
}

func TestWhoMayNotDecideSeesNoButtons(t *testing.T) {
	s := newSite(t)
	s.operator()
	_, growth := s.offer(s.tenantID("acme"))
	b, actor, tenant := s.consumer("halden")
	id := s.ask(actor, tenant.ID, growth, "Checkout", "For the shop")
	b.get("/t/halden/approvals").shows(http.StatusForbidden, "You may not do this")
	auditor, who, _ := s.consumer("loomis")
	s.join(s.tenantID("acme"), who.Person, apim.RoleAuditor)
	auditor.get("/t/acme/approvals").shows(http.StatusOK, "Checkout", "For the shop")
	if page := auditor.get("/t/acme/approvals"); strings.Contains(page.body, "Approve") {
		t.Error("who may only look is shown a button")
	}
	auditor.post("/t/acme/approvals/" + string(id) + "/approve").hides("may use Shop")
	b.post("/t/halden/approvals/" + string(id) + "/approve").hides("may use Shop")
	if sub, err := s.access.Subscription(t.Context(), actor, tenant.ID, id); err != nil || sub.Subscription.State != "pending" {
		t.Fatalf("a consumer approved their own request: %v, %v", sub.Subscription.State, err)
	}
}
