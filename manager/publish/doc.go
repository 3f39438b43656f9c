// Package publish brings the control plane's desired state to the bus: what is
// pending in the database is delivered at once, and what stands in a bucket is
// compared with the database at start, every 30 s and whenever somebody else
// wrote there, and repaired in both directions.
//
// It deliberately decides nothing about what is desired; that is compiled and
// saved with the change itself. While the bus is away changes wait in the
// database and nothing else is lost.
//
// # How drift is repaired
//
// An entry that is missing or older than desired is written again as it is. One
// that claims to be newer, that differs at the same position, or that is no
// entry, is issued again by the database above what was seen, so that nodes
// which have taken it take the truth after it. Keys that the database does not
// know get a tombstone the same way; keys that are none are removed.
//
// A bucket that is new, or that lost everything, starts a new epoch: everything
// is written again, then the mark "complete", and only then the head.
package publish
