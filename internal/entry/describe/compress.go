package describe

var compress = About{
	Title:   "Compression",
	Summary: "Compresses answers with zstd, brotli or gzip, as the caller likes.",
	Text: `The caller says in Accept-Encoding what it can read, and how much it likes it; where several are liked as much the order here decides. Such answers say Vary: Accept-Encoding, and a strong ETag becomes a weak one, since the bytes are others.

Left as they are: answers that are compressed already, parts (206), those without a body and to HEAD, those of other media types or that are too small, and those where the request or the answer says no-transform. A body of no known length is compressed as it comes: what has come does not wait for what has not. Event streams pass as they are unless text/event-stream is named here.

It costs the gateway time for every answer, on the level best several times as much as on balanced. Where too many answers are being compressed at once (512 for a policy), further ones go out as they are.`,
	Examples: []Example{
		{"As usual", `{}`},
		{"JSON alone, with little work", `{"codings": ["gzip"], "types": ["application/json"], "level": "fast"}`},
	},
}
