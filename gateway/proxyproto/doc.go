// Package proxyproto reads the PROXY protocol, versions 1 and 2, with which a
// load balancer says for whom it opens a connection. It is taken from networks
// that are named and from nobody else: from others the same bytes are a request
// that is not HTTP.
//
// A header is read as exactly as many bytes as it has, in the goroutine that
// serves the connection and within its deadlines. What is not one is read again
// as what it is, where proxies need not send any, and ends the connection where
// they must.
package proxyproto
