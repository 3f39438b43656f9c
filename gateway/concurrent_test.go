package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// TestAnswersAreNotMixedUp holds the pooled exchanges to themselves: under load
// every caller gets its own request id, query and path back.
func TestAnswersAreNotMixedUp(t *testing.T) {
	inEachLane(t, func(t *testing.T, lane change) {
		r := startDemo(t, lane)
		client := &http.Client{Transport: r.client}
		defer client.CloseIdleConnections()
		var group sync.WaitGroup
		for worker := range 12 {
			group.Go(func() {
				for i := range 100 {
					mark := fmt.Sprintf("%d-%d", worker, i)
					res, err := client.Get(r.url + "/demo/orders/v1/orders/caf%C3%A9-" + mark + "?q=" + mark + "&api_key=" + goodKey)
					if err != nil {
						t.Error(err)
						return
					}
					text, err := io.ReadAll(res.Body)
					res.Body.Close()
					id := res.Header.Get("X-Request-Id")
					if err != nil || !strings.Contains(string(text), `"/orders/caf%C3%A9-`+mark+`?q=`+mark+`"`) || !strings.Contains(string(text), id) || len(id) != 32 {
						t.Errorf("asked for %s with id %s, got %d %s", mark, id, res.StatusCode, text)
					}
				}
			})
		}
		group.Wait()
	})
}
