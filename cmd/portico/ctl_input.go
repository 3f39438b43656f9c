package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// moment is a time on the command line: a day, which begins at midnight UTC, or
// a time with its zone.
type moment struct{ at time.Time }

// UnmarshalText reads 2027-06-30 or 2027-06-30T12:00:00Z.
func (m *moment) UnmarshalText(text []byte) error {
	for _, layout := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(layout, string(text)); err == nil {
			m.at = at.UTC()
			return nil
		}
	}
	return fmt.Errorf("%q is neither a day like 2027-06-30 nor a time like 2027-06-30T12:00:00Z", text)
}

// span is a time that passes, on the command line: like 30m, 24h or 90d.
type span struct{ time.Duration }

// UnmarshalText reads what time.ParseDuration does, and whole days.
func (s *span) UnmarshalText(text []byte) (err error) {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= mostDays {
			s.Duration = time.Duration(n) * 24 * time.Hour
			return nil
		}
	}
	if s.Duration, err = time.ParseDuration(string(text)); err != nil {
		return fmt.Errorf("%q is not a time like 30m, 24h or 90d", text)
	}
	return nil
}

// mostDays is how many days fit into a time.Duration.
const mostDays = 100_000

// put sets a field of a request where something was given.
func put[T any](body map[string]any, name string, value *T) {
	if value != nil {
		body[name] = *value
	}
}

// putText sets a field of a request where a text is not empty.
func putText(body map[string]any, name, value string) {
	if value != "" {
		body[name] = value
	}
}

// putTime sets a field of a request where a time was given.
func putTime(body map[string]any, name string, m moment) {
	if !m.at.IsZero() {
		body[name] = m.at
	}
}

// putList sets a list: the one that was given, or none at all where that was
// asked for.
func putList(body map[string]any, name string, values []string, flag, noneFlag string, none bool) error {
	switch {
	case none && len(values) > 0:
		return usagef("--%s and --%s do not go together", flag, noneFlag)
	case none:
		body[name] = []string{}
	case len(values) > 0:
		body[name] = values
	}
	return nil
}

// milliseconds reads a span of time for a field that counts milliseconds.
func milliseconds(flag string, d time.Duration) (int64, error) {
	if d < 0 || d%time.Millisecond != 0 {
		return 0, usagef("--%s %s is not a whole number of milliseconds", flag, d)
	}
	return d.Milliseconds(), nil
}

// putSpan sets a field that counts milliseconds where a time was given.
func putSpan(body map[string]any, name, flag string, given *span) error {
	if given == nil {
		return nil
	}
	ms, err := milliseconds(flag, given.Duration)
	body[name] = ms
	return err
}

// parseLimits reads all of --limit.
func parseLimits(texts []string) ([]map[string]any, error) {
	limits := []map[string]any{}
	for _, text := range texts {
		limit, err := parseLimit(text)
		if err != nil {
			return nil, err
		}
		limits = append(limits, limit)
	}
	return limits, nil
}

// putLimits sets the rate limits: those that were given, or none at all.
func putLimits(body map[string]any, texts []string, none bool) error {
	if err := putList(body, "limits", texts, "limit", "no-limits", none); err != nil || len(texts) == 0 {
		return err
	}
	limits, err := parseLimits(texts)
	body["limits"] = limits
	return err
}

// longestSecret bounds what is read of a secret.
const longestSecret = 64 << 10

// readSecret reads a secret from standard input: what is typed, unseen, at a
// terminal, or all that is piped in but for the end of its last line.
func (io *ctlIO) readSecret(prompt string) (string, error) {
	text := []byte(nil)
	var err error
	if file, ok := io.terminal(); ok {
		fmt.Fprint(io.Err, prompt)
		text, err = term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(io.Err)
	} else {
		text, err = readAll(io.In)
	}
	if err != nil {
		return "", usagef("read the value: %s", err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if value == "" {
		return "", usagef("nothing came by standard input; pipe the value in, or type it at a terminal")
	}
	return value, nil
}

// readAll reads a secret, which may not be long.
func readAll(in io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(in, longestSecret+1))
	if err == nil && len(text) > longestSecret {
		return nil, fmt.Errorf("it is longer than %d bytes", longestSecret)
	}
	return text, err
}

// terminal returns standard input where somebody sits at it.
func (io *ctlIO) terminal() (*os.File, bool) {
	file, ok := io.In.(*os.File)
	return file, ok && term.IsTerminal(int(file.Fd()))
}

// confirm asks before something that is not easily taken back. Without an
// answer it is not done.
func (s *session) confirm(yes bool, format string, args ...any) error {
	if yes {
		return nil
	}
	fmt.Fprintf(s.io.Err, format+" [y/N] ", clean(args)...)
	line, err := bufio.NewReader(s.io.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err != nil {
		fmt.Fprintln(s.io.Err) // nobody ended the line
	}
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		return nil
	case "":
		return errors.New("nothing is done; answer y, or give --yes where nobody is there to ask")
	}
	return errors.New("nothing is done")
}
