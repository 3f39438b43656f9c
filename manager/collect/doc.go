// Package collect hears what gateway nodes say of themselves and answers what
// of a change they confirm: "live on 3 of 3 nodes, 38 ms".
//
// Times are the manager's own: from writing a head to hearing that it was
// applied. Every enrolled node counts; one that was not heard for 5 s is
// unreachable and is named. The package keeps the newest status of each node in
// memory and deliberately no history; that a node was heard is kept in the
// store from time to time, so that it survives a restart.
//
// It also counts what the nodes say was called. A piece of usage and the note
// that it was counted are one transaction; only after it the node is told, and
// gives up what it kept.
package collect
