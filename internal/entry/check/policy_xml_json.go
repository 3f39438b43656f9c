package check

import (
	"fmt"
	"mime"
	"strings"

	"portico/internal/entry"
	"portico/internal/entry/xmljson"
)

func (p *problems) xmlJSON(at string, c *entry.XMLJSON) {
	p.choice(at+".request", c.Request, "", entry.ToXML, entry.ToJSON, entry.AsItIs)
	p.choice(at+".answer", c.Answer, "", entry.ToXML, entry.ToJSON, entry.AsItIs)
	p.choice(at+".other_types", c.OtherTypes, "", "refuse", "pass")
	p.choice(at+".unreadable", c.Unreadable, "", "refuse", "pass")
	if (c.Request == "" || c.Request == entry.AsItIs) && (c.Answer == "" || c.Answer == entry.AsItIs) {
		p.add(at, "turns nothing: say what becomes of the request or of the answer")
	}
	for field, root := range map[string]string{".root": c.Root, ".answer_root": c.AnswerRoot} {
		if root != "" && (!xmljson.Name(root) || len(root) > 256) {
			p.add(at+field, "%q cannot be an element's name", root)
		}
	}
	if len(c.Arrays) > 256 {
		p.add(at+".arrays", "want at most 256, got %d", len(c.Arrays))
	}
	for i, a := range c.Arrays {
		p.addErr(fmt.Sprintf("%s.arrays[%d]", at, i), xmljson.CheckPath(a))
	}
	if c.XMLType != "" {
		media, _, err := mime.ParseMediaType(c.XMLType)
		if err != nil || len(c.XMLType) > 256 || media != "application/xml" && media != "text/xml" && !strings.HasSuffix(media, "+xml") {
			p.add(at+".xml_type", "%q is no media type of XML", c.XMLType)
		}
	}
	if c.MaxBytes != 0 {
		p.between(at+".max_bytes", c.MaxBytes, 1, entry.JSONBodyMostBytes)
	}
}
