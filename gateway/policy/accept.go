package policy

import (
	"strconv"
	"strings"
)

// accepted chooses among media types by what the caller accepts (RFC 9110
// section 12.5.1): the one with the greatest weight, of equal ones the first. -1
// stands for none. Without an Accept, all are accepted.
func accepted(h *Header, offers ...string) int {
	best, weight, asked := -1, 0, false
	for i, offer := range offers {
		q, any := quality(h, offer)
		asked = asked || any
		if q > weight {
			best, weight = i, q
		}
	}
	if !asked && len(offers) > 0 {
		return 0
	}
	return best
}

// quality returns how much the caller wants a media type, in thousandths: what
// its most specific range says. asked is false where there is no Accept.
func quality(h *Header, offer string) (q int, asked bool) {
	specific := 0
	class, _, _ := strings.Cut(offer, "/")
	for _, f := range h.Fields() {
		if !FoldEqual(f.Name, "Accept") {
			continue
		}
		asked = true
		for element := range strings.SplitSeq(f.Value, ",") {
			accepts, parameters, _ := strings.Cut(element, ";")
			accepts = strings.Trim(accepts, " \t")
			how := 0
			switch {
			case FoldEqual(accepts, offer):
				how = 3
			case strings.HasSuffix(accepts, "/*") && FoldEqual(accepts[:len(accepts)-2], class):
				how = 2
			case accepts == "*/*":
				how = 1
			}
			if how > specific {
				specific, q = how, weightOf(parameters)
			}
		}
	}
	return q, asked
}

// weightOf reads q among the parameters of a media range, in thousandths; 1
// where there is none.
func weightOf(parameters string) int {
	for p := range strings.SplitSeq(parameters, ";") {
		name, value, _ := strings.Cut(strings.Trim(p, " \t"), "=")
		if !FoldEqual(name, "q") {
			continue
		}
		f, err := strconv.ParseFloat(value, 64)
		if err != nil || f < 0 || f > 1 || len(value) > 5 {
			return 0
		}
		return int(f*1000 + 0.5)
	}
	return 1000
}
