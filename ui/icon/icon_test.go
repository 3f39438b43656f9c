package icon_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"portico/ui/icon"
)

func draw(t *testing.T, i icon.Icon) string {
	t.Helper()
	var b bytes.Buffer
	if err := i.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIconIsHiddenDecorationInThreeSizes(t *testing.T) {
	for class, i := range map[string]icon.Icon{"i": icon.Inbox(), "i s": icon.Inbox().Small(), "i l": icon.Inbox().Large()} {
		got := draw(t, i)
		if want := `<svg class="` + class + `" viewBox="0 0 24 24" aria-hidden="true"><`; !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want it to begin with %s", got, want)
		}
		if err := xml.Unmarshal([]byte(got), new(struct{})); err != nil {
			t.Errorf("not well-formed: %v", err)
		}
	}
}

func TestZeroIconDrawsNothing(t *testing.T) {
	for _, i := range []icon.Icon{{}, icon.Icon{}.Small(), icon.Icon{}.Large()} {
		if got := draw(t, i); got != "" || !i.Zero() {
			t.Errorf("got %q, zero: %v", got, i.Zero())
		}
	}
	if icon.Inbox().Zero() {
		t.Error("the inbox draws nothing")
	}
}

func TestEveryNameHasItsIconWithoutStyle(t *testing.T) {
	names, err := os.ReadFile("names.txt")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("lucide.go")
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(names)) {
		if !strings.Contains(string(code), `is Lucide's "`+name+`"`) {
			t.Errorf("%s is in names.txt and not in lucide.go: run ui/assets/get", name)
		}
	}
	for _, inline := range []string{"style=", "<style", "<script", "onload="} {
		if strings.Contains(string(code), inline) {
			t.Errorf("an icon holds %s", inline)
		}
	}
}
