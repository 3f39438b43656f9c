package describe

var decompress = About{
	Title:   "Decompression",
	Summary: "Unpacks the bodies of requests or answers, within limits.",
	Text: `Bodies with a Content-Encoding of gzip, br, zstd or deflate, or of two of them, are unpacked as they pass. It is for upstreams that cannot do so, and for policies that read bodies.

A request that is packed in another way is answered 415 with the code encoding_unsupported, one that is not packed as it says 400. What unpacks to more than the limits here allow is no body but an attack: a request is answered 413 with the code request_too_large, an answer is not passed on but 502 with upstream_invalid; where that shows only after the first mebibyte, which is on its way then, the connection ends. So much of an answer is read before its first byte goes out, unless it is a stream by its type, such as text/event-stream.

Answers that are parts (206), that say no-transform, or that are packed in another way are left as they are. An ETag becomes a weak one, since the bytes are others.`,
	Examples: []Example{
		{"For an upstream that takes plain bodies only", `{"requests": true}`},
		{"Answers too, of a mebibyte at most", `{"requests": true, "answers": true, "max_bytes": 1048576}`},
	},
}
