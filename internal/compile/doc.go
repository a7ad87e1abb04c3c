// Package compile turns a config into what other programs want to know of it:
// a firewall its rules, Ruffle its socketProxy, a web server how to serve a
// /crossdomain.xml and what CORS says in its place. All follow from the same
// table as the policies, so that they cannot drift from it.
//
// # Call these first
//
//	rules := compile.Doors(cfg)               // what is served where
//	text, err := compile.Firewall("nftables", rules)
//	list := compile.SocketProxies(cfg, "wss") // for the page
//	files, err := compile.SiteFiles(&cfg.Sites[0], dir)
//
// A firewall is told to accept what is served, and to reject port 843 with a
// TCP reset where it is not: a player goes on at once after a reset, and waits
// for 3 s where its question is dropped. Nothing here ever drops.
//
// The functions are pure; texts of the config are names and addresses that it
// was checked for, so they need no quoting.
package compile
