package main

import (
	"testing"
	"time"
)

func TestMediansAndRatios(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.values); got != c.want {
			t.Errorf("%v: got %v, want %v", c.values, got, c.want)
		}
	}
	of := func(all ...time.Duration) (list []took) {
		for _, cpu := range all {
			list = append(list, took{cpu: cpu})
		}
		return list
	}
	// Each round counts by itself: a slow machine in one of them moves both sides.
	if got := medianRatio(of(10, 200, 30), of(10, 100, 20)); got != 1.5 {
		t.Errorf("got %v, want 1.5", got)
	}
}
