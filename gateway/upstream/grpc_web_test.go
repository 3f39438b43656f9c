package upstream

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"portico/gateway/policy"
)

// FuzzGRPCWeb: what was written in base64, in pieces that are padded each, is
// read as what it was, and anything else as the standard library reads its
// groups; an answer is its body with the trailers' frame behind it, in either
// form, however it is read.
func FuzzGRPCWeb(f *testing.F) {
	for _, s := range []string{"", "a", "\x00\x00\x00\x00\x02hi", "AAAAAAJoaQ==", "QQ==QUI=QUJD", "QQ==Q", "Q=Q=", "QQ\n=", strings.Repeat("x", 9000)} {
		f.Add([]byte(s), uint16(5), "0", true)
		f.Add([]byte(s), uint16(7000), "13", false)
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint16, status string, text bool) {
		pieces := 1 + int(size)
		got, err := io.ReadAll(iotest.OneByteReader(&unBase64{from: &few{bytes.NewReader(body), pieces}}))
		want, ok := groups(body)
		if (err == nil) != ok || ok && !bytes.Equal(got, want) {
			t.Fatalf("%q is read as %q, %v, want %q, %v", body, got, err, want, ok)
		}
		var written []byte
		for rest := body; len(rest) > 0; {
			n := min(pieces, len(rest))
			written, rest = base64.StdEncoding.AppendEncode(written, rest[:n]), rest[n:]
		}
		if got, err := io.ReadAll(&unBase64{from: &few{bytes.NewReader(written), pieces}}); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%q is read as %q, %v, want %q", written, got, err, body)
		}

		trailers, frame := &policy.Header{}, []byte(nil)
		if status != "" {
			trailers.Add("Grpc-Status", status)
			line := "grpc-status: " + status + "\r\n"
			frame = append(binary.BigEndian.AppendUint32([]byte{0x80}, uint32(len(line))), line...)
		}
		answer := &webBody{from: io.NopCloser(&few{bytes.NewReader(body), pieces}), trailer: trailers, text: text}
		got, err = io.ReadAll(&few{answer, pieces})
		if text && err == nil {
			got, ok = groups(got)
		}
		if err != nil || !ok && text || !bytes.Equal(got, append(bytes.Clone(body), frame...)) || len(trailers.Fields()) > 0 {
			t.Fatalf("%q with %q: got %q, %v", body, frame, got, err)
		}
	})
}

// few reads a few bytes at a time.
type few struct {
	io.Reader
	most int
}

func (f *few) Read(p []byte) (int, error) { return f.Reader.Read(p[:min(len(p), f.most)]) }

// groups reads base64 whose every group of four may be padded.
func groups(text []byte) (out []byte, ok bool) {
	for ; len(text) >= 4; text = text[4:] {
		b, err := base64.StdEncoding.DecodeString(string(text[:4]))
		if err != nil {
			return nil, false
		}
		out = append(out, b...)
	}
	return out, len(text) == 0
}
