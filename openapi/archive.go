package openapi

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"portico/openapi/tree"
)

// Archive is a document in several files: the one it begins in and those that
// it refers to. The names are paths with slashes, or absolute URLs of files
// that were fetched.
type Archive struct {
	Root  string
	Files map[string][]byte

	unreadable map[string]bool // found out when they were put together
}

// mostFiles is how many files a document may have, and an archive with it.
const mostFiles = 2000

// Fetch gets a file that a document refers to, by its absolute URL. It is
// asked for http and https alone and decides what may be reached.
type Fetch func(ctx context.Context, address string) ([]byte, error)

// Pack makes of an archive what Scan and Load read: the document alone where
// nothing in it leads to another file, else a zip of the files that are
// needed, the same bytes for the same files. A root of "" is found: the only
// document, or the only one that no folder holds deeper than the others. The
// files that are in what it made are named, the root first.
func Pack(ctx context.Context, a *Archive, fetch Fetch, limits Limits) (raw []byte, files []string, err error) {
	limits = limits.withDefaults()
	if a.Root == "" {
		if a.Root, err = a.findRoot(limits); err != nil {
			return nil, nil, err
		}
	}
	if _, ok := a.Files[a.Root]; !ok {
		return nil, nil, &Error{Code: ErrNoSuchFile, Message: fmt.Sprintf("There is no file %q; there are %s.", short(a.Root), list(a.names()))}
	}
	if err := a.gather(ctx, fetch, limits); err != nil {
		return nil, nil, err
	}
	files = append(files, a.Root)
	for _, name := range a.names() {
		if name != a.Root {
			files = append(files, name)
		}
	}
	if len(files) == 1 {
		return a.Files[a.Root], files, nil
	}
	raw, err = a.zip()
	return raw, files, err
}

// IsArchive reports whether raw is a zip archive.
func IsArchive(raw []byte) bool { return bytes.HasPrefix(raw, []byte("PK\x03\x04")) }

// ReadArchive reads the JSON and YAML files of a zip archive. It refuses, with
// an *Error that names the file, what no honest archive holds: names that lead
// out of it, links, and more than the limits allow when unpacked.
func ReadArchive(raw []byte, limits Limits) (*Archive, error) {
	limits = limits.withDefaults()
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, &Error{Code: ErrArchive, Message: "The zip archive cannot be read: " + strings.TrimPrefix(err.Error(), "zip: ") + "."}
	}
	if len(z.File) > mostFiles {
		return nil, &Error{Code: ErrArchive, Message: fmt.Sprintf("The archive has %d files; %d are allowed. Leave out what the document does not need.", len(z.File), mostFiles)}
	}
	a := &Archive{Files: make(map[string][]byte)}
	left := limits.MaxBytes
	for _, f := range z.File {
		if f.FileInfo().IsDir() || strings.HasPrefix(f.Name, "__MACOSX/") {
			continue
		}
		name, err := nameInArchive(f.Name)
		if err != nil {
			return nil, err
		}
		if !f.Mode().IsRegular() {
			return nil, &Error{Code: ErrArchive, Message: fmt.Sprintf("%s is a link, not a file. Put the file itself into the archive.", short(name)), File: name}
		}
		if !mayBeDocument(name) {
			continue
		}
		text, err := unpack(f, left)
		if errors.Is(err, errTooBig) {
			return nil, &Error{Code: ErrTooLarge, Message: fmt.Sprintf("The archive's files have more than %d bytes when unpacked, up to %s.", limits.MaxBytes, short(name)), File: name}
		}
		if err != nil {
			return nil, &Error{Code: ErrArchive, Message: fmt.Sprintf("%s cannot be unpacked: %s.", short(name), strings.TrimPrefix(err.Error(), "zip: ")), File: name}
		}
		if _, twice := a.Files[name]; twice {
			return nil, &Error{Code: ErrArchive, Message: fmt.Sprintf("%s is in the archive twice.", short(name)), File: name}
		}
		left -= len(text)
		a.Files[name] = text
	}
	if len(a.Files) == 0 {
		return nil, &Error{Code: ErrArchive, Message: "The archive holds no JSON or YAML file."}
	}
	if _, ok := a.Files[z.Comment]; ok {
		a.Root = z.Comment
	}
	return a, nil
}

// Single is a document as one file: raw itself, but for an archive, whose files
// are put together as JSON.
func Single(raw []byte) ([]byte, error) {
	if !IsArchive(raw) {
		return raw, nil
	}
	s := &source{limits: DefaultLimits(), found: newFindings(1)}
	if err := s.readArchive(raw); err != nil {
		return nil, err
	}
	return append(s.tree.Root().AppendJSON(nil, "  "), '\n'), nil
}

// Add puts a file of a folder into the archive, under the rules of ReadArchive.
// Files that can be no document are left out.
func (a *Archive) Add(name string, text []byte, limits Limits) error {
	limits = limits.withDefaults()
	clean, err := nameInArchive(name)
	if err != nil || !mayBeDocument(clean) {
		return err
	}
	if a.Files == nil {
		a.Files = make(map[string][]byte)
	}
	total := len(text)
	for _, have := range a.Files {
		total += len(have)
	}
	switch {
	case a.Files[clean] != nil:
		return &Error{Code: ErrArchive, Message: fmt.Sprintf("%s is there twice.", short(clean)), File: clean}
	case total > limits.MaxBytes:
		return &Error{Code: ErrTooLarge, Message: fmt.Sprintf("The files have more than %d bytes, up to %s.", limits.MaxBytes, short(clean)), File: clean}
	case len(a.Files) == mostFiles:
		return &Error{Code: ErrArchive, Message: fmt.Sprintf("There are more than %d files. Leave out what the document does not need.", mostFiles)}
	}
	a.Files[clean] = text
	return nil
}

// nameInArchive is a file's path inside an archive, in one way of writing it.
func nameInArchive(name string) (string, error) {
	if isAddress(name) { // a file that was fetched
		return name, nil
	}
	slashed := strings.ReplaceAll(name, `\`, "/")
	clean := path.Clean(slashed)
	if clean == "." || strings.HasPrefix(slashed, "/") || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains(strings.SplitN(slashed, "/", 2)[0], ":") || strings.ContainsRune(name, 0) {
		return "", &Error{Code: ErrArchive, Message: fmt.Sprintf("The name %q leads out of the archive.", short(name))}
	}
	return clean, nil
}

func mayBeDocument(name string) bool {
	if isAddress(name) {
		return true
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".json", ".yaml", ".yml":
		return !strings.HasPrefix(path.Base(name), ".")
	}
	return false
}

var errTooBig = errors.New("too big")

// unpack reads a file of at most so many bytes. It takes no more room than the
// file's header says; a file that has more is refused by the reader.
func unpack(f *zip.File, most int) ([]byte, error) {
	if f.UncompressedSize64 > uint64(most) {
		return nil, errTooBig
	}
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := make([]byte, f.UncompressedSize64)
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, err
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) { // and with it, whether the checksum is right
		return nil, zip.ErrFormat
	}
	return out, nil
}

// zip is the archive in a form that depends on nothing but its files. Its
// comment names the root.
func (a *Archive) zip() ([]byte, error) {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range a.names() {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)})
		if err == nil {
			_, err = w.Write(a.Files[name])
		}
		if err != nil {
			return nil, fmt.Errorf("pack %s: %w", name, err)
		}
	}
	err := z.SetComment(a.Root)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("pack: %w", err)
	}
	return out.Bytes(), nil
}

func (a *Archive) names() []string {
	out := make([]string, 0, len(a.Files))
	for name := range a.Files {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// versionField finds files that may be whole documents without parsing all.
var versionField = regexp.MustCompile(`(?m)(?:^|[{,])\s*["']?(?:openapi|swagger)["']?\s*:`)

// findRoot is the file where the document begins.
func (a *Archive) findRoot(limits Limits) (string, error) {
	var found []string
	var broken error // of the first that may be one and cannot be read
	for _, name := range a.names() {
		if !versionField.Match(a.Files[name]) {
			continue
		}
		t, err := parse(a.Files[name], name, limits)
		switch {
		case err != nil && broken == nil:
			broken = err
		case err == nil && (t.Root().Get("openapi").Exists() || t.Root().Get("swagger").Exists()):
			found = append(found, name)
		}
	}
	switch len(found) {
	case 0:
		if broken != nil {
			return "", broken
		}
		return "", &Error{Code: ErrNotOpenAPI, Message: fmt.Sprintf("None of the files is an OpenAPI document, which has a field \"openapi\" or \"swagger\": %s.", list(a.names()))}
	case 1:
		return found[0], nil
	}
	depth := func(name string) int { return strings.Count(name, "/") }
	slices.SortStableFunc(found, func(x, y string) int { return depth(x) - depth(y) })
	if depth(found[0]) < depth(found[1]) {
		return found[0], nil
	}
	return "", &Error{Code: ErrSeveralRoots, Message: fmt.Sprintf("%d of the files are OpenAPI documents. Say which one to import: %s.", len(found), list(found))}
}

// list writes names for a sentence.
func list(names []string) string {
	const most = 20
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// parse reads a file, whatever it is.
func parse(raw []byte, name string, limits Limits) (*tree.Tree, error) {
	text, err := decode(raw)
	if err == nil {
		var t *tree.Tree
		text = bytes.ToValidUTF8(text, []byte("\uFFFD"))
		if sniff(text) == JSON {
			t, err = tree.ParseJSON(text, limits.tree())
		} else {
			t, err = tree.ParseYAML(text, limits.tree())
		}
		if err == nil {
			return t.Named(name), nil
		}
	}
	var e *Error
	if !errors.As(err, &e) && !errors.As(fromTree(err), &e) {
		return nil, err
	}
	e.File = name
	return nil, e
}

// gather keeps the files that the root leads to, at any number of steps, and
// fetches those that are addresses. What cannot be had is left out: where it
// is referred to becomes a finding.
func (a *Archive) gather(ctx context.Context, fetch Fetch, limits Limits) error {
	needed := map[string]bool{a.Root: true}
	total := len(a.Files[a.Root])
	queue := []string{a.Root}
	missing := map[string]bool{}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		t, err := parse(a.Files[name], name, limits)
		if err != nil {
			if name == a.Root {
				return err
			}
			continue
		}
		for _, to := range leadsTo(t, name, limits) {
			if needed[to] || missing[to] {
				continue
			}
			text, ok := a.Files[to]
			if !ok && fetch != nil && isAddress(to) {
				if len(needed)+len(missing) > mostFetched {
					return &Error{Code: ErrTooLarge, Message: fmt.Sprintf("The document refers to more than %d other files. Bundle them, and import the bundle.", mostFetched), File: a.Root}
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				text, err = fetch(ctx, to)
				ok = err == nil
			}
			if !ok {
				missing[to] = true
				continue
			}
			if total += len(text); total > limits.MaxBytes {
				return &Error{Code: ErrTooLarge, Message: fmt.Sprintf("The document and the files that it refers to have more than %d bytes, up to %s.", limits.MaxBytes, short(to)), File: to}
			}
			needed[to] = true
			a.Files[to] = text
			queue = append(queue, to)
		}
	}
	for name := range a.Files {
		if !needed[name] {
			delete(a.Files, name)
		}
	}
	return nil
}

// mostFetched is how many files are fetched for one document.
const mostFetched = 200

// leadsTo are the files that the references of one lead to, each once.
func leadsTo(t *tree.Tree, name string, limits Limits) []string {
	r := &references{byText: map[string]tree.Node{}, inRing: map[int]bool{}}
	_ = (&walker{refs: r, most: limits.MaxSchemas}).object(t.Root()) // too many schemas are refused by the scan
	var out []string
	seen := map[string]bool{name: true, "": true}
	add := func(ref string) {
		if to, _ := locate(name, ref); !seen[to] {
			seen[to] = true
			out = append(out, to)
		}
	}
	for _, h := range r.holders {
		add(h.Get("$ref").String())
	}
	for _, m := range r.mappings {
		if text := m.String(); strings.ContainsAny(text, "./#") {
			add(text)
		}
	}
	return out
}

func isAddress(name string) bool {
	return strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://")
}

// locate is the file that a reference in a file leads to, and the JSON pointer
// in it; no file where it is not one that could be there.
func locate(from, ref string) (file, pointer string) {
	file, pointer, _ = strings.Cut(ref, "#")
	if file == "" {
		return from, pointer
	}
	u, err := url.Parse(file)
	if err != nil {
		return "", ""
	}
	if isAddress(from) {
		base, err := url.Parse(from)
		if err != nil {
			return "", ""
		}
		u = base.ResolveReference(u)
	}
	if u.IsAbs() || u.Host != "" {
		if u.Scheme != "http" && u.Scheme != "https" || u.User != nil {
			return "", ""
		}
		u.Fragment = ""
		return u.String(), pointer
	}
	if u.Path == "" {
		return "", ""
	}
	return strings.TrimPrefix(path.Clean(path.Join("/", path.Dir(from), u.Path)), "/"), pointer
}
