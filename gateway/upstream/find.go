package upstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"

	"portico/gateway/upstream/discover"
	"portico/internal/entry"
)

// Sources are what a node may ask for targets. Those that are nil are not
// there, and upstreams that want them say so.
type Sources struct {
	Resolver   *discover.Resolver
	Kubernetes *discover.Origin
	Namespaces []Namespace // of Kubernetes, in which targets may be looked for
	Consul     *discover.Origin
}

// Namespace is one that a tenant's APIs may name. The node asks with the
// operator's rights, so what is not listed is nobody's.
type Namespace struct {
	Name   string
	Tenant string // its slug; "" is every tenant
}

var (
	errNoResolver   = errors.New("this node knows no DNS server: it could not read /etc/resolv.conf")
	errNoKubernetes = errors.New("this node is not told where the Kubernetes API server is: set --kubernetes-url")
	errNoConsul     = errors.New("this node is not told where the Consul agent is: set --consul-url")
)

// source returns what finds the instances behind a target's URL, for an API of
// a tenant.
func (s Sources) source(tenant string, d entry.Discovery, target string) (discover.Source, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	switch d.Kind {
	case "kubernetes":
		if s.Kubernetes == nil {
			return nil, errNoKubernetes
		}
		namespace := cmp.Or(d.Namespace, "default")
		if !slices.ContainsFunc(s.Namespaces, func(n Namespace) bool { return n.Name == namespace && (n.Tenant == "" || n.Tenant == tenant) }) {
			return nil, fmt.Errorf("this node may not look for targets of %s in the Kubernetes namespace %s: an operator allows it by --kubernetes-namespaces", tenant, namespace)
		}
		return &discover.Kubernetes{Origin: s.Kubernetes, Namespace: namespace, Service: d.Service, Port: d.Port}, nil
	case "consul":
		if s.Consul == nil {
			return nil, errNoConsul
		}
		return &discover.Consul{Origin: s.Consul, Service: d.Service, Tag: d.Tag, Datacenter: d.Datacenter}, nil
	}
	if s.Resolver == nil {
		return nil, errNoResolver
	}
	if d.Kind == "srv" {
		return &discover.SRV{Resolver: s.Resolver, Service: d.Service}, nil
	}
	return &discover.DNS{Resolver: s.Resolver, Host: u.Hostname(), Port: portOf(u)}, nil
}

// search is what an upstream has found, behind each of its targets.
type search struct {
	telling sync.Mutex // held while endpoints change by what was found

	mu   sync.Mutex // guards what follows; nothing else is locked beside it
	have [][]discover.Found
	bad  []string // why the newest answer of each is missing; "" when it is not
	stop []func()
}

// find begins to look for the upstream's endpoints. Until something is found
// it has those that the upstream before it had found by the same means.
func (u *Upstream) find(before *Upstream) {
	n := len(u.config.Targets)
	u.search = &search{have: make([][]discover.Found, n), bad: make([]string, n)}
	if before != nil && before.search != nil && before.config.Traffic.Discovery == u.config.Traffic.Discovery {
		before.search.mu.Lock()
		for i, t := range u.config.Targets {
			if j := slices.IndexFunc(before.config.Targets, func(o entry.Target) bool { return o.URL == t.URL }); j >= 0 {
				u.search.have[i] = before.search.have[j]
			}
		}
		before.search.mu.Unlock()
	}
	u.take(u.found(), before)
	for i, t := range u.config.Targets {
		source, err := u.set.sources.source(u.offeredBy, u.config.Traffic.Discovery, t.URL)
		if err != nil {
			u.tell(i, nil, err)
			continue
		}
		stop := u.set.finder.start(func(ctx context.Context) {
			source.Run(ctx, func(list []discover.Found, err error) { u.tell(i, list, err) })
		})
		u.search.stop = append(u.search.stop, stop)
	}
}

// tell takes what was found behind one target. An error leaves what was there.
func (u *Upstream) tell(i int, list []discover.Found, err error) {
	s := u.search
	s.telling.Lock()
	defer s.telling.Unlock()
	s.mu.Lock()
	if err != nil {
		s.bad[i] = err.Error()
	} else {
		s.have[i], s.bad[i] = list, ""
	}
	s.mu.Unlock()
	if err == nil {
		u.take(u.found(), nil)
	}
}

// found is everything that was found.
func (u *Upstream) found() []found {
	u.search.mu.Lock()
	defer u.search.mu.Unlock()
	var out []found
	for i, list := range u.search.have {
		t := u.config.Targets[i]
		for _, f := range list {
			out = append(out, found{t.URL, f.Address, max(t.Weight, 1) * f.Weight})
		}
	}
	return out
}

// astray says why targets cannot be looked for; "" when they can.
func (s *search) astray() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, bad := range s.bad {
		if bad != "" {
			return bad
		}
	}
	return ""
}

// finder runs sources while the set runs.
type finder struct {
	mu     sync.Mutex // guards what follows
	ctx    context.Context
	over   bool
	queued map[int]func(context.Context)
	next   int
	all    sync.WaitGroup
}

// start runs a function as soon as the finder runs, until it is stopped.
func (f *finder) start(run func(context.Context)) (stop func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return func() {}
	}
	if f.ctx != nil {
		return f.begin(run)
	}
	if f.queued == nil {
		f.queued = map[int]func(context.Context){}
	}
	ctx, cancel := context.WithCancel(context.Background())
	number := f.next
	f.next++
	f.queued[number] = func(outer context.Context) {
		defer context.AfterFunc(outer, cancel)()
		run(ctx)
	}
	return func() {
		cancel()
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.queued, number)
	}
}

// begin runs a function now. mu is held.
func (f *finder) begin(run func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(f.ctx)
	f.all.Go(func() {
		defer cancel()
		run(ctx)
	})
	return cancel
}

// run runs what was started and what will be, until ctx ends.
func (f *finder) run(ctx context.Context) {
	f.mu.Lock()
	f.ctx = ctx
	for _, run := range f.queued {
		f.begin(run)
	}
	f.queued = nil
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	f.all.Wait()
}
