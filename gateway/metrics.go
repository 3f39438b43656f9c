package gateway

import (
	"context"
	"maps"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portico/gateway/policy"
	"portico/gateway/table"
	"portico/internal/entry"
)

// bounds are the upper bounds of histograms: the small ones are for the gateway's
// own share.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
}

// histogram counts times. The zero value is ready.
type histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	nanos  atomic.Uint64
}

func (h *histogram) add(took time.Duration) {
	at := 0
	for at < len(bounds) && took > bounds[at] {
		at++
	}
	h.counts[at].Add(1)
	h.nanos.Add(uint64(max(took, 0)))
}

// fold adds histograms up.
func fold(of ...*histogram) (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	for i := range len(bounds) + 1 {
		for _, h := range of {
			count += h.counts[i].Load()
		}
		if i < len(bounds) {
			buckets[bounds[i].Seconds()] = count
		}
	}
	for _, h := range of {
		sum += float64(h.nanos.Load()) / 1e9
	}
	return count, sum, buckets
}

// meters count calls, spread over cores and folded when somebody asks.
type meters struct {
	shards    [policy.Shards]meter
	compiles  histogram // of tables; behind the node's lock
	dials     atomic.Uint64
	undialled atomic.Uint64
	refusals  refusals
}

type meter struct {
	whole, own, upstream histogram

	begun    atomic.Uint64 // whole counts those that have ended
	bytesIn  atomic.Uint64
	bytesOut atomic.Uint64
	_        [64]byte // the next core's is on another cache line
}

func (m *meters) shard(ex *policy.Exchange) *meter { return &m.shards[ex.Shard%policy.Shards] }

// end counts a call that is over.
func (m *meters) end(ex *policy.Exchange, took time.Duration) {
	s := m.shard(ex)
	s.whole.add(took)
	if ex.Waited > 0 {
		s.upstream.add(ex.Waited)
		s.own.add(ex.Own)
	} else {
		s.own.add(took)
	}
	if n := ex.Received(); n > 0 {
		s.bytesIn.Add(uint64(n))
	}
	if ex.Sent > 0 {
		s.bytesOut.Add(uint64(ex.Sent))
	}
}

// refusals counts by code. Codes are the gateway's own words, so there are few;
// should a release have more than there is room for, the rest is "other".
type refusals struct {
	byCode atomic.Pointer[map[string]*[policy.Shards]tally]
	mu     sync.Mutex // held while a code is added
}

type tally struct {
	count atomic.Uint64
	_     [56]byte
}

const (
	mostCodes = 64
	otherCode = "other"
)

func (r *refusals) add(shard uint32, code string) {
	known := r.byCode.Load()
	if known != nil {
		if c := (*known)[code]; c != nil {
			c[shard%policy.Shards].count.Add(1)
			return
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[string]*[policy.Shards]tally{}
	if known = r.byCode.Load(); known != nil {
		maps.Copy(next, *known)
	}
	if len(next) >= mostCodes && next[code] == nil {
		code = otherCode
	}
	c := next[code]
	if c == nil {
		c = new([policy.Shards]tally)
		next[code] = c
		r.byCode.Store(&next)
	}
	c[shard%policy.Shards].count.Add(1)
}

// mostSeries bounds the APIs that have series of their own, each with up to six
// classes of status. The first that get calls have them, for as long as they
// live; what all others get is counted as "other". So a series never goes
// down, as it would if those with the most calls were chosen anew each time, and
// ten thousand APIs cost a Prometheus no more than a thousand do.
const mostSeries = 1000

const otherAPI = "other"

// series is which APIs have series of their own, and what ended APIs without
// one had counted.
type series struct {
	named map[string]struct{}
	gone  [6]uint64
}

// dropSeries takes an API that ends out. mu is held.
func (n *Node) dropSeries(api *table.API) {
	if api == nil {
		return
	}
	if _, named := n.series.named[api.Name]; named {
		delete(n.series.named, api.Name)
		return
	}
	for class := range n.series.gone {
		n.series.gone[class] += api.Stats.Count(class)
	}
}

// counted folds the calls by API. mu is held.
func (n *Node) counted() map[string]*[6]uint64 {
	counts := map[string]*[6]uint64{"": {}}
	other := n.series.gone
	add := func(to *[6]uint64, stats *policy.Stats) (any uint64) {
		for class := range 6 {
			count := stats.Count(class)
			to[class] += count
			any += count
		}
		return any
	}
	add(counts[""], &n.unmatched)
	n.table.APIs(func(a *table.API) {
		var own [6]uint64
		if add(&own, a.Stats) == 0 {
			return
		}
		_, named := n.series.named[a.Name]
		if !named && len(n.series.named) < mostSeries {
			n.series.named[a.Name] = struct{}{}
			named = true
		}
		if named {
			counts[a.Name] = &own
			return
		}
		for class := range own {
			other[class] += own[class]
		}
	})
	if other != [6]uint64{} {
		counts[otherAPI] = &other
	}
	return counts
}

// Collector returns the node's metrics for a registry. A scrape takes the lock
// that changes take, and none that a call takes.
func (n *Node) Collector() prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("portico_gateway_"+name, help, labels, nil)
	}
	return &collector{
		node:       n,
		requests:   desc("requests_total", "Calls answered, by API and first digit of the status. APIs beyond the first 1,000 are counted as other.", "api", "status"),
		durations:  desc("request_duration_seconds", "Time from a request's head to the end of its answer."),
		own:        desc("own_duration_seconds", "Of that, the gateway's own share: until the upstream was called, or to the end where none was."),
		upstream:   desc("upstream_duration_seconds", "Of that, waiting until the upstream's answer began; calls that reached none are left out."),
		inFlight:   desc("requests_in_flight", "Calls that are being answered."),
		bytes:      desc("body_bytes_total", "Bytes of bodies: in from callers, out to them.", "direction"),
		refusals:   desc("refusals_total", "Calls that the gateway refused or could not pass on, by code.", "code"),
		bots:       desc("bot_calls_total", "Calls of programs that a policy for bots has found, by class.", "class", "outcome"),
		clients:    desc("client_connections", "Open connections of clients, by lane.", "lane"),
		upstreams:  desc("upstream_connections", "Open connections to upstreams."),
		dials:      desc("upstream_connects_total", "Connections to upstreams that were begun, by outcome.", "outcome"),
		compiles:   desc("compile_duration_seconds", "Time to make an API's table of its entry, and to swap it in."),
		sequence:   desc("applied_sequence", "Sequence up to which everything was applied or refused."),
		refused:    desc("refused_entries", "Entries that this node cannot serve now."),
		apis:       desc("apis", "Versions of APIs that are live."),
		grants:     desc("grants", "Credentials that are known."),
		evicted:    desc("limiter_evictions_total", "States of limits forgotten for want of room."),
		queued:     desc("limit_waiting_calls", "Calls that wait in the queues of limits."),
		reported:   desc("validation_reports_total", "Requests and answers that were not as their document says, and passed.", "direction"),
		waiting:    desc("usage_waiting_calls", "Calls that the ledger does not have yet, those under way too."),
		lost:       desc("usage_lost_calls_total", "Calls that are not counted, for want of room on the disk."),
		folded:     desc("usage_folded_calls_total", "Calls that were added up by minute, for want of room on the disk."),
		ready:      desc("ready", "1 when the node takes calls."),
		sides:      desc("split_requests_total", "Calls of APIs whose traffic is split or mirrored, by side and first digit of the status. They begin anew with a new candidate.", "api", "side", "status"),
		unmirrored: desc("mirror_skipped_total", "Calls that were drawn for a mirror and not copied, by reason.", "api", "reason"),
		explained:  desc("explained_calls_total", "Calls whose way was asked for with a token."),
		buildInfo:  desc("build_info", "1, with the program's version and the environment.", "version", "environment"),
	}
}

type collector struct {
	node *Node

	requests, durations, own, upstream, inFlight, bytes, refusals, bots, clients, upstreams, dials, compiles,
	sequence, refused, apis, grants, evicted, queued, reported, waiting, lost, folded, ready, sides, unmirrored, explained, buildInfo *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.requests, c.durations, c.own, c.upstream, c.inFlight, c.bytes, c.refusals, c.bots, c.clients, c.upstreams, c.dials, c.compiles,
		c.sequence, c.refused, c.apis, c.grants, c.evicted, c.queued, c.reported, c.waiting, c.lost, c.folded, c.ready, c.sides, c.unmirrored, c.explained, c.buildInfo,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	n := c.node
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	status := n.Status()
	gauge(c.buildInfo, 1, n.config.Build, n.config.Environment)
	gauge(c.sequence, float64(status.Applied.Sequence))
	gauge(c.refused, float64(len(status.Refused)))
	gauge(c.apis, float64(status.APIs))
	gauge(c.grants, float64(status.Grants))
	ready := 0.0
	if status.Ready {
		ready = 1
	}
	gauge(c.ready, ready)
	spool := n.usage.Status()
	gauge(c.waiting, float64(spool.Waiting))
	counter(c.lost, spool.Lost)
	counter(c.folded, spool.Folded)
	counter(c.evicted, n.tools.Limiter.Evicted())
	requests, answers := n.tools.Reported.Counts()
	counter(c.reported, requests, "request")
	counter(c.reported, answers, "answer")
	gauge(c.queued, float64(n.tools.Limiter.Waiting()))
	counter(c.explained, n.ways.taken.Load())
	n.tools.Bots.Each(func(class, outcome string, count uint64) { counter(c.bots, count, class, outcome) })
	c.collectMeters(out, gauge, counter)
	fast, full := n.lane.Connections()
	gauge(c.clients, float64(fast), "fast")
	gauge(c.clients, float64(full), "full")
	gauge(c.upstreams, float64(n.upstreams.Connections()))
	counter(c.dials, n.meters.dials.Load()-n.meters.undialled.Load(), "connected")
	counter(c.dials, n.meters.undialled.Load(), "failed")
	if known := n.meters.refusals.byCode.Load(); known != nil {
		for code, shards := range *known {
			sum := uint64(0)
			for i := range shards {
				sum += shards[i].count.Load()
			}
			counter(c.refusals, sum, code)
		}
	}
	n.mu.Lock()
	counts, names := n.counted(), n.splitNames(status.Splits)
	n.mu.Unlock()
	collectSplits(status.Splits, names, func(v uint64, api, side, class string) { counter(c.sides, v, api, side, class) },
		func(v uint64, api, reason string) { counter(c.unmirrored, v, api, reason) })
	for name, classes := range counts {
		for class, v := range classes {
			if v > 0 {
				counter(c.requests, v, name, strconv.Itoa(class)+"xx")
			}
		}
	}
}

// splitNames names the APIs of reports, by version. mu is held.
func (n *Node) splitNames(reports []entry.SplitReport) map[string]string {
	if len(reports) == 0 {
		return nil
	}
	names := make(map[string]string, len(reports))
	n.table.APIs(func(a *table.API) { names[a.Version.String()] = a.Name })
	return names
}

// collectSplits tells what the sides of splits, and mirrors, have counted.
func collectSplits(reports []entry.SplitReport, names map[string]string, side func(v uint64, api, side, class string), skipped func(v uint64, api, reason string)) {
	for _, r := range reports {
		api := names[r.Version]
		if api == "" { // it ended a moment ago
			continue
		}
		for name, counts := range map[string]*entry.BranchCounts{"live": r.Live, "candidate": r.Candidate, "mirror": r.Mirrored} {
			if counts == nil {
				continue
			}
			for class, v := range counts.Classes {
				if v > 0 {
					side(v, api, name, strconv.Itoa(class)+"xx")
				}
			}
		}
		if r.Skipped != nil {
			skipped(r.Skipped.Busy, api, "busy")
			skipped(r.Skipped.Body, api, "body")
		}
	}
}

func (c *collector) collectMeters(out chan<- prometheus.Metric, gauge func(*prometheus.Desc, float64, ...string), counter func(*prometheus.Desc, uint64, ...string)) {
	m := &c.node.meters
	of := func(d *prometheus.Desc, which func(*meter) *histogram) uint64 {
		var list []*histogram
		for i := range m.shards {
			list = append(list, which(&m.shards[i]))
		}
		count, sum, buckets := fold(list...)
		out <- prometheus.MustNewConstHistogram(d, count, sum, buckets)
		return count
	}
	ended := of(c.durations, func(m *meter) *histogram { return &m.whole })
	of(c.own, func(m *meter) *histogram { return &m.own })
	of(c.upstream, func(m *meter) *histogram { return &m.upstream })
	count, sum, buckets := fold(&m.compiles)
	out <- prometheus.MustNewConstHistogram(c.compiles, count, sum, buckets)
	var begun, in, sent uint64
	for i := range m.shards { // after ended, so that the difference is never below zero
		s := &m.shards[i]
		begun, in, sent = begun+s.begun.Load(), in+s.bytesIn.Load(), sent+s.bytesOut.Load()
	}
	gauge(c.inFlight, float64(begun-ended))
	counter(c.bytes, in, "in")
	counter(c.bytes, sent, "out")
}

// dial is the node's dialler, counted.
func (n *Node) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.meters.dials.Add(1)
	conn, err := n.config.DialContext(ctx, network, address)
	if err != nil {
		n.meters.undialled.Add(1)
	}
	return conn, err
}
