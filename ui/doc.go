// Package ui is the templ components and assets that pages are made of. It
// knows shapes, not nouns: a component here takes plain strings, numbers and
// other components, and nothing that names what the product is about. What
// mentions such a noun is a page and lives with its handler. The package reads
// no request but for [WantsDialog], fetches nothing and keeps no state.
//
// # A page
//
// A page is a frame around components. The handler fills one view struct; the
// template does no work:
//
//	templ listPage(v listView) {
//		@ui.Workbench(v.Frame) {
//			@ui.PageHead("Things", "") {
//				@ui.LinkButton("/things/new", "New thing", ui.Look{Kind: ui.Primary, Icon: icon.Plus(), Key: "n"})
//			}
//			<div class="tools">
//				@ui.SearchField(ui.SearchView{Action: "/things", Value: v.Query, Label: "Filter things", Target: "#things", Slash: true})
//				@ui.Chip(ui.ChipView{Label: "All", Count: "14", Href: "/things", On: true, Target: "#things"})
//			</div>
//			@ui.Table(ui.TableView{ID: "things", Caption: "Things", Columns: v.Columns, Pager: v.Pager}) {
//				for _, t := range v.Things {
//					<tr data-row>
//						<td><a href={ templ.URL(t.Href) }><b>{ t.Name }</b></a></td>
//						<td>@ui.State(t.StateLabel, t.StateTone)</td>
//						<td class="num">{ t.Count }</td>
//					</tr>
//				}
//			}
//		}
//	}
//
// Frames: [Workbench] to operate in, [Site] to read in (set Head.Roomy), [Gate]
// for one form alone; all take a [Frame]. Inside: [PageHead], then grids
// (class grid with g2, g3, g4, g-21, g-32, g-12) or class stack (gap2, gap3,
// gap4 …) of [Panel], [Table], [Cards].
//
// Layout classes: row, stack, wrap, sp (space between), grow, right; mt2, mt4,
// mt6, mb4; tools (a row above a list), list (ul of rows: grow with b and
// small), title-row, hero, about (text and facts), narrow, measure. Text
// classes: mute, two, xs, sm, md, mono, clip, nowrap, num, okc, warnc, badc,
// acc, link; code.i-c in sentences; vh is read out and not shown. [Kit] shows
// all components with the code that makes them beside it, in kit.templ.
//
// # Without a script, and with one
//
// Every page works without JavaScript: links are links, forms post. With it,
// htmx and portico.js improve them. A component with a Target ("#things")
// loads the same URL and takes the element of that id out of the answer, so
// the handler answers with the whole page in either case. A [DialogLink]'s
// URL answers with [Dialog] if [WantsDialog] says so, else with [DialogPage] in a frame.
// Further htmx attributes go into Attrs fields. A form refused with 409 or 422
// is swapped in with its errors; any other failure becomes a toast.
//
// Class js-only hides what needs a script; hide-m hides on phones, hide-s
// below 860 px. Keys: Look.Key on a button ("a", "mod+s"); data-keys on a
// table or list makes J and K move over its elements with data-row, ↵ opens
// the link that J and K focus, X ticks the checkbox; NavItem.Go is a letter after G.
//
// # Content security policy
//
// [ContentSecurityPolicy] is strict: no inline script or style, no style
// attribute. Widths of bars are SVG attributes; anything else is a class.
// Mount [Assets] at [AssetsPath].
//
// # Icons
//
// Package ui/icon has a function for each icon: @icon.Inbox(), or as a field
// Icon: icon.Inbox(). .Small() is 14 px, the plain one 16, .Large() 20.
package ui
