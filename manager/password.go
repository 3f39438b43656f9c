package manager

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/argon2"

	"portico/internal/apim"
)

// The cost of a password: argon2id with 64 MiB and 3 passes (RFC 9106).
const (
	argonMemoryKiB = 64 << 10
	argonPasses    = 3
	argonThreads   = 1
	argonSalt      = 16
	argonKey       = 32
)

// The lengths of a password, in characters.
const (
	shortestPassword = 10
	longestPassword  = 200
)

// hashing bounds how many passwords are hashed at once, each of which takes
// 64 MiB. The zero value is ready.
type hashing struct {
	once  sync.Once
	slots chan struct{}
}

func (h *hashing) slot(ctx context.Context) (release func(), err error) {
	h.once.Do(func() { h.slots = make(chan struct{}, 2) })
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, apim.Errorf(apim.Unavailable, "too many people sign in at once; try again")
	}
}

// hash returns the hash of a password as a PHC string.
func (h *hashing) hash(ctx context.Context, password string) (string, error) {
	release, err := h.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	var salt [argonSalt]byte
	_, _ = rand.Read(salt[:]) // never returns an error since Go 1.24
	sum := argon2.IDKey([]byte(password), salt[:], argonPasses, argonMemoryKiB, argonThreads, argonKey)
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemoryKiB, argonPasses, argonThreads,
		b64.EncodeToString(salt[:]), b64.EncodeToString(sum)), nil
}

// fits reports whether a password is that of a hash. A hash that is none takes
// as long as one that is, so that the time does not tell which accounts exist.
func (h *hashing) fits(ctx context.Context, password, hash string) (bool, error) {
	release, err := h.slot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	version, memory, passes, threads := 0, uint32(argonMemoryKiB), uint32(argonPasses), uint8(argonThreads)
	salt, want := make([]byte, argonSalt), make([]byte, argonKey)
	known := false
	if parts := strings.Split(hash, "$"); len(parts) == 6 && parts[1] == "argon2id" {
		_, err1 := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &passes, &threads)
		s, err2 := base64.RawStdEncoding.DecodeString(parts[4])
		w, err3 := base64.RawStdEncoding.DecodeString(parts[5])
		if err1 == nil && err2 == nil && err3 == nil && version == argon2.Version && len(w) > 0 && memory <= 1<<20 && passes > 0 && threads > 0 {
			salt, want, known = s, w, true
		} else {
			memory, passes, threads = argonMemoryKiB, argonPasses, argonThreads
		}
	}
	got := argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

// checkPassword checks a password that somebody chooses.
func checkPassword(check *apim.Check, field, password string) {
	switch n := len([]rune(password)); {
	case n < shortestPassword:
		check.Fail(field, "too_short", "has %d characters, the least is %d", n, shortestPassword)
	case n > longestPassword:
		check.Fail(field, "too_long", "has %d characters, the most is %d", n, longestPassword)
	}
}

// Wrong passwords are counted by account and by address over attemptWindow.
const (
	attemptWindow      = 15 * time.Minute
	attemptsPerAccount = 10
	attemptsPerAddress = 100
	attemptsKept       = 20_000 // accounts and addresses
)

// attempts counts wrong passwords in bounded memory. The zero value is ready;
// it is safe for concurrent use.
type attempts struct {
	mu    sync.Mutex // guards wrong
	wrong map[string]attempt
}

type attempt struct {
	n     int
	until time.Time // the count begins anew then
}

// begin counts an attempt, and refuses one too many before the password is
// looked at. end takes back the count of one that was right.
func (a *attempts) begin(account, address string, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong == nil {
		a.wrong = map[string]attempt{}
	}
	keys := map[string]int{"account:" + account: attemptsPerAccount, "address:" + network(address): attemptsPerAddress}
	for key, most := range keys {
		if at := a.wrong[key]; now.Before(at.until) && at.n >= most {
			return apim.Errorf(apim.TooMany, "too many attempts; try again in %d minutes", int(at.until.Sub(now).Minutes())+1)
		}
	}
	for key := range keys {
		at := a.wrong[key]
		if !now.Before(at.until) {
			at = attempt{until: now.Add(attemptWindow)}
		}
		at.n++
		a.makeRoom(now)
		a.wrong[key] = at
	}
	return nil
}

func (a *attempts) end(account, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.wrong, "account:"+account)
	if at, ok := a.wrong["address:"+network(address)]; ok {
		at.n--
		a.wrong["address:"+network(address)] = at
	}
}

// network is what one customer has to choose from: a whole /64 of IPv6.
func network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	prefix, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// makeRoom forgets counts that are over, and any when none is.
func (a *attempts) makeRoom(now time.Time) {
	if len(a.wrong) < attemptsKept {
		return
	}
	for key, at := range a.wrong {
		if !now.Before(at.until) {
			delete(a.wrong, key)
		}
	}
	for key := range a.wrong {
		if len(a.wrong) < attemptsKept {
			return
		}
		delete(a.wrong, key)
	}
}
