package portal

import (
	"sync"
	"time"

	"portico/internal/apim"
)

// A fresh holds keys between the post that minted them and the page that shows
// them, in memory alone. A key is shown once; a second post of the same form
// within moments (a double click, whose first answer the browser drops) lets
// it be shown again.
type fresh struct {
	now  func() time.Time
	mu   sync.Mutex // guards keys
	keys map[string]*freshKey
}

type freshKey struct {
	credential apim.ID
	key        string
	minted     time.Time
	shown      bool
}

const (
	keepFresh  = 2 * time.Minute  // unseen
	doubleTime = 10 * time.Second // a second post of the same form
)

func newFresh(now func() time.Time) *fresh {
	return &fresh{now: now, keys: map[string]*freshKey{}}
}

// Put keeps a key for the person who minted it.
func (f *fresh) Put(person apim.ID, nonce string, credential apim.ID, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	for k, v := range f.keys {
		if now.Sub(v.minted) > keepFresh {
			delete(f.keys, k)
		}
	}
	f.keys[string(person)+"\x00"+nonce] = &freshKey{credential: credential, key: key, minted: now}
}

// Again lets a key be shown once more, right after it was minted.
func (f *fresh) Again(person apim.ID, nonce string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if k, ok := f.keys[string(person)+"\x00"+nonce]; ok && f.now().Sub(k.minted) <= doubleTime {
		k.shown = false
	}
}

// Take returns a key that has not been shown, with the credential it is of.
func (f *fresh) Take(person apim.ID, nonce string) (credential apim.ID, key string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := string(person) + "\x00" + nonce
	k, ok := f.keys[id]
	if !ok || k.shown {
		return "", "", false
	}
	now := f.now()
	if now.Sub(k.minted) > keepFresh {
		delete(f.keys, id)
		return "", "", false
	}
	k.shown = true
	if now.Sub(k.minted) > doubleTime {
		delete(f.keys, id)
	}
	return k.credential, k.key, true
}
