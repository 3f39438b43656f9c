// Package fault holds the tests that take parts away, damage what they left,
// and forge what they say, and then look whether calls were refused or changes
// lost. It wires the real parts as cmd/portico does, so that each can end and
// come back alone; only what has to be killed from outside runs as a process.
// It deliberately replaces nothing but the upstream.
package fault
