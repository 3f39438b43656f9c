package apim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Audit is one row of a tenant's audit log, written in the transaction of the
// change that it records.
type Audit struct {
	ID      ID
	Tenant  ID // "" for the installation
	At      time.Time
	Actor   Actor
	Action  string // "subscription.approve"
	Object  ID
	Summary string // one sentence for people
	// Before and After are what the change was about, as JSON without secrets;
	// "" where the summary says it all.
	Before, After string
}

// AuditLink is an audit row in its place in the chain.
type AuditLink struct {
	Audit
	Sequence     int64  // 1, 2, 3 … in its tenant
	PreviousHash string // of the row before, "" for the first
	Hash         string
}

// AuditFilter narrows an audit log. Its zero value takes all.
type AuditFilter struct {
	Actor    string // id of a person or token, or their name
	Action   string // "subscription.approve", or "subscription" for all of these
	Object   ID
	From, To time.Time // From is in it, To is not; zero: no bound
}

// AuditCheck is what walking an audit log found.
type AuditCheck struct {
	Rows   int64  // that fit, from the first on
	Head   string // hash of the last of them: who notes it finds out a cut end
	Broken string // why the next one does not fit; "" when all do
	// Of the first row that does not fit, where there is one.
	Sequence int64
	ID       ID
	At       time.Time
}

// Digest returns the hash that a row's values make: SHA-256 over a JSON list of
// all of them in this order, the hash of the row before among them.
func (a AuditLink) Digest() string {
	at := int64(0)
	if !a.At.IsZero() {
		at = a.At.UnixMicro()
	}
	raw, _ := json.Marshal([]any{ // strings, integers and booleans only
		a.PreviousHash, a.Tenant, a.Sequence, a.ID, at, a.Actor.Person, a.Actor.Token, a.Actor.Name, a.Actor.Operator, a.Actor.System,
		a.Actor.Address, a.Actor.Request, a.Action, a.Object, a.Summary, a.Before, a.After,
	})
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// AuditWalk follows the chain of one log, row by row. Its zero value begins at
// the log's first row.
type AuditWalk struct {
	// Anywhere lets it begin at any row: what was before that one is not known.
	Anywhere bool

	Rows        int64     // that fit
	First, Last AuditLink // of those
}

// Step takes the next row. It returns why the row does not fit, and is then at
// its end, or "".
func (w *AuditWalk) Step(a AuditLink) string {
	next, previous := int64(1), ""
	switch {
	case w.Rows > 0:
		next, previous = w.Last.Sequence+1, w.Last.Hash
	case w.Anywhere && a.Sequence > 1:
		next, previous = a.Sequence, a.PreviousHash
	}
	switch {
	case w.Rows > 0 && a.Tenant != w.Last.Tenant:
		return "it is a row of another log"
	case a.Sequence > next:
		return fmt.Sprintf("row %d is missing before it", next)
	case a.Sequence < next:
		return fmt.Sprintf("it stands where row %d ought to", next)
	case a.PreviousHash != previous:
		return "it was not written after the row before it"
	case a.Digest() != a.Hash:
		return "its content is not what was written"
	}
	if w.Rows == 0 {
		w.First = a
	}
	w.Rows, w.Last = w.Rows+1, a
	return ""
}
