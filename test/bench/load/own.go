package load

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Own is our loader, in a process of its own: what it computes must not be
// taken for anybody else's, nor wait for a collection of the caller's garbage.
type Own struct {
	Program string   // that calls Worker
	Args    []string // that make it do so
}

// Name implements Loader.
func (Own) Name() string { return "our loader" }

// Do implements Loader.
func (o Own) Do(ctx context.Context, j Job) (Result, error) {
	raw, err := json.Marshal(j)
	if err != nil {
		return Result{}, err
	}
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, o.Program, o.Args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(raw), &out, &errs
	if err := cmd.Run(); err != nil {
		return Result{}, fmt.Errorf("our loader: %w\n%s", err, errs.String())
	}
	var r Result
	return r, json.Unmarshal(out.Bytes(), &r)
}

// Hold makes one call on each of a job's connections, in a process of its own,
// and keeps them open until what it returns is closed.
func (o Own) Hold(ctx context.Context, j Job) (io.Closer, error) {
	raw, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, o.Program, append(slices.Clone(o.Args), "hold")...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	h := &holding{cmd, in}
	if _, err := in.Write(append(raw, '\n')); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("the connections were not opened: %w", err), h.Close())
	}
	return h, nil
}

type holding struct {
	cmd *exec.Cmd
	in  io.Closer
}

// Close ends the connections.
func (h *holding) Close() error {
	_ = h.in.Close() // which it ends by
	return h.cmd.Wait()
}

// Holder reads a job, opens its connections, makes a call on each, writes a
// line, and keeps them until the input ends.
func Holder(in io.Reader, out io.Writer) error {
	var j Job
	lines := bufio.NewReader(in)
	raw, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	request := j.Calls[0].wire(j.Address)
	for i := range j.Connections {
		c, err := net.Dial("tcp", j.Address)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		defer c.Close()
		if j.TLS {
			c = tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: hostOf(j.Address), NextProtos: []string{"http/1.1"}})
		}
		if _, err := c.Write(request); err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		l := &line{conn: c, buf: make([]byte, 64<<10)}
		if status, err := l.answer(); err != nil || status != http.StatusOK {
			return fmt.Errorf("connection %d: %d %w", i, status, err)
		}
	}
	fmt.Fprintln(out, "open")
	_, err = io.Copy(io.Discard, lines)
	return err
}

// Worker reads a job, does it in this process, and writes the result.
func Worker(in io.Reader, out io.Writer) error {
	var j Job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	do := here
	if j.HTTP2 {
		do = here2
	}
	r, err := do(j)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

// here makes the next call on a connection when the last is answered; a rate is
// kept by paced. It has a thread for each connection, which reads in the kernel:
// the runtime's poller would add what it takes to the times. So each thread needs
// a processor of the runtime's to itself.
func here(j Job) (Result, error) {
	requests := make([][]byte, len(j.Calls))
	for i, c := range j.Calls {
		requests[i] = c.wire(j.Address)
	}
	if j.Rate > 0 {
		return paced(j, requests)
	}
	runtime.GOMAXPROCS(j.Connections + 4)
	debug.SetGCPercent(-1)
	lines := make([]*line, j.Connections)
	for i := range lines {
		l, err := open(j)
		if err != nil {
			return Result{}, err
		}
		defer l.conn.Close()
		lines[i] = l
		// The first call of a connection costs everybody more, and is not counted.
		if _, err := l.conn.Write(requests[i%len(requests)]); err != nil {
			return Result{}, err
		}
		if _, err := l.answer(); err != nil {
			return Result{}, err
		}
	}
	began := time.Now()
	var all sync.WaitGroup
	for i, l := range lines {
		all.Go(func() {
			runtime.LockOSThread()
			l.drive(requests, i, len(lines), began.Add(j.For))
		})
	}
	all.Wait()
	r := Result{Took: time.Since(began)}
	var times []time.Duration
	for _, l := range lines {
		times = append(times, l.times...)
		r.Failed += l.failed
		if l.err != nil {
			r.Failed++
		}
	}
	r.Answered = int64(len(times))
	r.P50, r.P99 = Quantile(times, 0.50), Quantile(times, 0.99)
	if r.Answered == 0 {
		return r, errors.Join(errors.New("no call was answered"), lines[0].err)
	}
	return r, nil
}

// line is one connection.
type line struct {
	conn   net.Conn
	buf    []byte
	times  []time.Duration
	failed int64
	err    error // that ended it early
}

// blocking is a connection that reads and writes by blocking system calls.
type blocking struct {
	net.Conn
	file *os.File
}

func (b *blocking) Read(p []byte) (int, error) {
	n, err := again(func() (int, error) { return syscall.Read(int(b.file.Fd()), p) })
	if n == 0 && err == nil {
		err = io.EOF
	}
	return max(n, 0), err
}

func (b *blocking) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		n, err := again(func() (int, error) { return syscall.Write(int(b.file.Fd()), p[sent:]) })
		if err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// Close implements net.Conn.
func (b *blocking) Close() error { return errors.Join(b.file.Close(), b.Conn.Close()) }

func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if !errors.Is(err, syscall.EINTR) {
			return n, err
		}
	}
}

func open(j Job) (*line, error) {
	c, err := net.Dial("tcp", j.Address)
	if err != nil {
		return nil, err
	}
	file, err := c.(*net.TCPConn).File() // a copy; Fd makes it a blocking one
	if err != nil {
		return nil, err
	}
	l := &line{conn: &blocking{c, file}, buf: make([]byte, 64<<10), times: make([]time.Duration, 0, 1<<16)}
	if j.TLS {
		over := tls.Client(l.conn, &tls.Config{InsecureSkipVerify: true, ServerName: hostOf(j.Address), NextProtos: []string{"http/1.1"}})
		if err := over.Handshake(); err != nil {
			return nil, err
		}
		l.conn = over
	}
	return l, nil
}

func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return host
}

// wire is a call as it is sent.
func (c Call) wire(host string) []byte {
	method := c.Method
	if method == "" {
		method = http.MethodGet
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, c.Path, host)
	if c.Key != "" {
		fmt.Fprintf(&b, "X-API-Key: %s\r\n", c.Key)
	}
	if c.Body > 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", c.Body)
	}
	b.WriteString("\r\n")
	b.WriteString(strings.Repeat("x", c.Body))
	return b.Bytes()
}

// drive makes the calls of connection number first of so many, until end.
func (l *line) drive(requests [][]byte, first, of int, end time.Time) {
	for at := first; ; at += of {
		from := time.Now()
		if !from.Before(end) {
			return
		}
		if _, l.err = l.conn.Write(requests[at%len(requests)]); l.err != nil {
			return
		}
		var status int
		if status, l.err = l.answer(); l.err != nil {
			return
		}
		l.times = append(l.times, time.Since(from))
		if status/100 != 2 {
			l.failed++
		}
	}
}

var errNoLength = errors.New("an answer without a length")

// answer reads an answer to its end.
func (l *line) answer() (status int, err error) {
	have, left := 0, -1
	for left < 0 {
		if have == len(l.buf) {
			return 0, errLargeHead
		}
		n, err := l.conn.Read(l.buf[have:])
		if err != nil {
			return 0, err
		}
		have += n
		if status, left, err = begun(l.buf[:have]); err != nil {
			return status, err
		}
	}
	for left > 0 {
		n, err := l.conn.Read(l.buf)
		if err != nil {
			return status, err
		}
		left -= n
	}
	return status, nil
}

var errLargeHead = errors.New("an answer's head of more than 64 KB")

// begun reads the head of an answer that has come so far, and says how many bytes of
// its body are still to come: -1 while the head is not whole.
func begun(got []byte) (status, left int, err error) {
	end := bytes.Index(got, []byte("\r\n\r\n"))
	if end < 0 {
		return 0, -1, nil
	}
	head := got[:end+2]
	if len(head) < 12 {
		return 0, -1, fmt.Errorf("no status line: %q", head)
	}
	if status, err = strconv.Atoi(string(head[9:12])); err != nil {
		return 0, -1, fmt.Errorf("no status line: %q", head)
	}
	length, err := lengthOf(head)
	if err != nil {
		return status, -1, err
	}
	if left = length - (len(got) - end - 4); left < 0 {
		return status, -1, fmt.Errorf("%d bytes more than the %d that were announced", -left, length)
	}
	return status, left, nil
}

// lengthOf finds the length in an answer's head.
func lengthOf(head []byte) (int, error) {
	const name = "content-length:"
	for len(head) > 0 {
		var one []byte
		one, head, _ = bytes.Cut(head, []byte("\r\n"))
		if len(one) > len(name) && bytes.EqualFold(one[:len(name)], []byte(name)) {
			return strconv.Atoi(string(bytes.TrimSpace(one[len(name):])))
		}
	}
	return 0, errNoLength
}

// here2 does an HTTP/2 job with the standard library's client, as fast as calls
// are answered.
func here2(j Job) (Result, error) {
	if j.Rate > 0 {
		return Result{}, errors.New("our loader keeps to a rate over HTTP/1.1 only")
	}
	var mu sync.Mutex // guards r and times
	var r Result
	var times []time.Duration
	began := time.Now()
	var all sync.WaitGroup
	for range j.Connections {
		protocols := new(http.Protocols)
		protocols.SetUnencryptedHTTP2(true)
		protocols.SetHTTP2(true)
		transport := &http.Transport{Protocols: protocols, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		defer transport.CloseIdleConnections()
		for range max(1, j.Streams) {
			all.Go(func() {
				var own []time.Duration
				failed := int64(0)
				for at := 0; time.Since(began) < j.For; at++ {
					took, err := call2(transport, j, j.Calls[at%len(j.Calls)])
					if err != nil {
						failed++
						continue
					}
					own = append(own, took)
				}
				mu.Lock()
				defer mu.Unlock()
				times = append(times, own...)
				r.Failed += failed
			})
		}
	}
	all.Wait()
	r.Answered, r.Took = int64(len(times)), time.Since(began)
	r.P50, r.P99 = Quantile(times, 0.50), Quantile(times, 0.99)
	return r, nil
}

func call2(transport *http.Transport, j Job, c Call) (time.Duration, error) {
	began := time.Now()
	req, err := http.NewRequest(c.Method, j.url(c.Path), strings.NewReader(strings.Repeat("x", c.Body)))
	if err != nil {
		return 0, err
	}
	if c.Key != "" {
		req.Header.Set("X-API-Key", c.Key)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	if res.StatusCode/100 != 2 {
		return 0, fmt.Errorf("answered %d", res.StatusCode)
	}
	return time.Since(began), nil
}
