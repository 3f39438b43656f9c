package gateway

import (
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"portico/gateway/policy"
	"portico/gateway/table"
)

// bounds are the upper bounds of the duration histogram, in seconds.
var bounds = [...]float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// durations counts how long calls took, spread over cores and folded when
// somebody asks.
type durations struct {
	shards [policy.Shards]struct {
		counts [len(bounds) + 1]atomic.Uint64
		nanos  atomic.Uint64
	}
}

func (d *durations) add(shard uint32, took time.Duration) {
	s := &d.shards[shard%policy.Shards]
	seconds, at := took.Seconds(), 0
	for at < len(bounds) && seconds > bounds[at] {
		at++
	}
	s.counts[at].Add(1)
	s.nanos.Add(uint64(max(took, 0)))
}

func (d *durations) fold() (count uint64, sum float64, buckets map[float64]uint64) {
	buckets = make(map[float64]uint64, len(bounds))
	for i := range len(bounds) + 1 {
		for j := range d.shards {
			count += d.shards[j].counts[i].Load()
		}
		if i < len(bounds) {
			buckets[bounds[i]] = count
		}
	}
	for j := range d.shards {
		sum += float64(d.shards[j].nanos.Load()) / 1e9
	}
	return count, sum, buckets
}

// Collector returns the node's metrics for a registry. A scrape takes the lock
// that changes take, and none that a call takes.
func (n *Node) Collector() prometheus.Collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("portico_gateway_"+name, help, labels, nil)
	}
	return &collector{
		node:      n,
		requests:  desc("requests_total", "Calls answered, by API and first digit of the status.", "api", "status"),
		durations: desc("request_duration_seconds", "Time from a request's head to the end of its answer."),
		sequence:  desc("applied_sequence", "Sequence up to which everything was applied or refused."),
		refused:   desc("refused_entries", "Entries that this node cannot serve now."),
		apis:      desc("apis", "Versions of APIs that are live."),
		grants:    desc("grants", "Credentials that are known."),
		evicted:   desc("limiter_evictions_total", "Rate limit states forgotten for want of room."),
		waiting:   desc("usage_waiting_calls", "Calls that the ledger does not have yet, those under way too."),
		lost:      desc("usage_lost_calls_total", "Calls that are not counted, for want of room on the disk."),
		folded:    desc("usage_folded_calls_total", "Calls that were added up by minute, for want of room on the disk."),
		ready:     desc("ready", "1 when the node takes calls."),
	}
}

type collector struct {
	node *Node

	requests, durations, sequence, refused, apis, grants, evicted, waiting, lost, folded, ready *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.requests, c.durations, c.sequence, c.refused, c.apis, c.grants, c.evicted, c.waiting, c.lost, c.folded, c.ready} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	n := c.node
	gauge := func(d *prometheus.Desc, v float64) { out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	status := n.Status()
	gauge(c.sequence, float64(status.Applied.Sequence))
	gauge(c.refused, float64(len(status.Refused)))
	gauge(c.apis, float64(status.APIs))
	gauge(c.grants, float64(status.Grants))
	ready := 0.0
	if status.Ready {
		ready = 1
	}
	gauge(c.ready, ready)
	out <- prometheus.MustNewConstMetric(c.evicted, prometheus.CounterValue, float64(n.tools.Limiter.Evicted()))
	spool := n.usage.Status()
	gauge(c.waiting, float64(spool.Waiting))
	out <- prometheus.MustNewConstMetric(c.lost, prometheus.CounterValue, float64(spool.Lost))
	out <- prometheus.MustNewConstMetric(c.folded, prometheus.CounterValue, float64(spool.Folded))
	count, sum, buckets := n.durations.fold()
	out <- prometheus.MustNewConstHistogram(c.durations, count, sum, buckets)

	counts := map[string]*[6]uint64{}
	add := func(name string, stats *policy.Stats) {
		if counts[name] == nil {
			counts[name] = new([6]uint64)
		}
		for class := range 6 {
			counts[name][class] += stats.Count(class)
		}
	}
	add("", &n.unmatched)
	n.mu.Lock()
	n.table.APIs(func(a *table.API) { add(a.Name, a.Stats) })
	n.mu.Unlock()
	for name, classes := range counts {
		for class, v := range classes {
			if v > 0 {
				out <- prometheus.MustNewConstMetric(c.requests, prometheus.CounterValue, float64(v), name, strconv.Itoa(class)+"xx")
			}
		}
	}
}
