// Package balance chooses which of an upstream's endpoints a call goes to, and
// learns from how calls end which of them are fit: algorithms, slow start,
// ejection, panic, a circuit breaker, a bulkhead and the budget of retries.
//
// It opens no connection, knows no HTTP and starts no goroutine: whoever calls
// says what the time is and how a call ended. What a choice needs is worked out
// when something changes, into a picture that is swapped whole; choosing reads
// it without a lock and allocates nothing.
//
// All times are nanoseconds of one clock of the caller's that never runs
// backwards, and may be coarse.
package balance
