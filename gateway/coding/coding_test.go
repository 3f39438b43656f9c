package coding_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"

	"portico/gateway/coding"
)

// packed packs a text by one of our packers.
func packed(t testing.TB, c coding.Coding, text string) []byte {
	t.Helper()
	out, err := io.ReadAll(coding.NewPackers(coding.Balanced, 1).Pack(c, io.NopCloser(strings.NewReader(text)), false))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestPackersAreLentWithinBounds(t *testing.T) {
	p := coding.NewPackers(coding.Fast, 2)
	text := func() io.ReadCloser { return io.NopCloser(strings.NewReader("text")) }
	one, two := p.Pack(coding.Gzip, text(), false), p.Pack(coding.Zstd, text(), false)
	if one == nil || two == nil || p.Pack(coding.Brotli, text(), false) != nil {
		t.Fatal("want two of three")
	}
	if _, err := io.ReadAll(one); err != nil {
		t.Fatal(err)
	}
	three := p.Pack(coding.Brotli, text(), false)
	if three == nil || p.Pack(coding.Brotli, text(), false) != nil {
		t.Fatal("one was given back, want one")
	}
	for range 2 { // closing twice gives back once
		_ = two.Close()
		_ = three.Close()
	}
	if _, err := two.Read(make([]byte, 1)); err == nil {
		t.Error("a closed body is read")
	}
	lent := 0
	for range 3 {
		if p.Pack(coding.Gzip, text(), false) != nil {
			lent++
		}
	}
	if lent != 2 {
		t.Errorf("got %d packers, want two again", lent)
	}
}

func TestUnpackingIsBounded(t *testing.T) {
	for _, c := range []coding.Coding{coding.Gzip, coding.Brotli, coding.Zstd} {
		zeros := packed(t, c, strings.Repeat("0", 2*coding.FreeBytes))
		for _, x := range []struct {
			limits coding.Limits
			text   []byte
			want   error
		}{
			{coding.Limits{Bytes: 100, Ratio: 10}, packed(t, c, strings.Repeat("a", 100)), nil},
			{coding.Limits{Bytes: 100, Ratio: 10}, packed(t, c, strings.Repeat("a", 101)), coding.ErrTooLarge},
			{coding.Limits{Bytes: 64 << 20, Ratio: 10}, packed(t, c, strings.Repeat("0", coding.FreeBytes)), nil},
			{coding.Limits{Bytes: 64 << 20, Ratio: 10}, zeros, coding.ErrTooLarge},
			{coding.Limits{Bytes: 64 << 20, Ratio: 1 << 20}, zeros, nil},
			{coding.Limits{Bytes: 100, Ratio: 10}, nil, nil},
			{coding.Limits{Bytes: 100, Ratio: 10}, zeros[:3], coding.ErrMalformed},
		} {
			n, err := io.Copy(io.Discard, coding.Unpack(c, bytes.NewReader(x.text), x.limits))
			if !errors.Is(err, x.want) || n > x.limits.Bytes {
				t.Errorf("%s, %+v: got %d bytes, %v, want %v", c, x.limits, n, err, x.want)
			}
		}
	}
}

// FuzzUnpack holds what is unpacked to its bounds and, where the standard library
// can, to what that unpacks; and a text that is packed comes out again.
func FuzzUnpack(f *testing.F) {
	for c := coding.Gzip; c <= coding.Deflate; c++ {
		if c != coding.Deflate {
			f.Add(uint8(c-1), packed(f, c, strings.Repeat("text ", 100)))
		}
		f.Add(uint8(c-1), []byte("\x78\x9c\x01\x00"))
		f.Add(uint8(c-1), []byte("\x1f\x8b\x08\x100000000")) // a comment that does not end
		f.Add(uint8(c), []byte("c\x0000"))                   // bytes behind the end
	}
	f.Fuzz(func(t *testing.T, c uint8, data []byte) {
		limits, of := coding.Limits{Bytes: 1 << 20, Ratio: 10}, coding.Coding(c%4+1)
		got, err := io.ReadAll(coding.Unpack(of, bytes.NewReader(data), limits))
		if int64(len(got)) > limits.Bytes || err != nil && !errors.Is(err, coding.ErrTooLarge) && !errors.Is(err, coding.ErrMalformed) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
		if want, known, ok := unpacked(of, data, limits.Bytes); known && !errors.Is(err, coding.ErrTooLarge) && (ok != (err == nil) || ok && !bytes.Equal(got, want)) {
			t.Fatalf("%s of %q: got %q, %v, the standard library %q, %v", of, data, got, err, want, ok)
		}
		if of != coding.Deflate {
			if back, err := io.ReadAll(coding.Unpack(of, bytes.NewReader(packed(t, of, string(data))), coding.Limits{Bytes: 1 << 20, Ratio: 1 << 20})); err != nil || !bytes.Equal(back, data) {
				t.Fatalf("%s: %q comes back as %q, %v", of, data, back, err)
			}
		}
	})
}

// unpacked is what the standard library makes of data, to whose end it has to
// read. known is false for what it cannot unpack.
func unpacked(c coding.Coding, data []byte, most int64) (text []byte, known, ok bool) {
	in := bytes.NewReader(data)
	var from io.Reader
	var err error
	switch {
	case len(data) == 0:
		return nil, true, true
	case c == coding.Gzip:
		from, err = gzip.NewReader(in)
	case c == coding.Deflate && len(data) > 1 && data[0]&0x0f == 8 && (uint(data[0])<<8|uint(data[1]))%31 == 0:
		from, err = zlib.NewReader(in)
	case c == coding.Deflate:
		from = flate.NewReader(in)
	default:
		return nil, false, false
	}
	if err != nil {
		return nil, true, false
	}
	text, err = io.ReadAll(io.LimitReader(from, most+1))
	return text, true, err == nil && in.Len() == 0
}
