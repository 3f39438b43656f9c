package render_test

import (
	"strings"
	"testing"
	"time"

	"portico/internal/entry/render"
	"portico/internal/entry/tree"
)

func inputs(t *testing.T, body string) *render.Inputs {
	t.Helper()
	v, err := tree.Decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &render.Inputs{
		Body: v,
		Request: render.Request{
			Method: "POST", Path: "/orders/7", Params: map[string]string{"id": "7"},
			Query: map[string]string{"page": "2"}, Headers: map[string]string{"x-tenant": "acme"},
		},
		Answer: render.Answer{Status: 201, Headers: map[string]string{"etag": `"1"`}},
		Caller: render.Caller{Application: "app_1", Name: "App", Plan: "plan_1", PlanName: "Gold"},
	}
}

const order = `{"id":12345678901234567890,"price":1.10,"quantity":3,"name":"Ann \"A\" <b>","tags":["x","y"],
	"items":[{"n":1,"price":2.50,"on":true},{"n":2,"price":4,"on":false}],"none":null}`

func TestTemplateMakesABody(t *testing.T) {
	for _, c := range []struct{ template, want string }{
		{`{"id":"${body.id}","p":"${body.price}"}`, `{"id":12345678901234567890,"p":1.10}`},
		{`"${body}"`, ``},
		{`{"total":"${body.price * body.quantity}"}`, `{"total":3.3000000000000003}`},
		{`{"n":"${body.quantity + 1}"}`, `{"n":4}`},
		{`["a ${body.name} b ${body.quantity} ${body.none}."]`, `["a Ann \"A\" <b> b 3 ."]`},
		{`"${request.method} ${request.params.id} ${request.query.page} ${request.headers['x-tenant']} ${request.query.none}"`, `"POST 7 2 acme "`},
		{`"${caller.name}/${caller.plan_name}"`, `"App/Gold"`},
		{`"${answer.status}"`, `201`},
		{`"${body.missing.deeper[3].still ?? 'none'}"`, `"none"`},
		{`"${map(body.items, ({'n': .n, 'price': .price}))}"`, `[{"n":1,"price":2.50},{"n":2,"price":4}]`},
		{`"${map(filter(body.items, .on), .n)}"`, `[1]`},
		{`"${filter(body.items, .price > 3)[0].n}"`, `2`},
		{`"${sum(body.items, .price)}"`, `6.5`},
		{`"${sum(map(body.items, .n))}"`, `3`},
		{`"${reduce(body.items, #acc + .n, 0)}"`, `3`},
		{`"${max(map(body.items, .price))}"`, `4`},
		{`"${2 in map(body.items, .n)}"`, `true`},
		{`"${len(body.items) == 2 ? 'two' : 'other'}"`, `"two"`},
		{`"${upper(body.tags[0]) + join(body.tags, '-') + string(body.quantity)}"`, `"Xx-y3"`},
		{`"${split('a,b,c', ',')[1]}"`, `"b"`},
		{`"${replace(body.name, 'Ann', 'Bo')}"`, `"Bo \"A\" <b>"`},
		{`"${body.tags[-1]}"`, `"y"`},
		{`"${let x = body.quantity; x * x}"`, `9`},
		{`"${-body.price}"`, `-1.1`},
		{`"${json(body.tags)}"`, `"[\"x\",\"y\"]"`},
		{`"$${body.name}"`, `"${body.name}"`},
		{`"${'}'}${\"}\"}"`, `"}}"`},
		{`"${body.name matches '^Ann' and body.name contains 'A'}"`, `true`},
		{`"${keys(body.items[0]) | sort()}"`, `["n","on","price"]`},
		{`[1.50,true,null,{"a":[]}]`, `[1.50,true,null,{"a":[]}]`},
	} {
		tpl, err := render.JSON([]byte(c.template), render.OfAnswer)
		if err != nil {
			t.Errorf("%s: %v", c.template, err)
			continue
		}
		in := inputs(t, order)
		got, err := tpl.Append(nil, in, 1<<20)
		want := c.want
		if want == "" {
			whole, _ := tree.Append(nil, in.Body, 1<<20)
			want = string(whole)
		}
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", c.template, got, err, want)
		}
	}
}

func TestTemplateThatCannotBeServedIsRefused(t *testing.T) {
	for name, template := range map[string]string{
		"no JSON":              `{`,
		"not closed":           `"${body"`,
		"no expression":        `"${body +}"`,
		"unknown input":        `"${env.HOME}"`,
		"other's input":        `"${problem.status}"`,
		"unknown part":         `"${request.cookie}"`,
		"part by expression":   `"${request[body.x]}"`,
		"unknown function":     `"${system('ls')}"`,
		"the clock":            `"${now()}"`,
		"time zones' files":    `"${timezone('UTC')}"`,
		"repeat":               `"${repeat('x', 100)}"`,
		"a method":             `"${body.x.String()}"`,
		"our own state":        `"${$state}"`,
		"our own functions":    `"${$take($state, 1)}"`,
		"template in a name":   `{"${body.x}": 1}`,
		"too long":             `"${` + strings.Repeat("1+", 3000) + `1}"`,
		"too many":             `"` + strings.Repeat("${1}", 300) + `"`,
		"too many nodes":       `"${` + strings.Repeat("1+", 1200) + `1}"`,
		"the language's whole": `"${$env}"`,
	} {
		if _, err := render.JSON([]byte(template), render.OfAnswer); err == nil {
			t.Errorf("%s: was taken", name)
		} else if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error is of several lines: %s", name, err)
		}
	}
}

// TestExpressionsEndSoonAndStaySmall runs what would take hours or gigabytes.
func TestExpressionsEndSoonAndStaySmall(t *testing.T) {
	big := `{"l":[` + strings.Repeat("1,", 50_000) + `1],"s":"` + strings.Repeat("x", 1<<19) + `"}`
	doubling := "let a0 = body.s + body.s; "
	lists := "let a0 = [body, body]; "
	flat := "let a0 = concat(body.l, body.l); "
	for i := range 60 {
		n, p := string(rune('a'+(i+1)/10))+string(rune('0'+(i+1)%10)), string(rune('a'+i/10))+string(rune('0'+i%10))
		doubling += "let " + n + " = " + p + " + " + p + "; "
		lists += "let " + n + " = [" + p + ", " + p + "]; "
		flat += "let " + n + " = concat(" + p + ", " + p + "); "
	}
	for name, expression := range map[string]string{
		"nested loops":       "count(body.l, any(body.l, all(body.l, # == 2 or # == 1)))",
		"ranges":             "count(1..100000, any(1..100000, # == 0))",
		"doubling text":      doubling + "len(g0)",
		"doubling lists":     lists + "g0",
		"doubling to text":   lists + "string(g0)",
		"doubling by concat": flat + "len(g0)",
		"growing in a loop":  "reduce(body.l, #acc + body.s, '')",
		"regex in a loop":    "count(body.l, body.s matches '(x+x+)+y')",
		"search in a loop":   "count(body.l, body.s contains 'xy')",
		"list in a loop":     "count(body.l, 5 in body.l)",
		"replace":            "replace(body.s, 'x', body.s)",
		"join":               "join(body.l, body.s)",
		"sort in a loop":     "map(body.l, sort(body.l))",
		"equality":           "count(body.l, body.l == body.l)",
		"keys":               "map(body.l, keys(body))",
	} {
		t.Run(name, func(t *testing.T) {
			tpl, err := render.JSON([]byte(`"${`+expression+`}"`), render.OfRequest)
			if err != nil {
				t.Fatal(err)
			}
			in := inputs(t, big)
			began := time.Now()
			got, err := tpl.Append(nil, in, 1<<20)
			if err == nil && name != "keys" {
				t.Errorf("got %d bytes: %.60s", len(got), got)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			t.Log(time.Since(began), err)
		})
	}
}

func TestPageEscapesValuesWhereTheyStand(t *testing.T) {
	in := &render.Inputs{Problem: render.Problem{Detail: `<script>"'&`, Code: "javascript:alert(1)", RequestID: "a b"}}
	for _, c := range []struct{ page, want string }{
		{`<p class="x">${problem.detail}</p>{{.}}`, `<p class="x">&lt;script&gt;&#34;&#39;&amp;</p>{{.}}`},
		{`<p title="${problem.detail}">`, `<p title="&lt;script&gt;&#34;&#39;&amp;">`},
		{`<${problem.request_id}>`, `&lt;a b>`},
		{`<a href="${problem.code}">`, `<a href="#ZgotmplZ">`},
		{`<a href="/help?id=${problem.request_id}">`, `<a href="/help?id=a%20b">`},
		{`<script>let x = ${problem.detail}</script>`, `<script>let x = "\u003cscript\u003e\"'\u0026"</script>`},
	} {
		tpl, err := render.HTML(c.page, render.OfProblem)
		if err != nil {
			t.Errorf("%s: %v", c.page, err)
			continue
		}
		if got, err := tpl.String(in, 1000); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.page, got, err, c.want)
		}
	}
	for _, page := range []string{`<a href=${problem.code}`, "\x01", `<p>${problem.x}`, `<p>${body}`} {
		if _, err := render.HTML(page, render.OfProblem); err == nil {
			t.Errorf("%q was taken", page)
		}
	}
}

func TestTextEndsAtItsLimit(t *testing.T) {
	tpl, err := render.Text("Dear ${problem.detail}", render.OfProblem)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tpl.String(&render.Inputs{Problem: render.Problem{Detail: "<you>"}}, 1000); got != "Dear <you>" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := tpl.String(&render.Inputs{Problem: render.Problem{Detail: strings.Repeat("x", 2000)}}, 1000); err == nil {
		t.Error("more than the limit was made")
	}
}

func TestTemplateKnowsWhatItReads(t *testing.T) {
	tpl, err := render.JSON([]byte(`{"a":"${request.headers.x}","b":"${caller.name}"}`), render.OfRequest)
	if err != nil {
		t.Fatal(err)
	}
	for input, want := range map[string]bool{"request.headers": true, "request.query": false, "caller": true, "body": false} {
		if got := tpl.Uses(input); got != want {
			t.Errorf("%s: got %t, want %t", input, got, want)
		}
	}
}

// FuzzExpressionsNeverBreak compiles and runs whatever somebody writes.
func FuzzExpressionsNeverBreak(f *testing.F) {
	for _, seed := range []string{
		"body.a", "map(body.items, ({'n': .n}))", "reduce(body.items, #acc + .n, 0)", "let x = body; x?.y ?? [1..3]", "body[1:2] | len()",
		"sortBy(body.items, .n, 'desc')", "groupBy(body.items, .on)", "body.name matches 'A' ? 1 : -2.5", "split(string(1), ',')", "request.headers['x']",
		"filter(1..10, # % 2 == 0); 7", "not (body.x in [1, 2])", "body.items[0]?.price ** 2", "join(body.tags)", "get(body, 'x')", "{'a': {'b': 1}}.a", "if true {1} else {2}",
	} {
		f.Add(seed)
	}
	body, err := tree.Decode([]byte(order))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		tpl, err := render.Text("${"+expression+"}", render.OfAnswer)
		if err != nil {
			return
		}
		began := time.Now()
		_, _ = tpl.String(&render.Inputs{Body: body}, 1<<20) // an error is an answer, too
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// TestNumbersOfManyDigitsAreCarriedAndNotReckonedWith reckons with one for every
// element of a list.
func TestNumbersOfManyDigitsAreCarriedAndNotReckonedWith(t *testing.T) {
	digits := strings.Repeat("7", 400<<10)
	body := `{"rate":` + digits + `,"items":[` + strings.Repeat("1,", 100_000) + `1]}`
	for source, wants := range map[string]string{
		`"${body.rate}"`: digits,
		`"${len(filter(body.items, {# == body.rate}))}"`: "0",
	} {
		template, err := render.JSON([]byte(source), render.OfRequest)
		if err != nil {
			t.Fatal(err)
		}
		in := inputs(t, body)
		began := time.Now()
		got, err := template.Append(nil, in, 1<<20)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %s", source, took)
		}
		if err != nil || string(got) != wants {
			t.Errorf("%s: got %d bytes, %v", source, len(got), err)
		}
	}
}
