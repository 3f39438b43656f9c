// Package diskcopy keeps a node's entries on its disk, so that a node starts and
// serves when nobody else is there. What is on the disk is a copy and never the
// truth: whatever the bus brings later is newer.
//
// It is encrypted and authenticated (AES-256-GCM under a key of the node), and
// costs what changes cost: changes are appended to a log about once a second,
// and the log is folded into a new snapshot only when it has grown as large as
// the last one.
//
// # Files
//
// config-<generation> holds a snapshot, a mark that it is whole, and the log
// since. A file is written beside the others, synced and renamed, and the one
// before it is kept. A reader takes the newest file whose snapshot is whole, and
// of its log as much as is intact, up to a commit: the writer commits where the
// entries belong together, so that half a configuration is never read.
package diskcopy

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"portico/internal/entry"
)

// Copy is the copy of one environment. Its methods are safe for concurrent use.
type Copy struct {
	dir string
	key [32]byte
	env string
	log *slog.Logger

	heardAt time.Time
	wake    chan struct{}

	mu      sync.Mutex
	pending []entry.Item      // guarded by mu; an empty key marks one that was replaced
	byKey   map[entry.Key]int // guarded by mu; where in pending
	bytes   int               // guarded by mu; of pending, roughly
	commit  bool              // guarded by mu; pending ends where entries belong together
	heard   time.Time         // guarded by mu; not yet written

	// The writer's: used by Run and nobody else.
	source    string // the newest good file, "" for none
	from      int64  // how much of it is good
	file      *writer
	number    uint64
	lastHeard time.Time
}

// Open reads what is there and passes it to apply in order, in pieces. Files
// that cannot be used are reported to the log, and an older one is tried. The
// error says that the folder cannot be used at all.
func Open(dir string, key [32]byte, env string, log *slog.Logger, apply func([]entry.Item)) (*Copy, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &Copy{dir: dir, key: key, env: env, log: log, wake: make(chan struct{}, 1), byKey: map[entry.Key]int{}}
	files, err := generations(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		c.number = max(c.number, f.number)
	}
	for _, f := range files {
		found, err := inspect(f.path, key, env)
		if err == nil {
			err = replay(f.path, key, env, found.committed, apply)
		}
		if err != nil {
			log.Warn("copy on disk not used", "file", filepath.Base(f.path), "error", err)
			continue
		}
		c.source, c.from = f.path, found.committed
		if info, err := os.Stat(f.path); err == nil {
			c.heardAt = info.ModTime()
		}
		break
	}
	return c, nil
}

// HeardAt returns when the copy was last known to be up to date, the zero time
// when there was none.
func (c *Copy) HeardAt() time.Time { return c.heardAt }

// Append takes entries that were applied. whole says that, after them, what the
// copy holds belongs together. It does not wait for the disk.
func (c *Copy) Append(items []entry.Item, whole bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, it := range items {
		if at, ok := c.byKey[it.Key]; ok {
			c.bytes -= len(c.pending[at].Body)
			c.pending[at] = entry.Item{}
		}
		c.byKey[it.Key] = len(c.pending)
		c.pending = append(c.pending, it)
		c.bytes += len(it.Body)
	}
	c.commit = whole
	if c.bytes > 8<<20 {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// Heard notes that the bus is there, and with it that the copy is up to date.
func (c *Copy) Heard(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = now
}

// Run writes until ctx ends, and then once more. A disk that cannot be written
// does not end it: it says so, and tries again.
func (c *Copy) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	failed := false
	for {
		ended := false
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		case <-c.wake:
		}
		err := c.flush()
		if err != nil && !failed {
			c.log.Error("copy on disk not written; the node serves on, and a restart would find an older copy", "error", err)
		}
		if failed = err != nil; ended {
			return c.close()
		}
	}
}

// flush writes what is pending.
func (c *Copy) flush() error {
	c.mu.Lock()
	items, commit, heard := c.pending, c.commit, c.heard
	c.pending, c.bytes = nil, 0
	clear(c.byKey)
	c.mu.Unlock()
	if len(items) > 0 || commit && c.file != nil && !c.file.committed() {
		if err := c.write(items, commit); err != nil {
			c.putBack(items)
			return err
		}
	}
	return c.touch(heard)
}

// putBack keeps what could not be written, behind what has come since.
func (c *Copy) putBack(items []entry.Item) {
	c.mu.Lock()
	newer, commit := c.pending, c.commit
	c.pending, c.bytes = nil, 0
	clear(c.byKey)
	c.mu.Unlock()
	c.Append(present(items), commit)
	c.Append(present(newer), commit)
}

func present(items []entry.Item) (out []entry.Item) {
	for _, it := range items {
		if it.Key != "" {
			out = append(out, it)
		}
	}
	return out
}

func (c *Copy) write(items []entry.Item, commit bool) error {
	if c.file == nil {
		if err := c.fold(); err != nil {
			return err
		}
	}
	if err := c.file.items(items, commit); err != nil {
		return err
	}
	if c.file.committed() && c.file.logBytes() > max(c.file.snapshotBytes, 1<<20) {
		c.source, c.from = c.file.path, c.file.offset
		return c.fold()
	}
	return nil
}

// fold writes a new generation that holds what the last one did, once.
func (c *Copy) fold() error {
	next := filepath.Join(c.dir, fileName(c.number+1))
	file, err := newWriter(next, c.key, c.env)
	if err != nil {
		return err
	}
	if c.source != "" {
		err = copyNewest(c.source, c.key, c.env, c.from, file)
	}
	if err == nil {
		err = file.finishSnapshot()
	}
	if err != nil {
		file.abandon()
		return fmt.Errorf("fold into %s: %w", filepath.Base(next), err)
	}
	if c.file != nil {
		_ = c.file.close() // its generation is no longer written
	}
	previous := c.source
	c.file, c.source, c.from = file, next, file.offset
	c.number++
	return prune(c.dir, next, previous)
}

// touch keeps the time of the last contact in the file's own time, since
// writing a record for it every few seconds would be all that is ever written.
func (c *Copy) touch(heard time.Time) error {
	if heard.Sub(c.lastHeard) < 5*time.Second || c.source == "" {
		return nil
	}
	c.lastHeard = heard
	return os.Chtimes(c.source, heard, heard)
}

func (c *Copy) close() error {
	if c.file == nil {
		return nil
	}
	err := c.file.close()
	c.file = nil
	return err
}
