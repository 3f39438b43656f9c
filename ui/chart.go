package ui

import (
	"strconv"
	"strings"
)

// Series is one line or one layer of bars. Points are counted from the left.
type Series struct {
	Name   string
	Now    string // the current value, for the legend
	Color  int    // 1 to 5 in order of use; 2 is warnings and tails, 5 is failure; 0 is neutral
	Points []float64
	Area   bool // filled under the line
	Dashed bool
}

// ChartView is a chart as a sentence, a shape and its axes.
type ChartView struct {
	Label  string   // the finding in one sentence, for those who do not see it
	Y      []string // labels of the axis, from the top to 0
	X      []string // labels along the foot
	Max    float64  // value at the top; the greatest point if 0
	Series []Series
	Marks  []Mark
	Limits []Mark
	Size   Size   // height: Small 90, Medium 120, Large 172 px
	Legend bool   // names and current values under it
	Empty  string // said in place of the shape when there is no data
}

// Mark is a moment (At is 0 to 1 from the left) or, as a limit, a height (At
// is 0 to 1 from the foot).
type Mark struct {
	At    float64
	Label string
}

func (v ChartView) max() float64 {
	if v.Max > 0 {
		return v.Max
	}
	most := 0.0
	for _, s := range v.Series {
		for _, p := range s.Points {
			most = max(most, p)
		}
	}
	if most == 0 {
		return 1
	}
	return most
}

// stackedMax is the height of the highest stack of bars.
func (v ChartView) stackedMax() float64 {
	if v.Max > 0 {
		return v.Max
	}
	most := 0.0
	for i := range v.count() {
		sum := 0.0
		for _, s := range v.Series {
			if i < len(s.Points) {
				sum += s.Points[i]
			}
		}
		most = max(most, sum)
	}
	if most == 0 {
		return 1
	}
	return most
}

func (v ChartView) count() int {
	n := 0
	for _, s := range v.Series {
		n = max(n, len(s.Points))
	}
	return n
}

func (v ChartView) rows() string {
	return "r" + strconv.Itoa(min(max(len(v.Y)-1, 1), 4))
}

func (v ChartView) empty() bool { return v.count() == 0 && v.Empty != "" }

// bar is one rectangle in the 100 × 100 box of a chart.
type bar struct{ color, x, y, w, h string }

// bars stacks the series, first at the foot, with a gap of 28 % between columns.
func (v ChartView) bars() []bar {
	n, top := v.count(), v.stackedMax()
	if n == 0 {
		return nil
	}
	step := 100 / float64(n)
	var all []bar
	for i := range n {
		foot := 100.0
		for _, s := range v.Series {
			if i >= len(s.Points) || s.Points[i] <= 0 {
				continue
			}
			h := min(max(s.Points[i]/top*100, 0.8), foot)
			foot -= h
			all = append(all, bar{color(s.Color), num(float64(i)*step + step*0.14), num(foot), num(step * 0.72), num(h)})
		}
	}
	return all
}

// line is the path of a series in the 100 × 100 box.
func line(points []float64, top float64) string {
	var b strings.Builder
	for i, p := range points {
		x := 0.0
		if len(points) > 1 {
			x = float64(i) / float64(len(points)-1) * 100
		}
		command := "L"
		if i == 0 {
			command = "M"
		}
		b.WriteString(command + num(x) + " " + num(100-min(max(p/top, 0), 1)*100))
	}
	return b.String()
}

func area(points []float64, top float64) string {
	if len(points) == 0 {
		return ""
	}
	return line(points, top) + "L100 100L0 100Z"
}

// sparkTop leaves a little air above a spark.
func sparkTop(points []float64) float64 {
	top := 0.0
	for _, p := range points {
		top = max(top, p)
	}
	if top == 0 {
		return 1
	}
	return top * 1.05
}

func color(n int) string { return "k" + strconv.Itoa(min(max(n, 0), 5)) }

func num(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(strconv.FormatFloat(f, 'f', 2, 64), "0"), ".")
}

func percentNumber(value, most float64) string {
	if most <= 0 {
		return "0"
	}
	return strconv.FormatFloat(min(max(value/most, 0), 1)*100, 'f', 1, 64)
}

func percent(value, most float64) string { return percentNumber(value, most) + "%" }

// MeterView is how much of a limit is used.
type MeterView struct {
	Label    string // accessible name: "Quota used"
	Value    float64
	Max      float64
	Forecast float64 // where it is going, beyond Value; 0: not shown
	Tone     Tone    // Neutral: accent
	Large    bool
}
