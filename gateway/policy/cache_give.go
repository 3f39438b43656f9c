package policy

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"portico/gateway/cache"
)

// give writes a stored answer, or what the caller wants of it: nothing, where it
// has it already, or a range.
func (s *cacheStep) give(ex *Exchange, a *cache.Answer, status string) {
	c, out := &ex.cached, &ex.Answer
	c.mode = answered
	out.Status, out.Length = a.Status, int64(len(a.Body))
	body, from := a.Body, int64(0)
	if a.Status == http.StatusOK {
		switch {
		case has(a, &c.asked):
			out.Status, body = http.StatusNotModified, nil
		case c.asked.byteRange != "" && ex.Method == http.MethodGet && ranged(a, c.asked.ifRange):
			first, last, ok := byteRange(c.asked.byteRange, out.Length)
			switch {
			case !ok:
			case first > last:
				out.Status, body = http.StatusRequestedRangeNotSatisfiable, nil
			default:
				out.Status, from, body = http.StatusPartialContent, first, body[first:last+1]
			}
		}
	}
	for _, f := range a.Fields {
		if out.Status == http.StatusNotModified && len(f.Name) > 8 && FoldEqual(f.Name[:8], "Content-") && !FoldEqual(f.Name, "Content-Location") {
			continue
		}
		out.Header.Add(f.Name, f.Value)
	}
	switch out.Status {
	case http.StatusPartialContent:
		b := append(ex.Scratch(), "bytes "...)
		b = append(strconv.AppendInt(b, from, 10), '-')
		b = append(strconv.AppendInt(b, from+int64(len(body))-1, 10), '/')
		out.Header.Set("Content-Range", ex.Keep(strconv.AppendInt(b, out.Length, 10)))
	case http.StatusRequestedRangeNotSatisfiable:
		out.Header.Set("Content-Range", ex.Keep(strconv.AppendInt(append(ex.Scratch(), "bytes */"...), out.Length, 10)))
	}
	age := int64(a.Age(ex.Mono+(ex.Own+ex.Waited).Nanoseconds()) / time.Second)
	out.Header.Add("Age", ex.Keep(strconv.AppendInt(ex.Scratch(), age, 10)))
	out.Header.Add("Cache-Status", status)
	if ex.Method == http.MethodHead && out.Status != http.StatusNotModified {
		return
	}
	if out.Length = int64(len(body)); out.Length > 0 {
		c.reader = cache.NewReader(body)
		out.Body = &c.reader
	}
}

// has reports whether the caller has the answer already (RFC 9110 section 13.1).
func has(a *cache.Answer, q *asked) bool {
	if q.noneMatch != "" {
		return a.ETag != "" && inTags(q.noneMatch, a.ETag)
	}
	if q.modifiedSince == "" {
		return false
	}
	since, err := http.ParseTime(q.modifiedSince)
	return err == nil && !a.ModifiedTime.After(since)
}

// inTags reports whether a list of entity tags holds one, by weak comparison.
func inTags(list, etag string) bool {
	etag = strings.TrimPrefix(etag, "W/")
	for list != "" {
		list = strings.TrimLeft(list, " \t,")
		if strings.HasPrefix(list, "*") {
			return true
		}
		list = strings.TrimPrefix(list, "W/")
		if list == "" || list[0] != '"' {
			return list == etag // not quoted, as some upstreams have them
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if list[:end+2] == etag {
			return true
		}
		list = list[end+2:]
	}
	return false
}

// ranged reports whether If-Range lets a range be given.
func ranged(a *cache.Answer, ifRange string) bool {
	switch {
	case ifRange == "":
		return true
	case ifRange[0] == '"':
		return ifRange == a.ETag
	case strings.HasPrefix(ifRange, "W/"):
		return false
	}
	return a.Modified != "" && ifRange == a.Modified
}

// byteRange reads a range of one part; what is another is left unread, and the
// whole is given. One that cannot be satisfied has first after last.
func byteRange(s string, length int64) (first, last int64, ok bool) {
	const unit = "bytes="
	if len(s) <= len(unit) || !FoldEqual(s[:len(unit)], unit) {
		return 0, 0, false
	}
	from, to, found := strings.Cut(strings.Trim(s[len(unit):], " \t"), "-")
	if !found {
		return 0, 0, false
	}
	end, err := strconv.ParseUint(to, 10, 62)
	switch {
	case from == "" && err == nil: // the last bytes
		if end == 0 {
			return 1, 0, true
		}
		if length == 0 {
			return 1, 0, true
		}
		return max(length-int64(end), 0), length - 1, true
	case to == "":
		end = 1 << 61
	case err != nil:
		return 0, 0, false
	}
	start, err := strconv.ParseUint(from, 10, 62)
	if err != nil || start > end {
		return 0, 0, false
	}
	if int64(start) >= length {
		return 1, 0, true
	}
	return int64(start), min(int64(end), length-1), true
}
