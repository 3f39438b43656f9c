// Package hugepage puts memory of this process on huge pages: the heap where it is
// full, and what asks.
//
// Why: a node with a hundred thousand keys looks at other memory with every call,
// more of it than the processor keeps translations for, and in a virtual machine
// a translation that is missing costs several reads of memory. Go asks for huge
// pages nowhere, and most systems give them only to who asks.
//
// Why not by asking for all of the heap: the kernel would go on giving back, a huge
// page at a time, what the garbage collector has returned to it. So only what is in
// use already is moved, once; what is returned later is split, and stays returned.
//
// Memory of a known size that calls touch here and there, and that is never full
// for long, asks for itself (Ask).
//
// It knows nothing of what the heap holds, and does nothing where there is no Linux
// 6.1 or the kernel has no huge pages to give.
package hugepage
