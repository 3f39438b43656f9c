package ui_test

import (
	"strings"
	"testing"

	"github.com/a-h/templ"
	"golang.org/x/net/html"

	"portico/ui"
	"portico/ui/icon"
)

func TestRefusedFieldIsReadOutWithItsError(t *testing.T) {
	for _, kind := range []string{"", "password", "select", "area", "checkbox", "switch", "file"} {
		t.Run(kind, func(t *testing.T) {
			doc := parse(t, render(t, ui.Field(ui.FieldView{Kind: kind, Label: "Rate", Name: "rate", Hint: "Calls a second", Err: "Write a number"})))
			control := find(doc, func(n *html.Node) bool { return attr(n, "name") == "rate" })
			if attr(control, "aria-invalid") != "true" {
				t.Error("not marked as invalid")
			}
			note := find(doc, func(n *html.Node) bool { return attr(n, "id") == attr(control, "aria-describedby") })
			if note == nil || words(note) != "Write a number" {
				t.Errorf("described by %v, want the error in place of the hint", note)
			}
		})
	}
}

func TestAcceptedFieldIsNotMarked(t *testing.T) {
	doc := parse(t, render(t, ui.Field(ui.FieldView{Label: "Rate", Name: "rate", Hint: "Calls a second", Value: "7", Required: true})))
	control := find(doc, func(n *html.Node) bool { return attr(n, "name") == "rate" })
	if has(control, "aria-invalid") || attr(control, "value") != "7" || !has(control, "required") {
		t.Errorf("got %+v", control.Attr)
	}
	if note := find(doc, func(n *html.Node) bool { return attr(n, "id") == attr(control, "aria-describedby") }); note == nil || words(note) != "Calls a second" {
		t.Error("the hint is not read out with it")
	}
}

func TestSelectShowsTheValue(t *testing.T) {
	options := []ui.Option{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}, {Value: "c", Label: "C", Disabled: true}}
	doc := parse(t, render(t, ui.Field(ui.FieldView{Kind: "select", Name: "x", Label: "X", Value: "b", Options: options})))
	var chosen []string
	for _, n := range elements(doc) {
		if has(n, "selected") {
			chosen = append(chosen, attr(n, "value"))
		}
	}
	if got := strings.Join(chosen, ","); got != "b" {
		t.Errorf("got %q, want b", got)
	}
}

func TestFileKeepsNoValue(t *testing.T) {
	if page := render(t, ui.Field(ui.FieldView{Kind: "file", Name: "x", Label: "X", Value: "C:\\old.yaml"})); strings.Contains(page, "old") {
		t.Errorf("got %s", page)
	}
}

func TestDisabledThingsCannotBeUsed(t *testing.T) {
	for name, c := range map[string]templ.Component{
		"button": ui.Button("x", ui.Look{Disabled: true}), "submit": ui.Submit("x", ui.Look{Disabled: true}), "post": ui.PostButton("/x", "x", ui.Look{Disabled: true}),
	} {
		if button := find(parse(t, render(t, c)), func(n *html.Node) bool { return n.Data == "button" }); !has(button, "disabled") {
			t.Errorf("%s is not disabled", name)
		}
	}
	link := find(parse(t, render(t, ui.LinkButton("/x", "x", ui.Look{Disabled: true}))), func(n *html.Node) bool { return n.Data == "a" })
	if has(link, "href") || attr(link, "aria-disabled") != "true" {
		t.Errorf("link: got %+v", link.Attr)
	}
}

func TestIconOnlyButtonKeepsItsName(t *testing.T) {
	doc := parse(t, render(t, ui.Button("More", ui.Look{IconOnly: true, Icon: icon.Ellipsis()})))
	button := find(doc, func(n *html.Node) bool { return n.Data == "button" })
	if attr(button, "aria-label") != "More" || words(button) != "" {
		t.Errorf("got %+v with text %q", button.Attr, words(button))
	}
}

func TestShortcutsAreShownAndAnnounced(t *testing.T) {
	for key, want := range map[string][2]string{"a": {"A", "a"}, "mod+s": {"⌘S", "Control+s"}, "mod+enter": {"⌘↵", "Control+Enter"}} {
		doc := parse(t, render(t, ui.Button("x", ui.Look{Key: key})))
		kbd := find(doc, func(n *html.Node) bool { return n.Data == "kbd" })
		button := find(doc, func(n *html.Node) bool { return n.Data == "button" })
		if kbd.FirstChild.Data != want[0] || attr(button, "aria-keyshortcuts") != want[1] || attr(button, "data-key") != key {
			t.Errorf("%s: got %q, %+v; want %q", key, kbd.FirstChild.Data, button.Attr, want)
		}
	}
}

func TestTargetLoadsTheSameURLAsTheLink(t *testing.T) {
	for name, c := range map[string]templ.Component{
		"chip":   ui.Chip(ui.ChipView{Label: "All", Href: "/things?x=1", Target: "#things"}),
		"filter": ui.Filter("State", "active", "/things?x=1", "#things"),
		"pager":  ui.Pager(ui.PagerView{Text: "1–2 of 3", Next: "/things?x=1", Target: "#things"}),
		"sort":   ui.Table(ui.TableView{ID: "things", Columns: []ui.Column{{Label: "Name", SortHref: "/things?x=1"}}}),
	} {
		doc := parse(t, render(t, c))
		link := find(doc, func(n *html.Node) bool { return n.Data == "a" && has(n, "href") })
		for key, want := range map[string]string{"href": "/things?x=1", "hx-get": "/things?x=1", "hx-target": "#things", "hx-select": "#things", "hx-push-url": "true"} {
			if got := attr(link, key); got != want {
				t.Errorf("%s: %s: got %q, want %q", name, key, got, want)
			}
		}
	}
}

func TestBarsStandOnTheFootAndStayInTheBox(t *testing.T) {
	v := ui.ChartView{Label: "x", Max: 10, Series: []ui.Series{{Color: 1, Points: []float64{5, 20, 0}}, {Color: 5, Points: []float64{5, 1}}, {Color: 9, Points: []float64{0, 0, 0.0001}}}}
	doc := parse(t, render(t, ui.Bars(v)))
	var got []string
	for _, n := range elements(doc) {
		if n.Data == "rect" {
			got = append(got, attr(n, "class")+" "+attr(n, "y")+" "+attr(n, "height"))
		}
	}
	want := []string{"br k1 50 50", "br k5 0 50", "br k1 0 100", "br k5 0 0", "br k5 99.2 0.8"}
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinesAreClippedToTheBox(t *testing.T) {
	doc := parse(t, render(t, ui.LineChart(ui.ChartView{Label: "x", Max: 10, Series: []ui.Series{{Color: 2, Points: []float64{0, 5, 30, -3}}}})))
	path := find(doc, func(n *html.Node) bool { return n.Data == "path" })
	if got, want := attr(path, "d"), "M0 100L33.33 50L66.67 0L100 100"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChartWithoutDataSaysSo(t *testing.T) {
	for name, c := range map[string]templ.Component{
		"bars": ui.Bars(ui.ChartView{Label: "x", Empty: "No calls yet"}), "lines": ui.LineChart(ui.ChartView{Label: "x", Empty: "No calls yet"}),
	} {
		if page := render(t, c); !strings.Contains(page, "No calls yet") || strings.Contains(page, "<svg") {
			t.Errorf("%s: got %s", name, page)
		}
	}
}

func TestMeterNeverLeavesItsFrame(t *testing.T) {
	for _, c := range []struct {
		value, most float64
		want        string
	}{{66, 100, "66.0"}, {130, 100, "100.0"}, {-5, 100, "0.0"}, {5, 0, "0"}} {
		meter := find(parse(t, render(t, ui.Meter(ui.MeterView{Label: "x", Value: c.value, Max: c.most}))), func(n *html.Node) bool { return attr(n, "role") == "meter" })
		if got := attr(meter, "aria-valuenow"); got != c.want {
			t.Errorf("%v of %v: got %s, want %s", c.value, c.most, got, c.want)
		}
	}
}

func TestCodeIsCopiedAsItIs(t *testing.T) {
	const text = "{\n  \"a\": [1, -2.5e3, true, null],\n  \"b\\\"c\": \"<d>\"\n}"
	for name, tokens := range map[string][]ui.Token{"plain": ui.CodeText(text), "json": ui.JSONTokens(text)} {
		code := find(parse(t, render(t, ui.Code(ui.CodeView{ID: "c", Tokens: tokens}))), func(n *html.Node) bool { return n.Data == "code" })
		var b strings.Builder
		for n := range code.Descendants() {
			if n.Type == html.TextNode {
				b.WriteString(n.Data)
			}
		}
		if got := strings.TrimSpace(b.String()); got != text {
			t.Errorf("%s: got %q, want %q", name, got, text)
		}
	}
}

func TestJSONIsColouredByMeaning(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": "b"}`:   `|{,a|"a",|: ,s|"b",|}`,
		`[1, true, x]`: `|[,n|1,|, ,k|true,|, x]`,
		`"a" `:         `s|"a",| `,
		`"open`:        `s|"open`,
		`"esc\`:        `s|"esc\`,
		``:             ``,
		"ünïcode":      "|ünïcode",
	} {
		var got []string
		for _, token := range ui.JSONTokens(text) {
			got = append(got, string(token.Kind)+"|"+token.Text)
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: got %s, want %s", text, strings.Join(got, ","), want)
		}
	}
}

func TestAvatarsComeFromNames(t *testing.T) {
	for name, want := range map[string]string{
		"Ada Byron": "AB", "Ada King Byron": "AB", "ada": "AD", "é": "É", "": "?", "—": "?", "checkout-backend": "CB", "李 明": "李明",
	} {
		span := find(parse(t, render(t, ui.Avatar(ui.AvatarView{Name: name}))), func(n *html.Node) bool { return n.Data == "span" })
		if got := strings.TrimSpace(span.FirstChild.Data); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
	if a, b := render(t, ui.Avatar(ui.AvatarView{Name: "Ada"})), render(t, ui.Avatar(ui.AvatarView{Name: "Ada"})); a != b {
		t.Error("the same name looks different")
	}
}

func TestSecretIsInThePageOnceAndNotInAnAttribute(t *testing.T) {
	page := render(t, ui.KeyBox(ui.KeyBoxView{Title: "Copy it", Secret: "s3cret", Done: "/done"}))
	if n := strings.Count(page, "s3cret"); n != 1 {
		t.Errorf("got it %d times, want once", n)
	}
	code := find(parse(t, page), func(n *html.Node) bool { return n.Data == "code" })
	if words(code) != "s3cret" {
		t.Errorf("got %q in the code", words(code))
	}
}

func TestZeroViewsRender(t *testing.T) {
	for name, c := range map[string]templ.Component{
		"panel": ui.Panel(ui.PanelView{}), "table": ui.Table(ui.TableView{}), "menu": ui.Menu(ui.MenuView{}), "field": ui.Field(ui.FieldView{}),
		"bars": ui.Bars(ui.ChartView{}), "lines": ui.LineChart(ui.ChartView{}), "spark": ui.Spark(nil, 1), "meter": ui.Meter(ui.MeterView{}),
		"tabs": ui.Tabs("", nil), "local tabs": ui.LocalTabs("", nil), "steps": ui.Steps("", nil), "code tabs": ui.CodeTabs("", nil, nil),
		"code": ui.Code(ui.CodeView{}), "diff": ui.Diff("", nil), "props": ui.Props(nil), "cards": ui.Cards(nil), "colonnade": ui.Colonnade(ui.ColonnadeView{}),
		"trace": ui.Trace("", nil), "choices": ui.Choices(ui.ChoicesView{}), "columns": ui.RadioColumns(ui.RadioColumnsView{}), "dialog": ui.Dialog(ui.DialogView{}),
		"drawer": ui.Drawer(ui.DrawerView{}), "picker": ui.Picker(ui.PickerView{}), "progress": ui.Progress(ui.ProgressView{}), "breadcrumb": ui.Breadcrumb(nil), "search": ui.SearchField(ui.SearchView{}),
		"stats": ui.StatStrip("", nil), "key": ui.KeyBox(ui.KeyBoxView{}), "list": ui.DescriptionList([]ui.Pair{{}}), "three": ui.ThreePane(ui.Badge("", ui.Neutral), nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			if render(t, c) == "" {
				t.Error("got nothing")
			}
		})
	}
}
