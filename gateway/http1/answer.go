package http1

import (
	"bytes"
	"strings"
	"unsafe"
)

// The limits of an answer's head.
const (
	MaxAnswerHeadBytes = 256 << 10
	MaxAnswerFields    = 1000
)

// Lengths of a body that has none written.
const (
	Chunked    = int64(-1) // RFC 9112 section 7.1
	UntilClose = int64(-2) // the end of the connection ends it
)

// AnswerHead is the head of an upstream's answer. Its strings are views into
// the bytes that Parse was given.
type AnswerHead struct {
	Status int
	Fields []Field // its memory is used again by the next Parse
	Length int64   // of the body: in bytes, Chunked or UntilClose
	Said   int64   // what Content-Length says, -1 for nothing: of a body that a HEAD would have
	Close  bool    // the connection ends with this answer
}

// Parse reads a whole head, its blank line included. It is as strict as it must
// be where two readers could see different answers, and accepts lines that end
// with LF alone (RFC 9112 section 2.2). method is the request's.
func (a *AnswerHead) Parse(b []byte, method string) *Error {
	a.Fields, a.Length, a.Said, a.Close = a.Fields[:0], UntilClose, -1, false
	line, rest, err := answerLine(b)
	if err != nil {
		return err
	}
	minor, err := a.statusLine(line)
	if err != nil {
		return err
	}
	framing := answerFraming{keeps: minor == 1, old: minor == 0}
	for {
		if line, rest, err = answerLine(rest); err != nil {
			return err
		}
		if line == "" {
			break
		}
		if len(a.Fields) == MaxAnswerFields {
			return bad("The answer has more than 1000 header fields.")
		}
		f, err := ParseField(line)
		if err != nil {
			return err
		}
		a.Fields = append(a.Fields, f)
		if err := framing.field(f); err != nil {
			return err
		}
	}
	return a.frame(&framing, method)
}

func answerLine(b []byte) (line string, rest []byte, err *Error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		return "", nil, bad("The answer's head is not complete.")
	}
	end := i
	if end > 0 && b[end-1] == '\r' {
		end--
	}
	return unsafe.String(unsafe.SliceData(b), end), b[i+1:], nil
}

func (a *AnswerHead) statusLine(line string) (minor int, err *Error) {
	const form = "HTTP/1.1 200"
	if len(line) < len(form) || line[:7] != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > len(form) && line[len(form)] != ' ' {
		return 0, bad("The answer does not begin with HTTP/1.1 and a status.")
	}
	a.Status = 0
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return 0, bad("The answer's status is not a number.")
		}
		a.Status = a.Status*10 + int(c-'0')
	}
	return int(line[7] - '0'), nil
}

// answerFraming collects the fields that decide where an answer ends.
type answerFraming struct {
	length  string
	lengths int
	options int // in Connection
	chunked bool
	coded   bool // a transfer coding that is not chunked alone
	old     bool // HTTP/1.0
	keeps   bool
	closes  bool
}

func (r *answerFraming) field(f Field) *Error {
	switch len(f.Name) {
	case 10:
		if fold(f.Name, "Connection") {
			for option := range strings.SplitSeq(f.Value, ",") {
				if r.options++; r.options > MaxFields {
					return bad("The answer's Connection names more than 100 fields.")
				}
				option = strings.Trim(option, " \t")
				r.closes = r.closes || fold(option, "close")
				r.keeps = r.keeps || fold(option, "keep-alive")
			}
		}
	case 14:
		if fold(f.Name, "Content-Length") {
			if r.lengths++; r.lengths > 1 && r.length != f.Value {
				return bad("The answer has two different headers Content-Length.")
			}
			r.length = f.Value
		}
	case 17:
		if fold(f.Name, "Transfer-Encoding") {
			r.coded = r.coded || r.chunked || !fold(f.Value, "chunked")
			r.chunked = true
		}
	}
	return nil
}

// frame decides where the body ends (RFC 9112 section 6.3).
func (a *AnswerHead) frame(r *answerFraming, method string) *Error {
	a.Close = r.closes || !r.keeps
	if r.lengths > 0 {
		if a.Said = number(r.length); a.Said < 0 {
			return bad("The answer's Content-Length is not a number of bytes.")
		}
	}
	switch {
	case r.coded:
		return bad("The answer has a transfer coding other than chunked.")
	case r.chunked && r.old: // RFC 9112 section 6.1; some read the chunks as the body
		return bad("The answer is of HTTP/1.0, which knows no Transfer-Encoding.")
	case r.chunked && r.lengths > 0:
		return bad("The answer has both Content-Length and Transfer-Encoding.")
	case method == "HEAD", a.Status < 200, a.Status == 204, a.Status == 304:
		a.Length = 0
	case r.chunked:
		a.Length = Chunked
	case r.lengths > 0:
		a.Length = a.Said
	default:
		a.Close = true
	}
	return nil
}

func number(s string) int64 {
	if s == "" || len(s) > 18 {
		return -1
	}
	n := int64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return -1
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n
}

// EndOfAnswerHead finds the byte after a head's blank line, 0 when it is not
// there yet. Bytes before from were searched already.
func EndOfAnswerHead(b []byte, from int) int {
	for i := max(from-2, 0); ; {
		j := bytes.IndexByte(b[i:], '\n')
		if j < 0 {
			return 0
		}
		i += j + 1
		switch {
		case i < len(b) && b[i] == '\n':
			return i + 1
		case i+1 < len(b) && b[i] == '\r' && b[i+1] == '\n':
			return i + 2
		}
	}
}
