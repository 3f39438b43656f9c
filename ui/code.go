package ui

import (
	"context"
	"io"
	"strings"

	"github.com/a-h/templ"
)

// CodeText is a listing without colours.
func CodeText(text string) []Token { return []Token{{Text: text}} }

// token writes a piece of code without any space around it.
func token(t Token) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		text := templ.EscapeString(t.Text)
		if t.Kind != Text {
			text = `<span class="` + templ.EscapeString(t.Kind) + `">` + text + `</span>`
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

// paletteLabel writes a result's label with its match marked, and no space between the parts.
func paletteLabel(item PaletteItem) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		label := `<span>` + templ.EscapeString(item.Before)
		if item.Match != "" {
			label += `<mark>` + templ.EscapeString(item.Match) + `</mark>`
		}
		_, err := io.WriteString(w, label+templ.EscapeString(item.After)+`</span>`)
		return err
	})
}

func listingLabel(v CodeView) templ.Attributes {
	if v.Title == "" {
		return nil
	}
	return templ.Attributes{"aria-label": v.Title, "role": "region"}
}

// JSONTokens colours JSON text: names, strings, numbers, literals. Text that
// is not JSON comes back whole, coloured as far as it goes.
func JSONTokens(text string) []Token {
	var tokens []Token
	add := func(kind TokenKind, s string) {
		if s == "" {
			return
		}
		if n := len(tokens); n > 0 && tokens[n-1].Kind == kind {
			tokens[n-1].Text += s
			return
		}
		tokens = append(tokens, Token{kind, s})
	}
	for i := 0; i < len(text); {
		j := i + 1
		switch c := text[i]; {
		case c == '"':
			for j < len(text) && text[j] != '"' && text[j] != '\n' {
				if text[j] == '\\' {
					j++
				}
				j++
			}
			j = min(j+1, len(text))
			if strings.HasPrefix(strings.TrimLeft(text[j:], " \t"), ":") {
				add(Attribute, text[i:j])
			} else {
				add(String, text[i:j])
			}
		case c == '-' || c >= '0' && c <= '9':
			for j < len(text) && strings.IndexByte("0123456789.eE+-", text[j]) >= 0 {
				j++
			}
			add(Number, text[i:j])
		case c >= 'a' && c <= 'z':
			for j < len(text) && text[j] >= 'a' && text[j] <= 'z' {
				j++
			}
			switch text[i:j] {
			case "true", "false", "null":
				add(Keyword, text[i:j])
			default:
				add(Text, text[i:j])
			}
		default:
			add(Text, text[i:j])
		}
		i = j
	}
	return tokens
}
