// Package health asks targets how they are: over HTTP, by connecting, or by
// gRPC's health protocol.
//
// One Scheduler asks for a whole node, a bounded number at once, of which each
// tenant gets its share, and with nothing to ask it sleeps. What follows from an answer is the balancer's
// business, not this package's. It dials only with what it is given, which is
// where the egress guard stands, and never follows a redirect.
package health
