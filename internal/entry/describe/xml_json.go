package describe

var xmlJSON = About{
	Title:   "XML and JSON",
	Summary: "Turns bodies from XML into JSON and from JSON into XML.",
	Text: `A document of XML is an object with one member in JSON, its root element, or without it where root names it. An element that holds nothing but text is that text. Any other is an object: attributes are members whose names begin with @, its text is #text, child elements are members of their names, and several of one name are a list. So <order id="7"><item>a</item><item>b</item></order> is {"order": {"@id": "7", "item": ["a", "b"]}}. White space between elements does not count, nor do comments. Names stay as they are written, namespaces' prefixes included. Values of XML are texts: no number is guessed.

From JSON, members become attributes and elements in the order in which they stand; numbers and booleans are written as texts, null as an empty element. What XML cannot say, such as a list in a list or a member whose name has a space, is refused.

Bodies are read whole, up to max_bytes, 48 elements deep, 100,000 elements, 128 attributes each. Documents with a document type are refused, and entities with them: nothing is fetched, nothing is expanded. Read are UTF-8, ASCII and ISO 8859-1; UTF-8 is written. A request's body that is not what it says is answered 400 with the code body_invalid, one of another type 415 with media_type_not_supported unless it is to be passed; an answer that cannot be turned 502 with answer_unusable. Content-Type is set anew, and Accept says to the upstream what is read here. Answers of other types, 204, 206, HEAD, streams, gRPC and WebSocket pass; a request that calls itself gRPC and does not begin as such is answered 400. The policy JSON answer sees the JSON that this one has made when it stands behind it.`,
	Examples: []Example{
		{"JSON for the caller, XML for the upstream", `{"request": "to_xml", "answer": "to_json", "root": "order", "answer_root": "result", "arrays": ["result/items/item"]}`},
		{"Answers alone, as they are", `{"answer": "to_json"}`},
	},
}
