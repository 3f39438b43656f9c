package ui_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rgb is linear light, 0 to 1.
type rgb [3]float64

// oklch converts after CSS Color 4: OKLCH to OKLab to linear sRGB, clipped.
func oklch(l, c, h float64) rgb {
	a, b := c*math.Cos(h*math.Pi/180), c*math.Sin(h*math.Pi/180)
	cube := func(x float64) float64 { return x * x * x }
	p, q, r := cube(l+0.3963377774*a+0.2158037573*b), cube(l-0.1055613458*a-0.0638541728*b), cube(l-0.0894841775*a-1.2914855480*b)
	out := rgb{
		4.0767416621*p - 3.3077115913*q + 0.2309699292*r,
		-1.2684380046*p + 2.6097574011*q - 0.3413193965*r,
		-0.0041960863*p - 0.7034186147*q + 1.7076147010*r,
	}
	for i := range out {
		out[i] = math.Min(math.Max(out[i], 0), 1)
	}
	return out
}

// contrast is WCAG 2.2's ratio of relative luminances.
func contrast(x, y rgb) float64 {
	lum := func(c rgb) float64 { return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2] }
	a, b := lum(x), lum(y)
	return (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05)
}

// tokens reads the opaque colours of the sheet's tokens: light and dark.
func tokens(t *testing.T) map[string][2]rgb {
	t.Helper()
	sheet, err := os.ReadFile("assets/portico.css")
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) float64 {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	all := map[string][2]rgb{}
	color := `oklch\(([\d.]+) ([\d.]+) ([\d.]+)\)`
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+):\s*light-dark\(`+color+`,\s*`+color+`\)`).FindAllStringSubmatch(string(sheet), -1) {
		all[m[1]] = [2]rgb{oklch(number(m[2]), number(m[3]), number(m[4])), oklch(number(m[5]), number(m[6]), number(m[7]))}
	}
	return all
}

func TestContrastComputationIsRight(t *testing.T) {
	if got := contrast(oklch(0, 0, 0), oklch(1, 0, 0)); math.Abs(got-21) > 0.01 {
		t.Errorf("black on white: got %.3f, want 21", got)
	}
	// oklch(0.628 0.2577 29.23) is #ff0000, whose contrast with white is 3.998.
	if got := contrast(oklch(0.62796, 0.25768, 29.2339), oklch(1, 0, 0)); math.Abs(got-3.998) > 0.02 {
		t.Errorf("red on white: got %.3f, want 3.998", got)
	}
}

func TestTextIsReadableOnEverySurfaceInBothThemes(t *testing.T) {
	colors := tokens(t)
	surfaces := strings.Fields("ground surface raised sunken")
	washes := strings.Fields("accent-wash ok-wash warn-wash bad-wash info-wash plum-wash")
	type pair struct {
		ink, on string
		least   float64
	}
	var pairs []pair
	for _, on := range append(surfaces, washes...) {
		for _, ink := range strings.Fields("ink ink-2 ink-3 accent") {
			pairs = append(pairs, pair{ink, on, 4.5})
		}
	}
	for _, on := range surfaces {
		for _, ink := range strings.Fields("ok warn bad info plum") {
			pairs = append(pairs, pair{ink, on, 4.5})
		}
		pairs = append(pairs, pair{"control", on, 3})
	}
	for _, tone := range strings.Fields("ok warn bad info plum") {
		pairs = append(pairs, pair{tone, tone + "-wash", 4.5})
	}
	for _, series := range strings.Fields("c1 c2 c3 c4 c5") {
		pairs = append(pairs, pair{series, "surface", 3})
	}
	pairs = append(pairs, pair{"on-accent", "accent", 4.5}, pair{"on-accent", "accent-hi", 4.5}, pair{"on-bad", "bad", 4.5})
	lowest := [2]float64{21, 21}
	for _, p := range pairs {
		for theme, name := range []string{"light", "dark"} {
			ink, okInk := colors[p.ink]
			on, okOn := colors[p.on]
			if !okInk || !okOn {
				t.Fatalf("no token --%s or --%s", p.ink, p.on)
			}
			got := contrast(ink[theme], on[theme])
			if got < p.least {
				t.Errorf("%s: --%s on --%s: got %.2f, want %.1f", name, p.ink, p.on, got, p.least)
			}
			if p.least == 4.5 {
				lowest[theme] = math.Min(lowest[theme], got)
			}
		}
	}
	t.Logf("lowest contrast of text: %.2f light, %.2f dark, of %d pairs", lowest[0], lowest[1], len(pairs))
}

func TestRawColoursStandInTokensOnly(t *testing.T) {
	sheet, err := os.ReadFile("assets/portico.css")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(sheet), "@layer base{")
	if !ok {
		t.Fatal("the sheet has no layer base")
	}
	for i, line := range strings.Split(rest, "\n") {
		if m := regexp.MustCompile(`#[0-9a-f]{3,8}\b|rgba?\(|hsla?\(`).FindString(line); m != "" {
			t.Errorf("raw colour %s, %d lines into the layers after the tokens", m, i)
		}
	}
}
