// Package web is the page that an administrator looks at: what the service
// does now, who may reach what, what changed, and whether a given player would
// connect.
//
// # Vocabulary
//
// A [View] is what the service knows of itself at one moment; whoever runs the
// service returns one whenever he is asked. The page is made of parts: the
// health, now, the front door, who may reach what, try it, what changed. A
// [Reload] is one time that a source was read anew, with what it changed in
// meaning. [Who] is the part about who may reach what, for programs too. An
// [Access] says who gets in.
//
// # Call these first
//
//	access, err := web.NewAccess(address, web.AccessOptions{})
//	page := web.New(web.Options{View: view})
//	page.Register(mux)
//	go page.Run(ctx) // keeps the last hour
//	http.Serve(listener, access.Guard(mux))
//
// # Guarantees
//
//   - Nothing comes from elsewhere: style, script and icon are embedded, and the
//     Content-Security-Policy permits no others. Without JavaScript everything
//     is there; with it, the parts are replaced as they change, over one stream
//     of server-sent events.
//   - Nothing is written, unless a reload button was asked for.
//   - Whatever comes from a file, a URL or a client is escaped by html/template
//     for the place where it stands.
//   - Memory is bounded: an hour is at most [samples] samples of at most
//     [maxFronts] fronts, and of long lists the page shows the beginning and
//     says how much it left out.
//   - "Try it" asks no network: it judges by the policies in service.
//
// # Limits
//
// The hour is kept in memory and begins anew with the process. The page knows
// one process: a machine behind a load balancer has a page for each.
package web
