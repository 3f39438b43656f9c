package compile

import (
	"portico/internal/apim"
	"portico/internal/entry"
)

// What the upstreams of a candidate and of a mirror are called beside an API's
// own. No own one is: their names hold no colon.
const (
	candidatePrefix = "candidate:"
	mirrorName      = "mirror:"
)

// Branches adds to a runtime the upstreams of a split's candidate and mirror.
// candidate are those of the candidate's revision. A candidate by address takes
// the place of the first upstream, and is called with its headers and limits.
func Branches(rt apim.Runtime, s apim.Split, candidate []apim.Upstream) apim.Runtime {
	own := rt.Upstreams
	if len(own) == 0 {
		return rt
	}
	rt.Upstreams = append([]apim.Upstream(nil), own...)
	for _, u := range own {
		for _, c := range candidate {
			if c.Name == u.Name {
				c.Name = candidatePrefix + u.Name
				rt.Upstreams = append(rt.Upstreams, c)
			}
		}
	}
	like := func(name string, urls []string) apim.Upstream {
		u := own[0]
		u.Name, u.URLs, u.Weights, u.Traffic.Discovery = name, urls, nil, apim.Discovery{}
		return u
	}
	if len(s.Candidate.URLs) > 0 {
		rt.Upstreams = append(rt.Upstreams, like(candidatePrefix+own[0].Name, s.Candidate.URLs))
	}
	if !s.Mirror.None() {
		u := like(mirrorName, s.Mirror.URLs)
		u.Traffic = apim.Traffic{} // what is copied is not worth a second try by rule
		rt.Upstreams = append(rt.Upstreams, u)
	}
	return rt
}

// Split compiles a split for an entry whose upstreams are those of Branches.
func Split(s apim.Split, out *entry.API) {
	names := map[string]bool{}
	for _, u := range out.Upstreams {
		names[u.Name] = true
	}
	candidates := map[string]string{}
	for name := range names {
		if names[candidatePrefix+name] {
			candidates[name] = candidatePrefix + name
		}
	}
	if len(candidates) > 0 {
		out.Split = &entry.Split{Run: s.Run, Candidates: candidates, PerMille: s.Share, Sticky: s.Sticky}
		for _, r := range s.Rules {
			rule := entry.SplitRule{In: r.In, Name: r.Name, Value: r.Value, Candidate: r.Candidate}
			for _, id := range r.Applications {
				rule.Callers = append(rule.Callers, id.UUID())
			}
			out.Split.Rules = append(out.Split.Rules, rule)
		}
	}
	if m := s.Mirror; names[mirrorName] {
		out.Mirror = &entry.Mirror{
			Run: m.Run, Upstream: mirrorName, PerMille: m.Share, MaxBodyBytes: m.MaxBodyBytes, Concurrency: m.Concurrency, AllMethods: m.AllMethods,
		}
	}
}
