// Package certs holds the certificates with which a node shows itself, and
// picks one by the name that a client asks for (SNI): the host itself, else a
// wildcard for its last labels, else the default, else none, and the client is
// told that its name is not known.
//
// Reading takes no lock. One change costs what it changes, however many
// certificates there are. Connections that are open keep what they began with.
//
// Why hosts that ask clients for certificates resume no sessions: a resumed
// session brings the certificate that was checked when it began, for whatever
// host that was. A full handshake asks again, against the authorities of the
// host that is called, and they may have changed.
package certs
