package schema

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// What ECMA 262 calls white space, and all else, as RE2 writes them in a class.
const (
	spaces    = `\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
	notSpaces = `\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}` +
		`\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
)

// translated writes an ECMA 262 expression as RE2 reads it.
func translated(p string) string {
	var out strings.Builder
	class := false // within brackets
	for i := 0; i < len(p); i++ {
		if p[i] != '\\' || i+1 == len(p) {
			class = p[i] == '[' || class && p[i] != ']'
			out.WriteByte(p[i])
			continue
		}
		i++
		switch p[i] {
		case 'u':
			if i+4 < len(p) {
				if _, err := strconv.ParseUint(p[i+1:i+5], 16, 32); err == nil {
					out.WriteString(`\x{` + p[i+1:i+5] + `}`)
					i += 4
					continue
				}
			}
			out.WriteString(`\u`)
		case 'c':
			if i+1 < len(p) {
				fmt.Fprintf(&out, `\x%02x`, p[i+1]&31)
				i++
			}
		case 's', 'S':
			text := spaces
			if p[i] == 'S' {
				text = notSpaces
			}
			if !class {
				text = "[" + text + "]"
			}
			out.WriteString(text)
		default:
			out.WriteByte('\\')
			out.WriteByte(p[i])
		}
	}
	return propertyName.ReplaceAllStringFunc(out.String(), func(m string) string {
		for long, short := range map[string]string{"Letter": "L", "digit": "Nd", "Number": "N", "Punctuation": "P", "Symbol": "S"} {
			m = strings.Replace(m, "{"+long+"}", "{"+short+"}", 1)
		}
		return m
	})
}

var propertyName = regexp.MustCompile(`\\[pP]\{[A-Za-z]+\}`)

// maxExpression bounds the expressions that are data, in bytes.
const maxExpression = 8 << 10

// isExpression reports whether a text is an ECMA 262 expression. What RE2 does
// not know, looking around and back, is taken for well formed where what it holds
// is: nothing is matched with it.
func isExpression(s string) bool {
	if len(s) > maxExpression {
		return false
	}
	var out strings.Builder
	class := false // within brackets
	for i := 0; i < len(s); i++ {
		switch rest := s[i:]; {
		case s[i] == '\\':
			if len(rest) == 1 || isLetter(rest[1]) && strings.IndexByte("bBcdDfknpPrsStuvwWx", rest[1]) < 0 {
				return false
			}
			i++
			if class || !looksBack(rest[1]) {
				out.WriteString(rest[:2])
				continue
			}
			if rest[1] == 'k' {
				end := strings.IndexByte(rest, '>')
				if end < 4 || rest[2] != '<' {
					return false
				}
				i += end - 1
			}
			out.WriteString("(?:)")
		case !class && strings.HasPrefix(rest, "(?"):
			begin := around.FindString(rest)
			if begin == "" {
				return false
			}
			i += len(begin) - 1
			if strings.ContainsAny(begin, "=!") {
				begin = "(?:"
			}
			out.WriteString(begin)
		default:
			class = s[i] == '[' || class && s[i] != ']'
			out.WriteByte(s[i])
		}
	}
	_, err := syntax.Parse(translated(out.String()), syntax.Perl)
	return err == nil
}

// around is how a group begins that is not a plain one.
var around = regexp.MustCompile(`^\(\?(?:<[=!]|[:=!]|[ims]*(?:-[ims]+)?:|<[A-Za-z_$][A-Za-z0-9_$]*>)`)

// looksBack tells the escapes that stand for what a group has matched.
func looksBack(c byte) bool { return c >= '1' && c <= '9' || c == 'k' }

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
