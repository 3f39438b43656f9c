// Package usage is a node's spool: what was called, kept on disk until the
// ledger has it.
//
// A call takes a slot when its head has been read (Take) and completes it when
// it ends (Complete). A slot is a record of fixed form in a memory-mapped,
// preallocated segment, so neither makes a system call, takes a lock that calls
// share or allocates, and what was written is there after a kill -9: the pages
// are the system's. A call that was under way then is found afterwards and sent
// as interrupted.
//
// Ship sends completed parts of segments and gives a segment up only when the
// ledger says that it has all of it. A part that was sent once keeps its bounds,
// which stand in the segment, until it is acknowledged; the ledger keeps how far
// it has read each segment in the transaction in which it counts. So a call is
// counted once whatever is lost between the two.
//
// A spool that is full adds up what waits in it (fold.go) before it gives a call
// up, and what it gives up it counts. Loss of the disk or of power is outside of
// what it promises: nothing is synced. The package does not know what a call is
// charged for, and it decides nothing.
//
// # Why segments are used again
//
// A page of a new file costs several microseconds when it is first written to,
// one that was written before a fraction of that. So a segment that is given up
// becomes the next spare, and an eighth of the spool's room stays mapped as such:
// 128 MiB of the default, which count as resident once they were used. It is not
// cleared for that: a record's state goes with the number of its segment.
//
// # Why an operation stands in a record as text
//
// A number for each route would make a record 60 bytes shorter, and need a table
// of numbers on the same disk, written before the first call of each route, kept
// as long as any segment, and itself a thing to tear or to lose. As text a record
// explains itself, whatever the node serves after a restart. Callers are told
// apart by 192 bytes that lie together, so that a shipper finds those of a batch
// with one look into a map.
//
// # Why slots can move
//
// A stream may stay open for hours. Its slot would keep a segment of thousands of
// completed calls from being shipped past it, and from being given up. So a slot
// that stands in the way for a while is moved to the segment that is written now.
package usage
