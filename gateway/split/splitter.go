package split

import (
	"context"
	"net/netip"
	"strconv"
	"time"

	"portico/gateway/policy"
	"portico/internal/entry"
)

// splitter chooses between an upstream and its candidate.
type splitter struct {
	live, candidate             policy.Destination
	liveBranch, candidateBranch *branch

	candidateName string // of its answers, which are not those of another run

	perMille int
	sticky   string
	rules    []rule
	cookie   cookie // of a split that is sticky by cookie
	seed     uint64
	now      func() time.Time
	random   func() uint64
}

type rule struct {
	entry.SplitRule
	callers map[policy.ID]struct{}
}

func (s *Set) newSplitter(api entry.API, k kept, live, candidate policy.Destination) *splitter {
	d := &splitter{
		live: live, candidate: candidate, liveBranch: k.live, candidateBranch: k.candidate,
		candidateName: "candidate " + api.Split.Run, perMille: api.Split.PerMille, sticky: api.Split.Sticky, now: s.now, random: s.random,
		seed: hash(hash(offset, api.Version), api.Split.Run), cookie: newCookie(api.Version, api.Split.Run),
	}
	for _, r := range api.Split.Rules {
		one := rule{SplitRule: r}
		if len(r.Callers) > 0 {
			one.callers = make(map[policy.ID]struct{}, len(r.Callers))
			for _, c := range r.Callers {
				if id, ok := policy.ParseID(c); ok {
					one.callers[id] = struct{}{}
				}
			}
		}
		d.rules = append(d.rules, one)
	}
	return d
}

// Call implements policy.Destination.
func (d *splitter) Call(ctx context.Context, ex *policy.Exchange) error {
	d.DecideSide(ex)
	candidate, drawn := ex.Side.Candidate, ex.Side.Drawn
	to, counts := d.live, d.liveBranch
	if candidate {
		to, counts = d.candidate, d.candidateBranch
	}
	if ex.Explain != nil {
		ex.Explain.Add("split", entry.Destination, time.Now(), d.explain(candidate), nil)
	}
	start := d.now()
	err := to.Call(ctx, ex)
	counts.add(ex.Shard, statusOf(ex, err), d.now().Sub(start))
	if drawn >= 0 && err == nil {
		d.cookie.give(ex, drawn)
	}
	return err
}

// DecideSide implements policy.Sided.
func (d *splitter) DecideSide(ex *policy.Exchange) string {
	if !ex.Side.Decided {
		ex.Side.Candidate, ex.Side.Drawn = d.choose(ex)
		ex.Side.Decided = true
	}
	if ex.Side.Candidate {
		return d.candidateName
	}
	return ""
}

// explain says where a call goes.
func (d *splitter) explain(candidate bool) string {
	share := strconv.FormatFloat(float64(d.perMille)/10, 'f', -1, 64) + " % of the calls that no rule decides"
	if candidate {
		return "to the candidate, which gets " + share
	}
	return "to what is live; the candidate gets " + share
}

// choose decides where a call goes. drawn is the lot of a caller that has none
// yet and is to keep it, -1 for nobody.
func (d *splitter) choose(ex *policy.Exchange) (candidate bool, drawn int) {
	lot := -1
	if d.sticky == "cookie" {
		lot = d.cookie.take(ex) // also where a rule decides: it is the gateway's own
	}
	for i := range d.rules {
		if d.rules[i].holds(ex) {
			return d.rules[i].Candidate, -1
		}
	}
	switch {
	case d.sticky == "":
		lot = int(d.random() % lots)
	case d.sticky == "cookie" && lot < 0:
		lot = int(d.random() % lots)
		drawn = lot
		return lot < d.perMille, drawn
	case d.sticky == "caller" && ex.Caller.Grant != nil:
		lot = d.lotOf(ex.Caller.Grant.Application[:])
	case d.sticky == "caller", d.sticky == "address":
		lot = d.lotOfAddress(ex.Client)
	}
	return lot < d.perMille, -1
}

// lots is how many there are: a caller's is its own for the whole run, and
// those below the share go to the candidate. So a larger share moves only the
// callers between the old and the new one.
const lots = 1000

func (d *splitter) lotOfAddress(a netip.Addr) int {
	raw := a.As16()
	return d.lotOf(raw[:])
}

func (d *splitter) lotOf(identity []byte) int {
	h := d.seed
	for _, c := range identity {
		h = (h ^ uint64(c)) * prime
	}
	return int(mixed(h) % lots)
}

func (r *rule) holds(ex *policy.Exchange) bool {
	switch r.In {
	case "header":
		for _, f := range ex.Header.Fields() {
			if policy.FoldEqual(f.Name, r.Name) && (r.Value == "" || f.Value == r.Value) {
				return true
			}
		}
	case "cookie":
		value, ok := cookieValue(ex, r.Name)
		return ok && (r.Value == "" || value == r.Value)
	case "caller":
		if ex.Caller.Grant != nil {
			_, named := r.callers[ex.Caller.Grant.Application]
			return named
		}
	}
	return false
}

// FNV-1a, whose bits are then mixed: alike identities get unlike lots. Every
// node reckons the same.
const (
	offset uint64 = 14695981039346656037
	prime  uint64 = 1099511628211
)

func hash(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * prime
	}
	return h
}

func mixed(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}
