package portal

import (
	"bytes"
	"html"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// maxMarkdownBytes bounds what one description may cost to render.
const maxMarkdownBytes = 64 << 10

// A markdown turns what providers write into HTML that can do nothing: raw
// HTML is dropped by goldmark and whatever came through is filtered again by
// bluemonday. Links lead to http, https and mailto addresses only, images
// become links, and headings begin at h3, below the page's own. It is safe for
// concurrent use.
type markdown struct {
	converter goldmark.Markdown
	policy    *bluemonday.Policy
	nothing   *bluemonday.Policy // allows no element
}

func newMarkdown() *markdown {
	policy := bluemonday.NewPolicy()
	policy.AllowElements("p", "br", "hr", "em", "strong", "del", "code", "pre", "blockquote",
		"ul", "ol", "li", "h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td")
	policy.AllowAttrs("href").OnElements("a")
	policy.AllowURLSchemes("http", "https", "mailto")
	policy.AllowRelativeURLs(false)
	policy.RequireParseableURLs(true)
	policy.RequireNoFollowOnLinks(true)
	policy.RequireNoReferrerOnLinks(true)
	return &markdown{
		converter: goldmark.New(
			goldmark.WithExtensions(
				extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone)),
				extension.Strikethrough, extension.Linkify),
			goldmark.WithParserOptions(parser.WithASTTransformers(util.Prioritized(tamer{}, 100)))),
		policy: policy, nothing: bluemonday.StrictPolicy(),
	}
}

// HTML renders source. The result may stand in a page as it is.
func (m *markdown) HTML(source string) string {
	source = strings.TrimSpace(source)
	if source == "" {
		return ""
	}
	if plainText(source) {
		return "<p>" + html.EscapeString(source) + "</p>"
	}
	if len(source) > maxMarkdownBytes {
		source = strings.ToValidUTF8(source[:maxMarkdownBytes], "") + "…"
	}
	var out bytes.Buffer
	if err := m.converter.Convert([]byte(source), &out); err != nil {
		return "<p>" + html.EscapeString(source) + "</p>"
	}
	return m.policy.Sanitize(out.String())
}

// Sentence returns the first sentence or line of source as plain text, for
// places that have room for one line.
func (m *markdown) Sentence(source string) string {
	paragraph, _, _ := strings.Cut(strings.TrimSpace(source), "\n\n")
	if len(paragraph) > 4<<10 {
		paragraph = strings.ToValidUTF8(paragraph[:4<<10], "")
	}
	stripped := html.UnescapeString(m.nothing.Sanitize(m.HTML(paragraph)))
	stripped = strings.Join(strings.Fields(stripped), " ")
	if i := strings.Index(stripped, ". "); i > 0 {
		stripped = stripped[:i+1]
	}
	if runes := []rune(stripped); len(runes) > 160 {
		stripped = strings.TrimSpace(string(runes[:159])) + "…"
	}
	return stripped
}

// plainText reports whether source is one line without anything that Markdown
// would read as more than text. Most descriptions in a schema are, and
// rendering them is then a hundred times cheaper.
func plainText(source string) bool {
	if len(source) > 2000 || strings.ContainsAny(source, "\n\r\t*_#<>&[]!|~\\`@") || strings.Contains(source, "://") || strings.Contains(source, "www.") {
		return false
	}
	switch c := source[0]; {
	case c == '-', c == '+', c == '=', c >= '0' && c <= '9', c == ' ':
		return false
	}
	return true
}

// A tamer moves headings below the page's own and turns images into links,
// since the page loads nothing from elsewhere.
type tamer struct{}

// Transform changes the parsed document in place.
func (tamer) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	var images []*ast.Image
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Heading:
			n.Level = min(n.Level+2, 6)
		case *ast.Image:
			images = append(images, n)
		}
		return ast.WalkContinue, nil
	})
	for _, image := range images {
		parent := image.Parent()
		if parent == nil {
			continue
		}
		if image.ChildCount() == 0 || insideLink(image) {
			for child := image.FirstChild(); child != nil; child = image.FirstChild() {
				image.RemoveChild(image, child)
				parent.InsertBefore(parent, image, child)
			}
			parent.RemoveChild(parent, image)
			continue
		}
		anchor := ast.NewLink()
		anchor.Destination = image.Destination
		for child := image.FirstChild(); child != nil; child = image.FirstChild() {
			image.RemoveChild(image, child)
			anchor.AppendChild(anchor, child)
		}
		parent.ReplaceChild(parent, image, anchor)
	}
}

func insideLink(n ast.Node) bool {
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Kind() == ast.KindLink {
			return true
		}
	}
	return false
}
