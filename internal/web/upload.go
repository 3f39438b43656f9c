package web

import (
	"mime"
	"net/textproto"
)

// FilePath is the name of a form's file with the folders that it came in, which
// the standard library leaves out, or other where the form gives none. Nobody
// has checked it.
func FilePath(header textproto.MIMEHeader, other string) string {
	_, params, _ := mime.ParseMediaType(header.Get("Content-Disposition")) // what cannot be read has no name
	if name := params["filename"]; name != "" {
		return name
	}
	return other
}
