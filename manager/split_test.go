package manager_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portico/internal/apim"
	"portico/internal/entry"
	"portico/manager"
	"portico/test/postgres"
)

// another version of an API, as a draft.
func (p *publisher) sibling(v apim.Version, label string) apim.Version {
	p.t.Helper()
	staged := p.stage(p.provider, p.shop.ID, ordersDocument)
	return must[apim.Version](p.t)(p.catalog.AcceptImport(p.t.Context(), p.provider, p.shop.ID, staged.ID, manager.AcceptImport{API: v.API, Label: label, Access: "document"}))
}

// selected mounts a version at the address that the tests share.
func (p *publisher) selected(v apim.Version, values ...string) apim.Version {
	p.t.Helper()
	var mounts []apim.Mount
	for _, value := range values {
		mounts = append(mounts, apim.Mount{BasePath: "/shop/orders", Select: apim.Selector{In: "header", Name: "X-Version", Value: value}})
	}
	return p.draft(v, manager.DraftChange{Mounts: &mounts})
}

// defaulted reports whether a version takes the calls that ask for none.
func (p *publisher) defaulted(v apim.Version) bool {
	p.t.Helper()
	api, _ := p.live(v)
	return slices.ContainsFunc(api.Mounts, func(m entry.Mount) bool { return m.Default && m.BasePath == "/shop/orders" })
}

func TestVersionsOfAnAPIShareAnAddress(t *testing.T) {
	postgres.Both(t, testVersionsOfAnAPIShareAnAddress)
}

func testVersionsOfAnAPIShareAnAddress(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v1 := p.version(p.provider, p.shop, "orders")
	v1 = p.selected(v1, "1", "one")
	p.publish(v1)
	v2 := p.sibling(v1, "v2")
	if _, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v2.ID, manager.DraftChange{Mounts: &[]apim.Mount{
		{BasePath: "/shop/orders", Select: apim.Selector{In: "header", Name: "x-version", Value: "1"}},
	}}); apim.KindOf(err) != apim.Invalid || !strings.Contains(err.Error(), "taken by Orders v1") {
		t.Errorf("got %v, want a refusal that names the other version", err)
	}
	v2 = p.draft(v2, manager.DraftChange{Mounts: &[]apim.Mount{
		{BasePath: "/shop/orders", Select: apim.Selector{In: "header", Name: "X-Version", Value: "2"}},
		{BasePath: "/shop/orders", Select: apim.Selector{In: "media_type", Name: "version", Value: "2"}},
		{BasePath: "/shop/orders/v2"},
	}})
	p.publish(v2)
	api, _ := p.live(v2)
	if len(api.Mounts) != 3 || api.Mounts[1].Select != (entry.Selector{In: "media_type", Name: "version", Value: "2"}) {
		t.Errorf("got %+v", api.Mounts)
	}
	// Another API may not stand there, whatever it selects.
	other := p.version(p.provider, p.shop, "others")
	if _, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, other.ID, manager.DraftChange{Mounts: &[]apim.Mount{
		{BasePath: "/shop/orders", Select: apim.Selector{In: "query", Name: "v", Value: "9"}},
	}}); apim.KindOf(err) != apim.Invalid || !strings.Contains(err.Error(), "taken by Orders v1") {
		t.Errorf("got %v, want a refusal", err)
	}
	for _, bad := range [][]apim.Mount{
		{},
		{{BasePath: "/shop/a"}, {BasePath: "/shop/a"}},
		{{BasePath: "/shop/a", Select: apim.Selector{In: "body", Value: "1"}}},
		{{BasePath: "/elsewhere", Select: apim.Selector{In: "header", Name: "X-V", Value: "1"}}},
	} {
		_, err := p.catalog.UpdateDraft(t.Context(), p.provider, p.shop.ID, v2.ID, manager.DraftChange{Mounts: &bad})
		refused(t, err, apim.Invalid)
	}
}

func TestDefaultVersionFollowsItsSetting(t *testing.T) {
	postgres.Both(t, testDefaultVersionFollowsItsSetting)
}

func testDefaultVersionFollowsItsSetting(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v1 := p.selected(p.version(p.provider, p.shop, "orders"), "1")
	p.publish(v1)
	setting := func(s string) error {
		_, err := p.catalog.UpdateAPI(ctx, p.provider, p.shop.ID, v1.API, manager.APIChange{DefaultVersion: &s})
		return err
	}
	want := func(when string, versions map[string]apim.Version, label string) {
		t.Helper()
		for l, v := range versions {
			if p.defaulted(v) != (l == label) {
				t.Errorf("%s: %s is the default: %v", when, l, p.defaulted(v))
			}
		}
	}
	both := map[string]apim.Version{"v1": v1}
	want("without a setting", both, "")
	if err := setting("newest"); err != nil {
		t.Fatal(err)
	}
	want("alone", both, "v1")
	v2 := p.selected(p.sibling(v1, "v2"), "2")
	both["v2"] = v2
	want("before it is published", both, "v1")
	p.publish(v2)
	want("newest", both, "v2")
	for s, label := range map[string]string{"oldest": "v1", "v2": "v2", "": "", "v1": "v1"} {
		if err := setting(s); err != nil {
			t.Fatal(err)
		}
		want("set to "+s, both, label)
	}
	refused(t, setting("v9"), apim.Invalid)
	if err := setting("newest"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.catalog.Retire(ctx, p.provider, p.shop.ID, v2.ID, "over"); err != nil {
		t.Fatal(err)
	}
	want("after the newest retired", map[string]apim.Version{"v1": v1}, "v1")
	// A version that stands there by its path alone is the default itself.
	v3 := p.draft(p.sibling(v1, "v3"), manager.DraftChange{Mounts: &[]apim.Mount{{BasePath: "/shop/orders"}}})
	p.publish(v3)
	want("with one by path alone", map[string]apim.Version{"v1": v1}, "")
}

func (p *publisher) split(v apim.Version, change manager.SplitChange) apim.Change {
	p.t.Helper()
	return must[apim.Change](p.t)(p.catalog.SetSplit(p.t.Context(), p.provider, p.shop.ID, v.ID, "production", change))
}

func next() *apim.SplitCandidate {
	return &apim.SplitCandidate{URLs: []string{"https://next.upstream.example"}}
}

func TestShareIsMovedWithoutARevision(t *testing.T) {
	postgres.Both(t, testShareIsMovedWithoutARevision)
}

func testShareIsMovedWithoutARevision(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	_, err := p.catalog.SetSplit(ctx, p.provider, p.shop.ID, v.ID, "production", manager.SplitChange{Candidate: next(), Share: new(5)})
	refused(t, err, apim.Conflict) // not live
	before := p.publish(v).Change.Sequence
	app := p.application(p.person(p.shop, "Carl", apim.RoleConsumer), p.shop, "till")
	change := p.split(v, manager.SplitChange{Candidate: next(), Share: new(5), Sticky: new("cookie"), Rules: &[]apim.SplitRule{{In: "caller", Applications: []apim.ID{app.ID}, Candidate: true}}})
	if change.Sequence != before+1 || change.Environment != "production" {
		t.Errorf("got %+v after %d, want one change", change, before)
	}
	api, _ := p.live(v)
	if api.Revision != 1 || api.Split == nil || api.Split.PerMille != 5 || api.Split.Sticky != "cookie" || api.Split.Candidates["main"] != "candidate:main" {
		t.Fatalf("got %+v", api.Split)
	}
	if got := api.Upstreams[1].Targets[0].URL; got != "https://next.upstream.example" {
		t.Errorf("got %s", got)
	}
	if got := api.Split.Rules[0].Callers[0]; got != app.ID.UUID() {
		t.Errorf("got %s", got)
	}
	run := api.Split.Run
	p.split(v, manager.SplitChange{Share: new(250)})
	if api, _ = p.live(v); api.Split.PerMille != 250 || api.Split.Run != run {
		t.Errorf("got %+v, want the same run at 250 ‰", api.Split)
	}
	for _, c := range []struct {
		to   string
		want int
	}{{"candidate", 1000}, {"back", 250}, {"back", 1000}, {"live", 0}, {"back", 1000}} {
		if _, err := p.catalog.SwitchSplit(ctx, p.provider, p.shop.ID, v.ID, "production", c.to); err != nil {
			t.Fatal(err)
		}
		if api, _ = p.live(v); api.Split.PerMille != c.want {
			t.Errorf("switched %s: got %d ‰, want %d", c.to, api.Split.PerMille, c.want)
		}
	}
	_, err = p.catalog.SwitchSplit(ctx, p.provider, p.shop.ID, v.ID, "production", "moon")
	refused(t, err, apim.Invalid)
	if got := api.Upstreams[1]; got.Name != "candidate:main" || got.ConnectTimeoutMS != api.Upstreams[0].ConnectTimeoutMS {
		t.Errorf("the candidate is called otherwise: %+v", got)
	}
	p.split(v, manager.SplitChange{Mirror: &apim.SplitMirror{URLs: []string{"https://mirror.example"}, Share: 10, MaxBodyBytes: 1, Concurrency: 5}})
	if api, _ = p.live(v); api.Mirror == nil || api.Mirror.PerMille != 10 || api.Split.Run != run {
		t.Errorf("got %+v", api.Mirror)
	}
	// What is published meanwhile keeps its split.
	p.draft(v, manager.DraftChange{UpstreamURLs: &[]string{"https://other.upstream.example"}})
	p.publish(v)
	if api, _ = p.live(v); api.Revision != 2 || api.Split == nil || api.Upstreams[0].Targets[0].URL != "https://other.upstream.example" {
		t.Errorf("got %+v", api)
	}
	if _, err := p.catalog.EndSplit(ctx, p.provider, p.shop.ID, v.ID, "production"); err != nil {
		t.Fatal(err)
	}
	if api, _ = p.live(v); api.Split != nil || api.Mirror != nil || len(api.Upstreams) != 1 {
		t.Errorf("got %+v after the end", api)
	}
	_, err = p.catalog.EndSplit(ctx, p.provider, p.shop.ID, v.ID, "production")
	refused(t, err, apim.NotFound)
	for action, want := range map[string]int{"split.move": 2, "split.switch": 5, "split.change": 1, "split.end": 1} {
		if got := p.audited(p.shop.ID, action); got != want {
			t.Errorf("%s: %d rows in the audit log, want %d", action, got, want)
		}
	}
}

func TestBadSplitsAreRefusedByField(t *testing.T) { postgres.Both(t, testBadSplitsAreRefusedByField) }

func testBadSplitsAreRefusedByField(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	v := p.version(p.provider, p.shop, "orders")
	p.publish(v)
	for field, change := range map[string]manager.SplitChange{
		"per_mille":                {Candidate: next(), Share: new(1001)},
		"candidate":                {Share: new(10)},
		"candidate.revision":       {Candidate: &apim.SplitCandidate{Revision: 9}},
		"candidate.revision: r1":   {Candidate: &apim.SplitCandidate{Revision: 1}},
		"candidate.urls[0]":        {Candidate: &apim.SplitCandidate{URLs: []string{"ftp://x"}}},
		"sticky":                   {Candidate: next(), Sticky: new("glue")},
		"rules[0].in":              {Candidate: next(), Rules: &[]apim.SplitRule{{In: "body"}}},
		"rules[0].name":            {Candidate: next(), Rules: &[]apim.SplitRule{{In: "header", Name: "a b"}}},
		"rules[0].applications[0]": {Candidate: next(), Rules: &[]apim.SplitRule{{In: "caller", Applications: []apim.ID{"x"}}}},
		"steps.every_ms":           {Candidate: next(), Steps: &apim.SplitSteps{On: true, By: 1, Until: 1, Calls: 1}},
		"steps.on":                 {Steps: &apim.SplitSteps{On: true, By: 1, Every: time.Minute, Until: 1, Calls: 1}},
		"mirror.urls[0]":           {Mirror: &apim.SplitMirror{URLs: []string{"x"}, Concurrency: 1}},
		"mirror.concurrency":       {Mirror: &apim.SplitMirror{URLs: []string{"https://x"}}},
		"upstreams[1].urls[0]":     {Candidate: &apim.SplitCandidate{URLs: []string{"https://${nobody_set_this}"}}},
	} {
		_, err := p.catalog.SetSplit(t.Context(), p.provider, p.shop.ID, v.ID, "production", change)
		if apim.KindOf(err) != apim.Invalid || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if api, _ := p.live(v); api.Split != nil || api.Mirror != nil {
		t.Error("something that was refused is live")
	}
	p.split(v, manager.SplitChange{Candidate: next(), Share: new(5)})
	_, err := p.catalog.SetSplit(t.Context(), p.provider, p.shop.ID, v.ID, "production", manager.SplitChange{Share: new(7), Lock: 77})
	refused(t, err, apim.Conflict)
}

func TestCandidateRevisionIsTriedAndTaken(t *testing.T) {
	postgres.Both(t, testCandidateRevisionIsTriedAndTaken)
}

func testCandidateRevisionIsTriedAndTaken(t *testing.T, place postgres.Place) {
	p := newPublisher(t, place)
	ctx := t.Context()
	v := p.version(p.provider, p.shop, "orders")
	p.publish(v)
	p.draft(v, manager.DraftChange{UpstreamURLs: &[]string{"https://next.upstream.example"}})
	if _, err := p.catalog.OfferCandidate(ctx, p.provider, p.shop.ID, v.ID, "production", "try it", 100); err != nil {
		t.Fatal(err)
	}
	api, _ := p.live(v)
	if api.Revision != 1 || api.Split.PerMille != 100 || api.Upstreams[1].Targets[0].URL != "https://next.upstream.example" {
		t.Fatalf("got r%d and %+v", api.Revision, api.Split)
	}
	d := must[manager.SplitDetail](t)(p.catalog.Split(ctx, p.provider, p.shop.ID, v.ID, ""))
	if d.Live != 1 || d.Split.Candidate.Revision != 2 || d.Environment != "production" {
		t.Errorf("got %+v", d)
	}
	if _, err := p.catalog.TakeCandidate(ctx, p.provider, p.shop.ID, v.ID, "production"); err != nil {
		t.Fatal(err)
	}
	if api, _ = p.live(v); api.Revision != 2 || api.Split != nil || api.Upstreams[0].Targets[0].URL != "https://next.upstream.example" {
		t.Errorf("got r%d and %+v, want the candidate live and the split over", api.Revision, api.Split)
	}
	p.split(v, manager.SplitChange{Candidate: next()})
	_, err := p.catalog.TakeCandidate(ctx, p.provider, p.shop.ID, v.ID, "production")
	refused(t, err, apim.Conflict)
	if _, _, err := p.catalog.Retire(ctx, p.provider, p.shop.ID, v.ID, "over"); err != nil {
		t.Fatal(err)
	}
}

// said is what nodes say, for the rule.
type said struct{ nodes []entry.Status }

func (s *said) Statuses(string) []entry.Status { return s.nodes }

// add counts calls of both sides on a node.
func (s *said) add(node int, live, failed, candidate, candidateFailed uint64) {
	r := &s.nodes[node].Splits[0]
	l, c := *r.Live, *r.Candidate // what was said before does not change
	l.Classes[2] += live - failed
	l.Classes[5] += failed
	c.Classes[2] += candidate - candidateFailed
	c.Classes[5] += candidateFailed
	r = &entry.SplitReport{Version: r.Version, Run: r.Run, Live: &l, Candidate: &c}
	s.nodes = slices.Clone(s.nodes)
	s.nodes[node].Splits = []entry.SplitReport{*r}
}

func TestShareStepsUpWhileTheCandidateDoesWell(t *testing.T) {
	postgres.Both(t, testShareStepsUpWhileTheCandidateDoesWell)
}

func testShareStepsUpWhileTheCandidateDoesWell(t *testing.T, place postgres.Place) {
	p, s, look, share := stepping(t, place)
	if look(); share() != 100 {
		t.Fatalf("got %d ‰ before it is time", share())
	}
	p.pass(10 * time.Minute)
	if look(); share() != 100 {
		t.Fatalf("got %d ‰ without a call to judge by", share())
	}
	s.add(0, 1000, 5, 30, 0)
	s.add(1, 1000, 5, 30, 0)
	for want := 200; want <= 300; want += 100 {
		if look(); share() != want {
			t.Fatalf("got %d ‰, want %d", share(), want)
		}
		if look(); share() != want {
			t.Fatalf("got %d ‰ a moment later", share())
		}
		s.add(1, 100, 0, 100, 0)
		p.pass(9*time.Minute + 59*time.Second)
		if look(); share() != want {
			t.Fatalf("got %d ‰ a second early", share())
		}
		p.pass(2 * time.Second)
	}
	// A node that began anew does not take anything away.
	s.nodes[0].StartedAt = 2
	s.nodes[0].Splits = []entry.SplitReport{{Version: s.nodes[0].Splits[0].Version, Run: s.nodes[0].Splits[0].Run, Live: &entry.BranchCounts{}, Candidate: &entry.BranchCounts{}}}
	if look(); share() != 350 {
		t.Fatalf("got %d ‰, want the last step", share())
	}
	d := must[manager.SplitDetail](t)(p.catalog.Split(t.Context(), p.provider, p.shop.ID, p.v.ID, "production"))
	if d.Split.Steps.On || !strings.Contains(d.Split.Outcome, "last step") {
		t.Errorf("got %+v", d.Split)
	}
	if got := p.audited(p.shop.ID, "split.step"); got != 3 {
		t.Errorf("%d steps in the audit log, want 3", got)
	}
	if got := p.events("split.done"); got != 1 {
		t.Errorf("%d events, want one", got)
	}
}

func TestShareGoesBackWhenTheCandidateFails(t *testing.T) {
	postgres.Both(t, testShareGoesBackWhenTheCandidateFails)
}

func testShareGoesBackWhenTheCandidateFails(t *testing.T, place postgres.Place) {
	p, s, look, share := stepping(t, place)
	look()
	s.add(0, 1000, 10, 49, 40) // too few to judge
	p.pass(time.Second)
	if look(); share() != 100 {
		t.Fatalf("got %d ‰", share())
	}
	s.add(1, 1000, 10, 1, 0)
	if look(); share() != 0 {
		t.Fatalf("got %d ‰, want it back at once", share())
	}
	d := must[manager.SplitDetail](t)(p.catalog.Split(t.Context(), p.provider, p.shop.ID, p.v.ID, "production"))
	if d.Split.Steps.On || d.Split.Before != 100 || !strings.Contains(d.Split.Outcome, "80 % of the candidate's calls failed, at most 1.5 % may") {
		t.Errorf("got %+v", d.Split)
	}
	if p.audited(p.shop.ID, "split.step") != 1 || p.events("split.back") != 1 {
		t.Errorf("got %d rows and %d events", p.audited(p.shop.ID, "split.step"), p.events("split.back"))
	}
	if d.CandidateSide.Failed != 40 || d.CandidateSide.Calls != 50 || d.LiveSide.Calls != 2000 || d.Nodes != 2 {
		t.Errorf("got %+v", d)
	}
	p.pass(time.Hour)
	if look(); share() != 0 {
		t.Errorf("got %d ‰ after the rule has ended", share())
	}
}

type stepped struct {
	*publisher
	v apim.Version
}

// events counts what is to be told of a kind.
func (s stepped) events(kind string) (n int) {
	s.t.Helper()
	for _, e := range must[[]apim.Event](s.t)(s.store.System().DueEvents(s.t.Context(), s.clock().Add(time.Hour), 1000)) {
		if e.Kind == kind && e.Object == s.v.ID {
			n++
		}
	}
	return n
}

// stepping is a split at a tenth that steps by a tenth every ten minutes up to
// 35 %, with two nodes.
func stepping(t *testing.T, place postgres.Place) (p stepped, s *said, look func(), share func() int) {
	p = stepped{publisher: newPublisher(t, place)}
	p.v = p.version(p.provider, p.shop, "orders")
	p.publish(p.v)
	p.split(p.v, manager.SplitChange{Candidate: next(), Share: new(100), Steps: &apim.SplitSteps{On: true, By: 100, Every: 10 * time.Minute, Until: 350, Slack: 5, Calls: 50}})
	api, _ := p.live(p.v)
	s = &said{}
	for i := range 2 {
		s.nodes = append(s.nodes, entry.Status{Node: fmt.Sprint(i), StartedAt: 1, Splits: []entry.SplitReport{
			{Version: p.v.ID.UUID(), Run: api.Split.Run, Live: &entry.BranchCounts{}, Candidate: &entry.BranchCounts{}},
		}})
	}
	p.catalog.Counts = s
	steps := manager.NewSteps(p.catalog)
	look = func() {
		t.Helper()
		if err := steps.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return p, s, look, func() int {
		api, _ := p.live(p.v)
		return api.Split.PerMille
	}
}
