package share_test

import (
	"strconv"
	"sync"
	"testing"

	"portico/gateway/share"
)

// takes takes all that a tenant gets, and returns how many places these are.
func takes(p *share.Places, tenant string) (n int) {
	for p.Take(tenant) {
		n++
	}
	return n
}

func TestNoTenantTakesMoreThanAQuarterOfAllPlaces(t *testing.T) {
	for most, want := range map[int]int{1: 1, 4: 1, 8: 2, 32: 8, 256: 64, 10_000: 2500} {
		p := share.New(most)
		if got := takes(p, "one"); got != want || p.Taken() != want {
			t.Errorf("of %d places one tenant got %d, and %d are taken, want %d", most, got, p.Taken(), want)
		}
	}
}

func TestWhoComesLaterFindsAPlaceHoweverMuchTheOthersTake(t *testing.T) {
	p := share.New(128)
	for i := range 32 { // who take all that they get
		if got := takes(p, strconv.Itoa(i)); got < 1 {
			t.Fatalf("tenant %d got none; %d of 128 are taken", i, p.Taken())
		}
	}
	if p.Full() || !p.Take("another") {
		t.Errorf("there is none for one more; %d of 128 are taken", p.Taken())
	}
	for i := range 128 {
		p.Take(strconv.Itoa(100 + i))
	}
	if !p.Full() || p.Taken() != 128 || p.Take("too late") {
		t.Errorf("%d of 128 are taken by as many tenants", p.Taken())
	}
}

func TestWhatIsGivenBackMayBeTakenAgain(t *testing.T) {
	p := share.New(100)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 2000 {
				if tenant := strconv.Itoa(i % 3); p.Take(tenant) {
					p.Give(tenant)
				}
			}
		})
	}
	group.Wait()
	if p.Taken() != 0 || takes(p, "0") != 25 {
		t.Errorf("%d of 100 are taken after all gave theirs back", p.Taken())
	}
}

func TestTakingAPlaceTakesNoMemory(t *testing.T) {
	p, tenant := share.New(100), [16]byte{1}
	if got := testing.AllocsPerRun(100, func() {
		if p.Take(string(tenant[:])) {
			p.Give(string(tenant[:]))
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
