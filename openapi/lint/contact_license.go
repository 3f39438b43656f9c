package lint

import "portico/openapi"

func contactLicense() rule {
	return rule{Rule{
		Code: "docs/contact-license", Severity: openapi.SeverityInfo,
		Title: "The document names a contact and a licence",
		Fix:   "Add info.contact, so that people know whom to ask, and info.license, so that they know what they may do.",
	}, func(c *check) {
		c.places = 2
		info := c.doc.Root().Get("info")
		at := info
		if !at.Exists() {
			at = c.doc.Root()
		}
		if info.Get("contact").Len() == 0 {
			c.breaks(at, "The document names no contact.")
		}
		if info.Get("license").Len() == 0 {
			c.breaks(at, "The document names no licence.")
		}
	}}
}
