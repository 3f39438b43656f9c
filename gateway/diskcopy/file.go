package diskcopy

import (
	"bufio"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"portico/internal/entry"
)

// A file is a header (magic and a random salt) and records (length and
// ciphertext). Each file has a key of its own, derived from the node's key, the
// salt and the environment, so that the record's number can be the nonce: moved,
// repeated and missing records do not open.
const (
	magic          = "portico copy 1\n\x00"
	saltBytes      = 16
	headerBytes    = len(magic) + saltBytes
	maxRecordBytes = 64 << 20
	batchBytes     = 1 << 20 // of a record in a snapshot, roughly
	keptBytes      = 4 << 20 // of a record whose room is used again
)

// What a record's first byte says.
const (
	flagItems    = 0      // entries follow
	flagSnapshot = 1 << 0 // the snapshot ends here
	flagCommit   = 1 << 1 // what was read so far belongs together
)

type generation struct {
	number uint64
	path   string
}

func fileName(number uint64) string { return fmt.Sprintf("config-%016d", number) }

// generations returns the files there are, newest first.
func generations(dir string) ([]generation, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []generation
	for _, e := range list {
		digits, ok := strings.CutPrefix(e.Name(), "config-")
		if n, err := strconv.ParseUint(digits, 10, 64); ok && err == nil && e.Name() == fileName(n) {
			out = append(out, generation{n, filepath.Join(dir, e.Name())})
		}
	}
	slices.SortFunc(out, func(a, b generation) int { return cmp.Compare(b.number, a.number) })
	return out, nil
}

// prune removes all generations but the two named, and what was abandoned.
func prune(dir, current, previous string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		path := filepath.Join(dir, e.Name())
		if strings.HasPrefix(e.Name(), "config-") && path != current && path != previous {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

func sealer(key [32]byte, salt []byte, env string) (cipher.AEAD, error) {
	fileKey, err := hkdf.Key(sha256.New, key[:], salt, "portico disk copy of "+env, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(fileKey)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func nonce(number uint64) []byte {
	var n [12]byte
	binary.BigEndian.PutUint64(n[4:], number)
	return n[:]
}

// writer appends records to a file that is not yet, or no longer, read.
type writer struct {
	path          string // where it will stand
	file          *os.File
	aead          cipher.AEAD
	number        uint64
	offset        int64
	snapshotBytes int64
	dirty         bool // items were written since the last commit
	batch         []byte
	sealed        []byte // the last record, for its room
}

func newWriter(path string, key [32]byte, env string) (*writer, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails: crypto/rand
	aead, err := sealer(key, salt, env)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	w := &writer{path: path, file: f, aead: aead}
	if err := w.raw(append([]byte(magic), salt...)); err != nil {
		w.abandon()
		return nil, err
	}
	return w, nil
}

// raw writes all of b or, as far as anybody can see, nothing.
func (w *writer) raw(b []byte) error {
	if _, err := w.file.WriteAt(b, w.offset); err != nil {
		return errors.Join(err, w.file.Truncate(w.offset))
	}
	w.offset += int64(len(b))
	return nil
}

// record seals in the place where the record is put together: a copy of much
// would otherwise be in memory three times.
func (w *writer) record(flag byte, body []byte) error {
	const length = 4
	out := slices.Grow(w.sealed[:0], length+1+len(body)+w.aead.Overhead())[:length+1]
	binary.BigEndian.PutUint32(out, uint32(1+len(body)+w.aead.Overhead()))
	out[length] = flag
	out = append(out, body...)
	out = w.aead.Seal(out[:length], nonce(w.number), out[length:], nil)
	if w.sealed = nil; cap(out) <= keptBytes {
		w.sealed = out
	}
	if err := w.raw(out); err != nil {
		return err
	}
	w.number++
	return nil
}

// add puts one item of a snapshot into the batch.
func (w *writer) add(raw []byte) error {
	w.batch = append(w.batch, raw...)
	if len(w.batch) < batchBytes {
		return nil
	}
	err := w.record(flagItems, w.batch)
	w.batch = w.batch[:0]
	return err
}

// finishSnapshot marks the snapshot as whole and gives the file its name.
func (w *writer) finishSnapshot() error {
	if err := w.record(flagItems|flagSnapshot|flagCommit, w.batch); err != nil {
		return err
	}
	w.batch, w.snapshotBytes = nil, w.offset
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(w.path+".part", w.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(w.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// items appends to the log.
func (w *writer) items(items []entry.Item, commit bool) error {
	var body []byte
	for _, it := range items {
		if it.Key == "" {
			continue
		}
		var err error
		if body, err = appendItem(body, it); err != nil {
			return err
		}
		if len(body) > batchBytes {
			if err := w.record(flagItems, body); err != nil {
				return err
			}
			body, w.dirty = body[:0], true
		}
	}
	flag := byte(flagItems)
	if commit {
		flag |= flagCommit
	}
	if err := w.record(flag, body); err != nil {
		return err
	}
	w.dirty = !commit
	return w.file.Sync()
}

func (w *writer) committed() bool { return !w.dirty }
func (w *writer) logBytes() int64 { return w.offset - w.snapshotBytes }
func (w *writer) close() error    { return w.file.Close() }

func (w *writer) abandon() {
	_ = w.file.Close() // what failed is told already
	_ = os.Remove(w.path + ".part")
}

func appendItem(dst []byte, it entry.Item) ([]byte, error) {
	value, err := json.Marshal(it.Envelope)
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", it.Key, err)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(it.Key)))
	dst = append(dst, it.Key...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...), nil
}

// cutItem takes one item off a record's body. raw is all of it.
func cutItem(b []byte) (key entry.Key, value, raw, rest []byte, err error) {
	k, after, err := cutBytes(b)
	if err != nil {
		return "", nil, nil, nil, err
	}
	if value, rest, err = cutBytes(after); err != nil {
		return "", nil, nil, nil, err
	}
	return entry.Key(k), value, b[:len(b)-len(rest)], rest, nil
}

func cutBytes(b []byte) (part, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, io.ErrUnexpectedEOF
	}
	n := binary.BigEndian.Uint32(b)
	if uint64(n) > uint64(len(b)-4) {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return b[4 : 4+n], b[4+n:], nil
}

// read visits the records of a file up to an offset, 0 for all, and returns the
// error that ended it: io.EOF at the end.
func read(path string, key [32]byte, env string, until int64, visit func(flag byte, body []byte, end int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 256<<10)
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(in, header); err != nil || string(header[:len(magic)]) != magic {
		return errors.New("not a copy of this format")
	}
	aead, err := sealer(key, header[len(magic):], env)
	if err != nil {
		return err
	}
	offset := int64(headerBytes)
	var buf []byte
	for number := uint64(0); until == 0 || offset < until; number++ {
		var length [4]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return err
		}
		n := binary.BigEndian.Uint32(length[:])
		if n > maxRecordBytes || int(n) < aead.Overhead()+1 {
			return errors.New("a record's length is damaged")
		}
		buf = slices.Grow(buf[:0], int(n))[:n]
		if _, err := io.ReadFull(in, buf); err != nil {
			return io.ErrUnexpectedEOF
		}
		plain, err := aead.Open(buf[:0], nonce(number), buf, nil) // in its place: visitors keep nothing of it
		if err != nil {
			return errors.New("a record does not open: damaged, or under another key")
		}
		offset += 4 + int64(n)
		if err := visit(plain[0], plain[1:], offset); err != nil {
			return err
		}
	}
	return io.EOF
}

type inspection struct{ committed int64 }

// inspect finds how much of a file can be used, and refuses one whose snapshot
// is not whole.
func inspect(path string, key [32]byte, env string) (inspection, error) {
	var found inspection
	whole := false
	err := read(path, key, env, 0, func(flag byte, body []byte, end int64) error {
		whole = whole || flag&flagSnapshot != 0
		for len(body) > 0 {
			var err error
			if _, _, _, body, err = cutItem(body); err != nil {
				return err
			}
		}
		if whole && flag&flagCommit != 0 {
			found.committed = end
		}
		return nil
	})
	if !whole {
		return found, fmt.Errorf("its snapshot is not whole: %w", err)
	}
	return found, nil
}

func replay(path string, key [32]byte, env string, until int64, apply func([]entry.Item)) error {
	err := read(path, key, env, until, func(_ byte, body []byte, _ int64) error {
		var items []entry.Item
		for len(body) > 0 {
			key, value, _, rest, err := cutItem(body)
			if err != nil {
				return err
			}
			// An entry of another schema is passed on as far as it can be read: the
			// node refuses it by name, and the others stand.
			it, _ := entry.Open(key, value)
			it.Key = key
			items, body = append(items, it), rest
		}
		apply(items)
		return nil
	})
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// copyNewest writes the newest value of every key, in the order in which they
// came, so that reading the copy ends where reading the original did.
func copyNewest(path string, key [32]byte, env string, until int64, out *writer) error {
	last := map[entry.Key]int{}
	pass := func(visit func(i int, key entry.Key, raw []byte) error) error {
		i := 0
		err := read(path, key, env, until, func(_ byte, body []byte, _ int64) error {
			for len(body) > 0 {
				key, _, raw, rest, err := cutItem(body)
				if err != nil {
					return err
				}
				if err := visit(i, key, raw); err != nil {
					return err
				}
				body = rest
				i++
			}
			return nil
		})
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if err := pass(func(i int, key entry.Key, _ []byte) error { last[key] = i; return nil }); err != nil {
		return err
	}
	return pass(func(i int, key entry.Key, raw []byte) error {
		if last[key] != i {
			return nil
		}
		return out.add(raw)
	})
}
