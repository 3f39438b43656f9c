package gateway

import (
	"context"
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"portico/gateway/cache"
	"portico/gateway/certs"
	"portico/gateway/clienttoken"
	"portico/gateway/diskcopy"
	"portico/gateway/identity"
	"portico/gateway/introspect"
	"portico/gateway/jwks"
	"portico/gateway/lane"
	"portico/gateway/policy"
	"portico/gateway/share"
	"portico/gateway/shed"
	"portico/gateway/signature"
	"portico/gateway/split"
	"portico/gateway/table"
	"portico/gateway/token"
	"portico/gateway/upstream"
	"portico/gateway/usage"
	"portico/gateway/waf"
	"portico/internal/entry"
	"portico/internal/entry/check"
)

// Config is what a node is made of. Fields without a word on their zero value
// must be set.
type Config struct {
	Node        string // uuid
	Name        string
	Environment string // slug
	Build       string // version of the program, for its status

	Carrier     Carrier
	DialContext func(ctx context.Context, network, address string) (net.Conn, error) // to upstreams

	Sources upstream.Sources // of targets that are looked for
	Fetch   *http.Client     // guarded; gets keys of issuers and tokens for upstreams, and asks about tokens; nil: none can be had

	CopyDir string   // of the copy on disk; "" keeps none
	CopyKey [32]byte // which encrypts it

	UsageDir         string // of the spool of usage; "" keeps none
	UsageBytes       int64  // that the spool may take on the disk; 0: 1 GiB
	UsageNoAddresses bool   // leave out where calls came from

	// Box opens what is sealed for this node; nil: nothing is.
	Box *ecdh.PrivateKey
	// Leaves makes the node say at its end that it counts no more until it is
	// back.
	Leaves bool

	// Whole, where set, is called once: when all that there is has been compiled.
	// It must not block.
	Whole func()

	// Spans takes calls that are sampled; nil: nobody does.
	Spans Spans

	Log *slog.Logger
	Now func() time.Time // nil: time.Now

	Times        lane.Times    // zero: its defaults
	FullLane     bool          // serve every connection by the full lane: slower, for comparison and in need
	CacheBytes   int64         // that stored answers may take; 0: 64 MiB
	LimiterCells int           // rate limits live at once; 0: 1,048,576
	ShedAfter    time.Duration // that goroutines wait for a processor, before calls are refused; 0: never
	DrainNotice  time.Duration // between not being ready and not accepting; 0: none
	DrainLimit   time.Duration // after which a drain gives up; 0: 30 s
}

// Node is one gateway process. Make it with New and call Run once.
type Node struct {
	config  Config
	lane    *lane.Lanes
	started time.Time
	since   func(time.Time) time.Duration // by the monotonic clock alone, which costs half

	// The path of a request reads only these.
	table     *table.Table
	grants    *table.Grants
	tools     policy.Tools
	upstreams *upstream.Set
	certs     *certs.Store
	shed      *shed.Shedder // nil for none
	usage     *usage.Spool  // nil for none
	splits    *split.Set
	keySets   *jwks.Store
	tokens    *clienttoken.Store // for upstreams
	env       atomic.Pointer[environment]
	stale     atomic.Bool // refuse calls: too long without the bus
	whole     atomic.Bool // all that there was has been applied once: until then calls would miss it
	draining  atomic.Bool // for good: the process ends
	drained   atomic.Bool // until told otherwise
	meters    meters
	ways      ways
	unmatched policy.Stats // calls that reached no API

	copy    *diskcopy.Copy // nil for none
	changed chan struct{}  // wakes the reporter; capacity 1

	mu       sync.Mutex // guards what follows
	index    *check.Index
	series   series
	terms    map[string]*termsState
	apis     map[entry.Key]apiState
	shown    map[entry.Key]entry.Position // certificates, also those that ended
	keys     keys
	applied  entry.Position // of head
	complete entry.Position
	refused  map[entry.Key]refusal
	caughtUp bool      // everything in the bucket was heard, on this connection
	heard    bool      // that was ever so
	heardAt  time.Time // when it was last so
}

type termsState struct {
	slot policy.TermsSlot
	at   entry.Position
}

type apiState struct {
	at    entry.Position
	ended bool
}

type refusal struct {
	item   entry.Item
	reason string
}

// New returns a node that has read its copy on disk, and is ready to serve from
// it. A copy that cannot be used is reported in the log and does not stop the
// node; a folder that cannot be written does.
func New(config Config) (*Node, error) {
	since := func(t time.Time) time.Duration { return config.Now().Sub(t) }
	if config.Now == nil {
		config.Now, since = time.Now, time.Since
	}
	if config.LimiterCells == 0 {
		config.LimiterCells = 1 << 20
	}
	if config.CacheBytes == 0 {
		config.CacheBytes = 64 << 20
	}
	if config.DrainLimit == 0 {
		config.DrainLimit = 30 * time.Second
	}
	n := &Node{
		config: config, started: config.Now(), since: since, table: table.New(), grants: table.NewGrants(),
		changed: make(chan struct{}, 1), ways: newWays(), series: series{named: map[string]struct{}{}}, index: check.NewIndex(), terms: map[string]*termsState{},
		apis: map[entry.Key]apiState{}, certs: certs.NewStore(), shown: map[entry.Key]entry.Position{}, refused: map[entry.Key]refusal{},
	}
	n.keySets = jwks.NewStore(jwks.Options{Client: config.Fetch, Now: config.Now, Log: config.Log})
	n.tokens = clienttoken.NewStore(clienttoken.Options{Client: config.Fetch, Now: config.Now, Log: config.Log})
	n.tools = policy.Tools{
		Now: config.Now, ClientTokens: n.tokens,
		Grants:   n.grants,
		Limiter:  policy.NewLimiter(config.LimiterCells),
		Bots:     policy.NewBots(),
		KeySets:  n.keySets,
		Tokens:   token.NewTables(tokensKept),
		Issuers:  introspect.NewStore(introspect.Options{Client: config.Fetch, Now: config.Now, Log: config.Log}),
		WAF:      new(waf.Set),
		Identity: new(identity.Signer),
		Cache:    cache.New(config.CacheBytes),
		Reported: new(policy.Reported),
		Replays:  signature.NewReplays(noncesKept),
	}
	n.upstreams = upstream.NewSet(n.dial, upstream.Timeouts{Connect: 5 * time.Second, Header: 30 * time.Second, Idle: time.Minute})
	n.upstreams.SetSources(config.Sources)
	if config.ShedAfter > 0 {
		n.shed = shed.New(config.ShedAfter, nil)
	}
	n.splits = split.NewSet(split.Options{Now: config.Now, Log: config.Log})
	n.lane = lane.New(n, config.Times, config.Log)
	n.lane.FullOnly = config.FullLane
	if err := n.openCopy(); err != nil {
		return nil, err
	}
	if err := n.openUsage(); err != nil {
		return nil, err
	}
	return n, nil
}

// tokensKept is how many tokens that were verified are remembered of a tenant: at
// most 64 MiB of them.
const tokensKept = 1 << 14

// noncesKept is how many nonces of signatures are remembered. They take about
// 100 bytes each.
const noncesKept = 1 << 19

// usageFlush is how long a node that has drained goes on sending usage.
const usageFlush = 5 * time.Second

func (n *Node) openUsage() (err error) {
	if n.config.UsageDir == "" {
		return nil
	}
	n.usage, err = usage.Open(usage.Options{
		Dir: n.config.UsageDir, Environment: n.config.Environment, Bytes: n.config.UsageBytes, NoAddresses: n.config.UsageNoAddresses, Log: n.config.Log,
	})
	return err
}

func (n *Node) openCopy() error {
	if n.config.CopyDir == "" {
		return nil
	}
	start := time.Now()
	kept, err := diskcopy.Open(n.config.CopyDir, n.config.CopyKey, n.config.Environment, n.config.Log, func(items []entry.Item) {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.applyAll(items)
	})
	if err != nil {
		return fmt.Errorf("open copy on disk: %w", err)
	}
	n.copy, n.heardAt = kept, kept.HeardAt()
	if n.env.Load() != nil {
		n.becomeWhole() // a copy is read whole or not at all
		n.config.Log.Info("serving from copy on disk", "apis", n.table.Len(), "grants", n.grants.Len(), "sequence", n.applied.Sequence, "took", time.Since(start))
	}
	return nil
}

// becomeWhole notes that all there was has been applied once.
func (n *Node) becomeWhole() {
	if !n.whole.Swap(true) && n.config.Whole != nil {
		n.config.Whole()
	}
}

// Run serves calls on the listener, and over TLS on the secure ones, all of
// which it owns, follows the carrier, and reports. When ctx ends it drains, and
// returns when all has stopped. The error says what failed; nil means that it
// was told to end.
func (n *Node) Run(ctx context.Context, listener net.Listener, secure ...net.Listener) error {
	following, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, following := errgroup.WithContext(following)
	group.Go(func() error { return n.lane.Serve(listener) })
	for _, s := range secure {
		group.Go(func() error { return n.lane.Serve(lane.Secure(s, n.certs.Config())) })
	}
	keeping, kept := context.WithCancel(context.WithoutCancel(ctx)) // the copy has all that was applied
	group.Go(func() error { defer kept(); return n.follow(following) })
	group.Go(func() error { return n.report(following) })
	if n.usage != nil { // after the drain it sends what is left
		defer func() { _ = n.usage.Close() }() // it holds nothing but a lock
		group.Go(func() error { return n.usage.Run(following, n.config.Node, n.config.Carrier, usageFlush) })
	}
	group.Go(func() error { return n.upstreams.Run(following) })
	group.Go(func() error { return n.keySets.Run(following) })
	group.Go(func() error { return n.tokens.Run(following) })
	if n.shed != nil {
		group.Go(func() error { return n.shed.Run(following) })
	}
	var removed error
	group.Go(func() error { return n.tellSeen(following) })
	group.Go(func() error { return n.tellExplained(following) })
	leave := make(chan struct{}) // closed when the node is told to leave
	group.Go(func() error { return n.obey(following, sync.OnceFunc(func() { close(leave) })) })
	if n.copy != nil {
		group.Go(func() error { return n.copy.Run(keeping) })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-leave:
			removed = ErrRemoved
		case <-following.Done():
		}
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.config.DrainLimit)
		defer cancel()
		err := n.Drain(limit)
		if n.config.Leaves && removed == nil {
			n.sayLeft(following)
		}
		stop()
		return err
	})
	err := group.Wait()
	n.tools.Cache.Close()
	n.splits.Close()
	n.upstreams.Close()
	return errors.Join(removed, err)
}

// ErrRemoved says that the node was removed from its environment.
var ErrRemoved = errors.New("this node was removed from its environment")

// Drain makes the node not ready, lets clients move on for DrainNotice, stops
// accepting, and waits for the calls under way. When ctx ends first it gives up
// those that are left and returns an error. A second call waits like the first.
func (n *Node) Drain(ctx context.Context) error {
	n.draining.Store(true)
	n.wake()
	n.lane.KeepConnections(false)
	if n.config.DrainNotice > 0 {
		timer := time.NewTimer(n.config.DrainNotice)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	n.tools.Limiter.Close()
	return n.lane.Drain(ctx)
}

func (n *Node) follow(ctx context.Context) error {
	err := n.config.Carrier.Watch(ctx, n.Apply)
	if err == nil || ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow entries: %w", err)
}

func (n *Node) report(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		n.observe()
		if err := n.config.Carrier.Report(ctx, n.Status()); err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
			n.config.Log.Debug("report status", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-n.changed:
		}
	}
}

// sayLeft is the node's last word.
func (n *Node) sayLeft(ctx context.Context) {
	status := n.Status()
	status.Left, status.Ready = true, false
	if err := n.config.Carrier.Report(ctx, status); err != nil {
		n.config.Log.Info("nobody was told that this node leaves; it counts as unreachable", "error", err)
	}
}

// obeyAgain is how long a node that could not hear commands waits before it
// tries again.
const obeyAgain = time.Second

// obey does what the node is told, until ctx ends. That it cannot hear is no
// reason to stop serving.
func (n *Node) obey(ctx context.Context, leave func()) error {
	for {
		if err := n.hear(ctx, leave); err != nil && ctx.Err() == nil {
			n.config.Log.Debug("commands not heard", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(obeyAgain):
		}
	}
}

func (n *Node) hear(ctx context.Context, leave func()) error {
	looks := looks{places: share.New(looksAtOnce)}
	defer looks.all.Wait()
	return n.config.Carrier.Commands(ctx, n.config.Node, func(c entry.Command) {
		level := slog.LevelInfo
		if c.Do == entry.LookAtTargets { // whenever somebody opens a page
			level = slog.LevelDebug
		}
		n.config.Log.Log(ctx, level, "told", "command", c.Do)
		switch c.Do {
		case entry.Drain, entry.Resume:
			n.drained.Store(c.Do == entry.Drain)
			n.lane.KeepConnections(c.Do != entry.Drain && !n.draining.Load())
			n.wake()
		case entry.Leave:
			n.config.Log.Warn("this node was removed from its environment, and ends")
			leave()
		case entry.PurgeCache:
			if c.Purge != nil {
				n.config.Log.Info("stored answers purged", "version", c.Purge.Version, "answers", n.purge(*c.Purge))
			}
		case entry.LookAtTargets:
			if c.Look != nil {
				n.look(ctx, &looks, *c.Look)
			}
		default:
			n.config.Log.Warn("this build does not know the command", "command", c.Do)
		}
	})
}

// Uses of secrets are told this often, so many in a message, in so many messages at most
// and with a pause after each: on one core, calls wait while a message is made.
const (
	seenEvery    = 3 * time.Second
	seenAtOnce   = 100
	seenMessages = 10
	seenPause    = time.Millisecond
)

// tellSeen tells which secrets were taken, until ctx ends. What cannot be told
// is lost: the next use is told again.
func (n *Node) tellSeen(ctx context.Context) error {
	tick := time.NewTicker(seenEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for told := 0; told < seenMessages && n.tellSome(ctx); told++ {
			time.Sleep(seenPause)
		}
	}
}

// tellSome tells the next uses, and reports whether there may be more.
func (n *Node) tellSome(ctx context.Context) bool {
	grants := n.grants.Seen(seenAtOnce)
	seen := entry.Seen{Node: n.config.Node, Environment: n.config.Environment, Uses: make([]entry.Use, 0, len(grants))}
	for _, grant := range grants {
		if use := grant.Used(); use != nil {
			seen.Uses = append(seen.Uses, entry.Use{Hash: hex.EncodeToString(grant.Hash[:]), At: use.At, Address: use.Address.Unmap().String()})
		}
	}
	if len(seen.Uses) > 0 {
		if err := n.config.Carrier.Saw(ctx, seen); err != nil {
			n.config.Log.Debug("uses not told", "error", err)
		}
	}
	return len(grants) == seenAtOnce
}

// wake lets the reporter report at once.
func (n *Node) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}
