// Command bench prints Portico's performance table: what the issue of a part
// asks for beside what was measured in this run.
//
// It starts the real binary, as a user would, on loopback and free ports, and
// is no test: it fails only when it could not measure. Run it with `make bench`;
// -list names its parts, -only picks some, -quick is short, -json has every round.
//
// # Policies
//
// The part policies runs the benchmarks of package gateway/policy, which need no
// network, on one processor, and takes from each what the empty chain beside it
// costs in the same round; what is printed is the median of the rounds, in µs and
// allocations of a call. What a policy does over the network, as a composition
// does, is measured by the parts requests/….
//
// # Requests
//
// The parts requests/… compare the gateway with nginx, and with the standard
// library's reverse proxy for scale. What is compared is CPU time, user and
// system, of the contender's own process for each answered call: it says what a
// call costs, whoever drives the load, where requests per second on two cores
// say as much about the loader. Contenders take turns within a round, in another
// order in each; a ratio is the median of the rounds' ratios, so that a machine
// that is slow for a while is slow for both. What a contender still computes
// when the load has ended (ours ships its record of the calls) is counted.
//
// The gateway is a role of its own, beside a manager, a NATS server and a
// PostgreSQL that go on working; nginx has one worker and is set up to be quick
// (package stand says how). "One core" keeps the contender to one core and all
// others to another; "free" leaves both to all, because one core flatters Go,
// whose scheduler then has nobody to wake. Two cores are used, however many
// there are.
//
// Managers are stopped in the time of a measure, and NATS computes only where
// nobody else would, if root started the bench: what they make of the calls they
// would make on the loader's core, and their part of it is not the gateway's.
// Before the next measure the bench waits until the ledger has all calls. In the
// row publish they work on.
//
// A p99 is made of the moments in which nobody can compute, whoever the contender
// is, and a ratio of two such p99 says nothing. So in the row latency NATS is stopped
// too, and root's bench keeps the kernel's threads that may run on any core off the
// contender's, until the row is measured: one that looks through the memory takes a
// core for milliseconds. A bench that is killed leaves them where they are; `taskset`
// and /sys/devices/virtual/workqueue/cpumask move them back. The loader makes up for
// nothing where it did not run itself. And what stands still then is the virtual
// machine (2 to 10 ms about once a second on ours, for nginx as for us): so what is
// judged is the median of the p99 of each quarter of a second. It leaves out what a
// contender itself makes stand still less often than that, which the p99 of all has.
//
// With -against, gateways of other builds take the place of the standard
// library's proxy: what a change costs or saves is smaller than what differs from
// one run to the next, and shows only within one.
//
// A row is not judged when others took more than a tenth of a core, calls
// failed, or there is no nginx. A protocol that the gateway does not serve is
// found by asking it, and is "not served yet".
//
//	plain    GET of 1,031 bytes on 64 connections, on a public route: what a
//	         call costs when nothing is asked of it. nginx writes no log, and
//	         the node counts no calls; the one of all other rows stands beside it.
//	full     10,000 different calls: 1,000 routes that want a key, 100,000 keys
//	         known, each limited. nginx writes its access log, as we our record.
//	core     requests per second of that on one core, beside the headline that
//	         the field prints for eight.
//	free     full, on two free cores.
//	light    full, 3,200 calls a second, free: waking costs more than working.
//	post     POST of 1 KB: a body that fits a buffer.
//	tls      plain over TLS 1.3, both with AES-128-GCM; handshakes are not in it.
//	down, up 1 MB either way: copying, and what a buffer's size does to it.
//	h2c, h2  HTTP/2 in, in clear and over TLS, 8 connections of 8 streams.
//	cached   a GET that the gateway answers from its memory, beside nginx that
//	         passes it on: no upstream is asked.
//	composition
//	         a call answered with what three calls give, whole, beside three calls
//	         passed on: the same answers of the same upstream.
//	latency  what full adds to the time of a call without anybody between, beside
//	         what nginx adds, at 3,200 a second and at half of what the slower of the two can;
//	         in three times as many rounds, with the range in which the ratio lies
//	         nineteen times out of twenty.
//	idle     by how much a fresh node grows with 10,000 connections that made a
//	         call each and wait.
//	publish  revisions of called APIs published one after the other under full
//	         load: no call may fail, and p99 not double.
//	growth   plain on a node with 10,000 APIs beside one with 10: the same ten
//	         called, and all in turn.
//
// Allocations are the runtime's count of the whole process, so what it does
// beside the calls is in them; that a call makes none is a test of package gateway's.
package main
