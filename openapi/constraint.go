package openapi

import (
	"slices"
	"strings"

	"portico/openapi/tree"
)

// scalarType is what a page calls a scalar: its format where that says more.
func scalarType(kinds []string, format string) string {
	if len(kinds) == 1 && kinds[0] == "string" && format != "" && len(format) <= 40 {
		return format
	}
	return clip(strings.Join(kinds, " | "), 120)
}

// constraints are a schema's bounds as short texts.
func constraints(v view) []string {
	var out []string
	add := func(text string) {
		if text != "" {
			out = append(out, text)
		}
	}
	if f := v.get("format").String(); strings.HasPrefix(f, "int") || f == "float" || f == "double" {
		add(f)
	}
	add(span(number(v.get("minLength")), number(v.get("maxLength")), "min ", "max "))
	add(numbers(v))
	add(span(number(v.get("minItems")), number(v.get("maxItems")), "min ", "max "))
	add(span(number(v.get("minProperties")), number(v.get("maxProperties")), "min ", "max "))
	if m := number(v.get("multipleOf")); m != "" {
		add("multiple of " + m)
	}
	if v.has("uniqueItems") {
		add("unique")
	}
	if p := v.get("pattern").String(); p != "" {
		add("pattern " + clip(p, 120))
	}
	return slices.Compact(out)
}

func number(n tree.Node) string {
	if n.Kind() != tree.Number {
		return ""
	}
	return clip(n.Text(), 40)
}

// span is the text of a range of counts: "max 70", "1–99", "exactly 2".
func span(low, high, least, most string) string {
	if low == "0" {
		low = ""
	}
	switch {
	case low == "" && high == "":
		return ""
	case low == "":
		return most + high
	case high == "":
		return least + low
	case low == high:
		return "exactly " + low
	}
	return low + "–" + high
}

// numbers is the text of a range of values. In OpenAPI 3.0 an exclusive bound
// is a boolean beside the bound, later a bound of its own.
func numbers(v view) string {
	low, high := number(v.get("minimum")), number(v.get("maximum"))
	above, below := v.get("exclusiveMinimum"), v.get("exclusiveMaximum")
	lowWord, highWord := "≥ ", "≤ "
	if above.True() {
		lowWord = "> "
	} else if x := number(above); x != "" {
		low, lowWord = x, "> "
	}
	if below.True() {
		highWord = "< "
	} else if x := number(below); x != "" {
		high, highWord = x, "< "
	}
	switch {
	case low == "" && high == "":
		return ""
	case high == "":
		return lowWord + low
	case low == "":
		return highWord + high
	case lowWord == "≥ " && highWord == "≤ ":
		return strings.ReplaceAll(low, "-", "−") + "–" + strings.ReplaceAll(high, "-", "−")
	}
	return lowWord + low + " and " + highWord + high
}
