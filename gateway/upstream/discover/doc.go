// Package discover finds where a service's instances are: by DNS, by SRV
// records, from a Kubernetes API server and from a Consul agent.
//
// A Source tells what it finds whenever that changes, and goes on trying when
// it cannot be asked, with growing pauses; what it found last holds meanwhile.
// It is the operator who says which servers are asked, since they are not
// called through the egress guard; the addresses that they name are dialled by
// others, who do stand behind it. Nothing here decides what gets calls.
package discover
