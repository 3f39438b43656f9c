// Package gateway is a node: it applies the entries of one environment, keeps
// them compiled in a table, answers calls from it, and says how it is.
//
// A node needs nothing but its entries. It serves on when whoever brings them
// is gone, and starts from its copy on disk without them. An entry that it
// cannot serve harms only itself: the node keeps the last good one under that
// key and reports why.
//
// The parts do the work (lane, table, policy, upstream, diskcopy); this package
// joins them, renders errors, and knows which entry is newer. It knows nothing
// of the bus but the Carrier, and nothing of the control plane at all.
package gateway
