// Package web is what every HTTP edge of the control plane shares: the engine
// with its request id, access log, recovery and security headers; who asks
// (sessions and bearer tokens); problems, in the one place that knows HTTP
// numbers; strict reading of JSON, forms and queries; and rendering of pages.
//
// It deliberately holds no route, no page and no rule of API management: edges
// (manager/rest, manager/console, portal) add theirs. The gateway does not use
// it; its lanes have other needs.
//
// An edge is one *gin.Engine from New. Handlers end a request with Fail, JSON,
// Render, Redirect or gin's own writers, and pass c.Request.Context() on: it
// carries the Actor and the RequestID.
package web
