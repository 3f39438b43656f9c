package policy

import (
	"context"
	"hash/maphash"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"portico/internal/entry"
	"portico/internal/entry/check"
)

// botsStep is the policy "bots".
type botsStep struct {
	observe bool
	empty   bool
	names   *[256][]botName // by their first byte; nil for none
	deny    []*regexp.Regexp
	allow   []*regexp.Regexp
	id      uint64 // of what it looks for
	seen    *Bots
}

type botName struct {
	name  string // in lower case
	class string
}

// patternClass is what a caller counts as whom a provider's own expression
// finds.
const patternClass = "pattern"

func newBotsStep(c entry.BotsPolicy, seen *Bots) *botsStep {
	s := &botsStep{observe: c.Mode == "observe", empty: slices.Contains(c.Classes, "empty"), deny: patterns(c.Deny), allow: patterns(c.Allow), id: rand.Uint64(), seen: seen}
	known := botNames()
	for _, class := range c.Classes {
		for _, name := range known[class] {
			if s.names == nil {
				s.names = new([256][]botName)
			}
			s.names[name[0]] = append(s.names[name[0]], botName{name, class})
		}
	}
	return s
}

func patterns(list []string) []*regexp.Regexp {
	out := make([]*regexp.Regexp, 0, len(list))
	for _, s := range list {
		if p, err := check.Pattern(s); err == nil { // entry/check lets nothing else pass
			out = append(out, p)
		}
	}
	return out
}

// Run implements Step.
func (s *botsStep) Run(_ context.Context, ex *Exchange) error {
	class := s.find(ex)
	if class == "" {
		return nil
	}
	s.seen.add(ex.Shard, class, !s.observe)
	if s.observe {
		return nil
	}
	return &Denied{
		Status: http.StatusForbidden, Code: "bot_refused",
		Detail: "This API may not be called by programs of this kind. Its User-Agent tells the kind; ask whoever offers the API to allow it.",
	}
}

// find returns the class of the caller, "" for one that is let in.
func (s *botsStep) find(ex *Exchange) string {
	said := false
	for _, f := range ex.Header.Fields() {
		if !FoldEqual(f.Name, "User-Agent") {
			continue
		}
		if name := strings.Trim(f.Value, " \t"); name != "" {
			said = true
			if class := s.remembered(name); class != "" {
				return class
			}
		}
	}
	if !said && s.empty {
		return "empty"
	}
	return ""
}

// remembered is classOf at a cost that does not depend on what is looked for, for
// names that have come before.
func (s *botsStep) remembered(name string) string {
	if s.seen == nil || len(name) > maxAgent {
		return s.classOf(name)
	}
	at := s.seen.slot(s.id, name)
	if a := at.Load(); a != nil && a.of == s.id && a.name == name {
		return a.class
	}
	class := s.classOf(name)
	at.Store(&agent{s.id, strings.Clone(name), class})
	return class
}

func (s *botsStep) classOf(agent string) string {
	for _, p := range s.allow {
		if p.MatchString(agent) {
			return ""
		}
	}
	if s.names != nil {
		if class := s.known(agent); class != "" {
			return class
		}
	}
	for _, p := range s.deny {
		if p.MatchString(agent) {
			return patternClass
		}
	}
	return ""
}

// known looks for a known name at the beginning of each word.
func (s *botsStep) known(agent string) string {
	word := false // the byte before belongs to a word
	for i := range len(agent) {
		c := agent[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if !word {
			for _, n := range s.names[c] {
				if len(agent)-i >= len(n.name) && FoldEqual(agent[i:i+len(n.name)], n.name) {
					return n.class
				}
			}
		}
		word = 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
	}
	return ""
}

func (s *botsStep) explain(ex *Exchange) string {
	switch class := s.find(ex); {
	case class == "":
		return "the caller is none of the bots that are looked for"
	case s.observe:
		return "the caller is a bot of the class " + class + ", which is observed"
	default:
		return "the caller is a bot of the class " + class
	}
}

// Bots is what the policies "bots" of a node share: what they have found is
// counted there, and the names that come often are remembered, in a memory that
// does not grow. It is made once for a node; nil does neither.
type Bots struct {
	counts [len(botClasses) * 2][Shards]botCount
	seed   maphash.Seed
	met    [4096]atomic.Pointer[agent] // by hash: the same few names come again and again
}

// agent is a name that has come before, and what a policy found it to be.
type agent struct {
	of          uint64
	name, class string
}

// maxAgent is how long a name may be to be remembered.
const maxAgent = 512

// NewBots returns one that has met nobody.
func NewBots() *Bots { return &Bots{seed: maphash.MakeSeed()} }

func (b *Bots) slot(of uint64, name string) *atomic.Pointer[agent] {
	return &b.met[(maphash.String(b.seed, name)^of)%uint64(len(b.met))]
}

type botCount struct {
	count atomic.Uint64
	_     [56]byte // the next core's is on another cache line
}

var botClasses = [...]string{"empty", "library", "crawler", "headless", patternClass}

func (b *Bots) add(shard uint32, class string, refused bool) {
	if b == nil {
		return
	}
	for i, name := range botClasses {
		if name == class {
			if refused {
				i += len(botClasses)
			}
			b.counts[i][shard%Shards].count.Add(1)
		}
	}
}

// Each visits what was counted, class by class and outcome by outcome.
func (b *Bots) Each(visit func(class, outcome string, count uint64)) {
	if b == nil {
		return
	}
	for i := range b.counts {
		sum := uint64(0)
		for j := range b.counts[i] {
			sum += b.counts[i][j].count.Load()
		}
		outcome := "observed"
		if i >= len(botClasses) {
			outcome = "refused"
		}
		visit(botClasses[i%len(botClasses)], outcome, sum)
	}
}
