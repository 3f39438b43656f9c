package manager

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"portico/internal/apim"
	"portico/internal/egress"
	"portico/openapi"
)

// fetchTimeout bounds getting a document by URL, with all that it leads to.
const fetchTimeout = 60 * time.Second

// taken is an upload that is in: what is stored of it, and where it came from.
type taken struct {
	raw    []byte
	files  []string // several, where raw is an archive of them; the root first
	source string   // for people: a file name or an address
	base   string   // the address that relative ones start from; "" for none (RFC 3986, 5.1.3)
}

// take reads an upload whole, bounded in size and time, and leaves of several
// files those that the document needs.
func (c *Catalog) take(ctx context.Context, up Upload) (taken, error) {
	switch {
	case up.Folder != nil:
		return takeFiles(ctx, up)
	case up.URL != "":
		return c.takeURL(ctx, up)
	case up.Body == nil:
		return taken{}, invalid("document", "required", "send a document or the address of one")
	}
	raw, err := readUpload(up.Body)
	if err != nil {
		return taken{}, err
	}
	return takeOne(ctx, up.FileName, raw, up.Root)
}

// takeOne takes a file that holds the document, or all files of it.
func takeOne(ctx context.Context, name string, raw []byte, root string) (taken, error) {
	out := taken{raw: raw}
	if name != "" {
		out.source = path.Base(strings.ReplaceAll(name, `\`, "/"))
	}
	if !openapi.IsArchive(raw) {
		if root != "" && root != name {
			return taken{}, invalid("root", "one_file", "means nothing for a document in one file")
		}
		return out, nil
	}
	archive, err := openapi.ReadArchive(raw, openapi.Limits{})
	if err != nil {
		return taken{}, refusedDocument(err)
	}
	if root != "" {
		archive.Root = root
	}
	out.source += " › "
	return pack(ctx, out, archive, nil)
}

// takeURL fetches a document and what it leads to.
func (c *Catalog) takeURL(ctx context.Context, up Upload) (taken, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	res, err := c.open(ctx, up.URL)
	if err != nil {
		return taken{}, err
	}
	defer res.Body.Close()
	found := *res.Request.URL                                // after redirects
	found.User, found.RawQuery, found.Fragment = nil, "", "" // where links keep their tokens
	raw, err := readUpload(res.Body)
	if err != nil {
		return taken{}, err
	}
	if openapi.IsArchive(raw) {
		return takeOne(ctx, path.Base(found.Path), raw, up.Root)
	}
	if up.Root != "" {
		return taken{}, invalid("root", "one_file", "means nothing for a document that is fetched by its address")
	}
	out := taken{source: found.String(), base: found.String()}
	return pack(ctx, out, &openapi.Archive{Root: out.base, Files: map[string][]byte{out.base: raw}}, c.fetch)
}

// takeFiles takes the files of a folder. One that is alone is taken as it is.
func takeFiles(ctx context.Context, up Upload) (taken, error) {
	archive := &openapi.Archive{Root: up.Root}
	left := int64(MaxDocumentBytes)
	var firstName string
	var first []byte
	for n := 0; ; n++ {
		name, body, err := up.Folder()
		if errors.Is(err, io.EOF) {
			if n == 1 {
				return takeOne(ctx, firstName, first, up.Root)
			}
			break
		}
		if err != nil {
			return taken{}, err
		}
		raw, err := readWhole(body, left)
		if err != nil {
			return taken{}, unreadable(err, short(name)+" broke off")
		}
		left -= int64(len(raw))
		if n == 0 {
			firstName, first = name, raw
		}
		if err := archive.Add(name, raw, openapi.Limits{}); err != nil && n > 0 {
			return taken{}, refusedDocument(err)
		}
		if n == 1 { // so the first has to be one of several as well
			if err := (&openapi.Archive{}).Add(firstName, first, openapi.Limits{}); err != nil {
				return taken{}, refusedDocument(err)
			}
			first = nil
		}
	}
	if len(archive.Files) == 0 {
		return taken{}, invalid("file", "required", "choose the document, or a folder with JSON or YAML files")
	}
	return pack(ctx, taken{}, archive, nil)
}

// pack makes of files what is stored. With fetch they may lead to addresses.
func pack(ctx context.Context, out taken, archive *openapi.Archive, fetch openapi.Fetch) (taken, error) {
	raw, files, err := openapi.Pack(ctx, archive, fetch, openapi.Limits{})
	var refused *openapi.Error
	if errors.As(err, &refused) && (refused.Code == openapi.ErrSeveralRoots || refused.Code == openapi.ErrNoSuchFile) {
		return taken{}, &apim.Error{
			Kind: apim.Invalid, Code: refused.Code, Message: "which of the files to import is not clear",
			Fields: []apim.FieldError{{Field: "root", Code: refused.Code, Detail: refused.Message}},
		}
	}
	if refused != nil && len(archive.Files) == 1 {
		refused.File = "" // there is but one
	}
	if err != nil {
		return taken{}, refusedDocument(err)
	}
	out.raw, out.files = raw, files
	if out.base == "" {
		out.source += archive.Root
	}
	return out, nil
}

// open asks for a document by its address.
func (c *Catalog) open(ctx context.Context, at string) (*http.Response, error) {
	address, err := url.Parse(at)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" || address.User != nil {
		return nil, invalid("url", "url", "use an address that begins with http:// or https:// and holds no password")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, invalid("url", "url", "this is not an address that can be fetched")
	}
	req.Header.Set("Accept", "application/json, application/yaml, text/yaml, */*;q=0.1")
	res, err := c.Fetch.Do(req)
	if err != nil {
		var whole *url.Error // names the address with its query
		if errors.As(err, &whole) {
			err = whole.Err
		}
		c.Log.WarnContext(ctx, "document not fetched", "host", address.Host, "err", err)
		return nil, invalid("url", "unreachable", "the address did not answer, or may not be fetched from here; download the document and upload the file")
	}
	if res.StatusCode != http.StatusOK {
		res.Body.Close()
		return nil, invalid("url", "status", "the address answered %s; a document was expected", res.Status)
	}
	return res, nil
}

// fetch gets a file that a document leads to.
func (c *Catalog) fetch(ctx context.Context, address string) ([]byte, error) {
	res, err := c.open(ctx, address)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return readUpload(res.Body)
}

func readUpload(body io.Reader) ([]byte, error) {
	raw, err := readWhole(body, MaxDocumentBytes)
	if err != nil {
		return nil, unreadable(err, "the document broke off")
	}
	return raw, nil
}

// unreadable is the refusal of what did not come in whole.
func unreadable(err error, what string) error {
	if errors.Is(err, errTooLong) || errors.Is(err, egress.ErrTooLarge) {
		return tooLargeDocument()
	}
	return invalid("document", "unreadable", "%s: %s", what, err)
}

func tooLargeDocument() error {
	return &apim.Error{
		Kind: apim.TooLarge, Code: "document_too_large",
		Message: fmt.Sprintf("the document is larger than %d MiB; split it into several APIs", MaxDocumentBytes>>20),
	}
}

var errTooLong = errors.New("longer than allowed")

// readWhole reads at most so many bytes. What is long waits in a file until it
// is known to be whole and not too long, so that memory holds it once.
func readWhole(r io.Reader, most int64) ([]byte, error) {
	const inMemory = 1 << 20
	var head bytes.Buffer
	if n, err := io.CopyN(&head, r, inMemory); errors.Is(err, io.EOF) {
		if n > most {
			return nil, errTooLong
		}
		return head.Bytes(), nil
	} else if err != nil {
		return nil, err
	}
	file, err := os.CreateTemp("", "portico-import-*")
	if err != nil {
		return nil, fmt.Errorf("keep a document while it comes in: %w", err)
	}
	defer file.Close()
	defer func() { _ = os.Remove(file.Name()) }() // nothing is left to do about it
	total, err := io.Copy(file, io.MultiReader(&head, io.LimitReader(r, max(0, most+1-inMemory))))
	if err != nil {
		return nil, err
	}
	if total > most {
		return nil, errTooLong
	}
	raw := make([]byte, total)
	if _, err := file.ReadAt(raw, 0); err != nil {
		return nil, fmt.Errorf("read a document that came in: %w", err)
	}
	return raw, nil
}
