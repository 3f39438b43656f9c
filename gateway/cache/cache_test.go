package cache_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"portico/gateway/cache"
)

func answer(body int) *cache.Answer { return &cache.Answer{Status: 200, Body: make([]byte, body)} }

// put stores an answer as a filling does.
func put(s *cache.Store, key string, a *cache.Answer) bool {
	n := int64(cap(a.Body))
	if !s.Reserve(n) {
		return false
	}
	s.Put(key, strings.IndexByte(key, '|'), a, n)
	return true
}

func get(s *cache.Store, key string) []*cache.Answer {
	got, _ := s.Get(key, strings.IndexByte(key, '|'))
	return got
}

// TestStoreNeverTakesMoreThanItMay draws what happens to a store, and holds its
// count against what it holds.
func TestStoreNeverTakesMoreThanItMay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := cache.New(64 << 10)
		defer s.Close()
		reserved := int64(0)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			key := fmt.Sprintf("a%d|%d", rapid.IntRange(0, 9).Draw(t, "address"), rapid.IntRange(0, 9).Draw(t, "key"))
			at := strings.IndexByte(key, '|')
			switch rapid.IntRange(0, 6).Draw(t, "what") {
			case 0, 1, 2:
				a := answer(rapid.IntRange(0, 20<<10).Draw(t, "bytes"))
				a.Vary = []cache.Field{{Name: "a", Value: fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "vary"))}}
				put(s, key, a)
			case 3:
				for _, a := range get(s, key) {
					s.Drop(key, at, a)
					break
				}
			case 4:
				s.Forget(key[:at])
				if len(get(s, key)) > 0 {
					t.Fatal("what was forgotten is there")
				}
			case 5:
				s.Pass(key, at, 1)
			case 6:
				if n := rapid.Int64Range(0, 8<<10).Draw(t, "reserve"); reserved+n < 32<<10 && s.Reserve(n) {
					reserved += n
				}
			}
			if s.Bytes() > s.Max() {
				t.Fatalf("takes %d of %d bytes", s.Bytes(), s.Max())
			}
		}
		s.Release(reserved)
		s.Purge("", func(*cache.Answer) bool { return true })
		if s.Bytes() != 0 {
			t.Fatalf("empty, it takes %d bytes", s.Bytes())
		}
	})
}

func TestWhatIsUsedIsKeptLonger(t *testing.T) {
	s := cache.New(64 << 10)
	defer s.Close()
	put(s, "used|", answer(1000))
	for n := range 1000 {
		if len(get(s, "used|")) == 0 {
			t.Fatalf("what is used all the time was evicted after %d others", n)
		}
		put(s, fmt.Sprintf("other%d|", n), answer(1000))
	}
	if len(get(s, "other0|")) > 0 {
		t.Error("what was never used is there still")
	}
}

func TestAnswerUnderWayIsNotStoredAfterAPurge(t *testing.T) {
	for name, forget := range map[string]func(*cache.Store){
		"of the address": func(s *cache.Store) { s.Forget("a|") },
		"of all":         func(s *cache.Store) { s.Purge("a", func(*cache.Answer) bool { return true }) },
		"of another":     func(s *cache.Store) { s.Forget("b|") },
	} {
		s := cache.New(1 << 20)
		for _, begin := range []func(string, int) *cache.Flight{s.Alone, func(k string, at int) *cache.Flight { f, _ := s.Join(k, at); return f }} {
			f := &cache.Filling{Source: io.NopCloser(strings.NewReader("text")), Store: s, Flight: begin("a|1", 2), Answer: &cache.Answer{Status: 200}, Length: -1, Limit: 100, Refused: func() bool { return false }}
			forget(s)
			if text, err := io.ReadAll(f); err != nil || string(text) != "text" {
				t.Fatalf("got %q, %v", text, err)
			}
			got, _ := s.Get("a|1", 2)
			if stored := len(got) > 0; stored != (name == "of another") {
				t.Errorf("%s: stored %v", name, stored)
			}
			s.Purge("", func(*cache.Answer) bool { return true })
			if s.Bytes() != 0 {
				t.Errorf("%s: %d bytes are left", name, s.Bytes())
			}
		}
		s.Close()
	}
}

func TestPurgeTakesWhatMatches(t *testing.T) {
	s := cache.New(1 << 20)
	defer s.Close()
	tagged, plain := answer(1), answer(1)
	tagged.Tags, tagged.Vary = []string{"red"}, []cache.Field{{Name: "a", Value: "1"}}
	put(s, "v1a|1", tagged)
	put(s, "v1a|1", plain)
	put(s, "v2a|1", tagged)
	red := func(a *cache.Answer) bool { return len(a.Tags) > 0 }
	if n := s.Purge("v1", red); n != 1 {
		t.Errorf("purged %d, want 1", n)
	}
	if got := get(s, "v1a|1"); len(got) != 1 || got[0] != plain || len(get(s, "v2a|1")) != 1 {
		t.Errorf("left: %v", got)
	}
}

func TestManyAtOnce(t *testing.T) {
	s := cache.New(256 << 10)
	var group sync.WaitGroup
	for w := range 8 {
		group.Go(func() {
			for n := range 2000 {
				key := fmt.Sprintf("a%d|%d", n%7, n%50)
				switch (n + w) % 5 {
				case 0:
					s.Forget(key[:2])
				case 1:
					f, leads := s.Join(key, 2)
					if leads {
						f.End()
					} else {
						f.Wait(context.Background(), time.Second)
					}
				case 2:
					put(s, key, answer(n))
				default:
					get(s, key)
				}
			}
		})
	}
	group.Wait()
	s.Close()
	s.Purge("", func(*cache.Answer) bool { return true })
	if s.Bytes() != 0 || s.Refresh(func(context.Context) {}) {
		t.Errorf("%d bytes are left", s.Bytes())
	}
}

func TestControlIsReadStrictly(t *testing.T) {
	for _, c := range []struct {
		value   string
		age     time.Duration
		noStore bool
	}{
		{"max-age=5", 5 * time.Second, false},
		{" ,, MAX-AGE = 5 ,No-Store", 5 * time.Second, true},
		{`max-age="5"`, 5 * time.Second, false},
		{"max-age=5, max-age=3", 3 * time.Second, false},
		{"max-age", 0, false},
		{"max-age=", 0, false},
		{"max-age=-1", 0, false},
		{"max-age=1.5", 0, false},
		{`max-age="5`, 0, false},
		{"max-age=99999999999999999999", (1<<31 - 1) * time.Second, false},
		{`a="no-store, max-age=5"`, cache.Unsaid, false},
		{`a="\", no-store", max-age=5`, 5 * time.Second, false},
		{"", cache.Unsaid, false},
	} {
		got := cache.NewControl()
		got.Add(c.value)
		if got.MaxAge != c.age || got.NoStore != c.noStore {
			t.Errorf("%q: got max-age %v, no-store %v", c.value, got.MaxAge, got.NoStore)
		}
	}
}

// FuzzControl: whatever stands behind or in another field, what was said before
// holds; and directives in one field are what they are in fields of their own.
func FuzzControl(f *testing.F) {
	for _, s := range []string{"max-age=5", `a="b`, `="`, ",=,", `a="\`, "Max-Age = 5 , private=\"a, b\",s-maxage=x,max-stale"} {
		f.Add(s)
	}
	control := func(values ...string) cache.Control {
		c := cache.NewControl()
		for _, v := range values {
			c.Add(v)
		}
		return c
	}
	f.Fuzz(func(t *testing.T, s string) {
		before, after := control("no-store, private, max-age=5, s-maxage=5, "+s), control(s, "no-store,private , max-age=5,s-maxage=5")
		for _, c := range []cache.Control{before, after} {
			if !c.NoStore || !c.Private || c.MaxAge < 0 || c.MaxAge > 5*time.Second || c.SMaxAge < 0 || c.SMaxAge > 5*time.Second {
				t.Fatalf("%q makes it %+v", s, c)
			}
		}
		if before != after {
			t.Fatalf("%q: in one field %+v, in two %+v", s, before, after)
		}
		if !strings.Contains(s, `"`) && control(s) != control(strings.Split(s, ",")...) {
			t.Fatalf("%q: %+v", s, control(s))
		}
	})
}
