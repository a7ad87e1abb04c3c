package tally

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestBucketsCoverEveryValueOnce(t *testing.T) {
	for i := 1; i < buckets-1; i++ {
		if bucketOf(top(i)) != i || bucketOf(top(i-1)+1) != i {
			t.Fatalf("bucket %d: holds %d to %d, which fall into %d and %d", i, top(i-1)+1, top(i), bucketOf(top(i-1)+1), bucketOf(top(i)))
		}
	}
	if got := bucketOf(1 << 62); got != buckets-1 {
		t.Errorf("a huge value falls into bucket %d, not the last, %d", got, buckets-1)
	}
}

func TestQuantilesAgreeWithSorting(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 43))
	for _, n := range []int{1, 2, 3, 10, 999, 1000, 20000} {
		var h Histogram
		all := make([]time.Duration, n)
		for i := range all {
			all[i] = time.Duration(r.ExpFloat64() * 2e5)
			h.Record(all[i])
		}
		slices.Sort(all)
		for _, q := range []float64{0, 0.5, 0.9, 0.99, 0.999, 1} {
			// The smallest value that a share q does not exceed.
			want := all[max(0, min(n, int(q*float64(n)+0.999999))-1)]
			got := h.Quantile(q)
			if got < want || float64(got) > float64(want)*(1+1.0/64)+1 {
				t.Errorf("n=%d: quantile %v is %v, sorting says %v", n, q, got, want)
			}
		}
		if h.Max() != all[n-1] || h.Count() != int64(n) {
			t.Errorf("n=%d: max %v and count %d, want %v and %d", n, h.Max(), h.Count(), all[n-1], n)
		}
	}
}

func TestHistogramsSurviveJSONAndAdd(t *testing.T) {
	var a, b, both Histogram
	for i := range 5000 {
		d := time.Duration(i) * 977
		both.Record(d)
		if i%3 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
	}
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back Histogram
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	a.Add(&back)
	a.Add(&Histogram{})
	if !reflect.DeepEqual(a, both) {
		t.Error("two halves, one of them through JSON, do not add up to the whole")
	}
	for _, bad := range []string{`{"Pairs":[[-1,1]]}`, `{"Pairs":[[999999,1]]}`, `{"Pairs":[[1,0]]}`, `[]`} {
		if json.Unmarshal([]byte(bad), &back) == nil {
			t.Errorf("%s was taken for a histogram", bad)
		}
	}
}

func TestReportsAdd(t *testing.T) {
	// Every count gets a value of its own, so that one added to another shows.
	fill := func(r *Report, factor int64) {
		n := factor
		for _, v := range []reflect.Value{reflect.ValueOf(&r.Counts).Elem(), reflect.ValueOf(r).Elem()} {
			for i := range v.NumField() {
				if f := v.Field(i); f.Kind() == reflect.Int64 {
					n += factor
					f.SetInt(n)
				}
			}
		}
	}
	var a, b, want Report
	fill(&a, 1)
	fill(&b, 100)
	fill(&want, 101)
	b.Complain, want.Complain = "late", "late"
	a.Seconds, b.Seconds, want.Seconds = 2, 3, 3
	a.Add(&b)
	if !reflect.DeepEqual(a, want) {
		t.Errorf("sum is\n%+v, want\n%+v", a, want)
	}
	if got := want.PerSecond(); got != float64(want.Window)/3 {
		t.Errorf("rate is %v", got)
	}
	if c := a.Counts; c.Answered()+c.Failed()-c.Shed != c.Right+c.Reset+c.Lost+c.Cut+c.Wrong+c.Timeouts+c.Refused {
		t.Error("answered and failed do not make up all endings")
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
		ok   bool
	}{
		{nil, 0, false}, {[]float64{3}, 3, true}, {[]float64{9, 1}, 5, true}, {[]float64{9, 1, 4}, 4, true}, {[]float64{7, 7, 1, 9}, 7, true},
	} {
		if got, ok := Median(c.in); got != c.want || ok != c.ok {
			t.Errorf("median of %v is %v, %v", c.in, got, ok)
		}
	}
}
