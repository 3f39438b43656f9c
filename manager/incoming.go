package manager

import (
	"sync"

	"portico/internal/apim"
)

// A document of up to MaxDocumentBytes is in memory while it comes in, and more
// of it while it is scanned; so only a few may at once, and of one tenant fewer.
const (
	incomingAtOnce    = 8
	incomingPerTenant = 2
)

// incoming counts documents on their way in. The zero value is ready; it is
// safe for concurrent use.
type incoming struct {
	mu       sync.Mutex // guards what follows
	all      int
	byTenant map[apim.ID]int
}

// begin takes a place, which done gives back, or refuses.
func (i *incoming) begin(tenant apim.ID) (done func(), err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.byTenant[tenant] >= incomingPerTenant:
		return nil, apim.Errorf(apim.TooMany, "%d documents of yours are being imported; try again when one is done", i.byTenant[tenant]).WithCode("too_many_imports")
	case i.all >= incomingAtOnce:
		return nil, apim.Errorf(apim.Unavailable, "many documents are being imported; try again in a moment").WithCode("busy")
	}
	if i.byTenant == nil {
		i.byTenant = map[apim.ID]int{}
	}
	i.all++
	i.byTenant[tenant]++
	return func() { i.end(tenant) }, nil
}

func (i *incoming) end(tenant apim.ID) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all--
	if i.byTenant[tenant]--; i.byTenant[tenant] == 0 {
		delete(i.byTenant, tenant)
	}
}
