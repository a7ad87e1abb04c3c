// Package daemon runs the socket policy server as a service: it takes the
// sockets, gives up its privileges, serves, watches its files, and leaves.
//
// # Vocabulary
//
// A [Source] is where policies come from: flags, one file, or the table of a
// config. A [Listen] is an address with its source; a [Front] is a service's
// own port, which flags name or a config's services say. A reload reads a
// source anew; what it yields is in service at once, or, where it has a mistake,
// nothing changes and the last good policies stay. Fronts change under their
// connections, and one that cannot goes on as it was. The service is healthy
// when every listener serves and no reload was refused.
//
// # Call these first
//
// [Run] does everything until its context ends. [Check] reads and checks the
// sources without opening a socket, as "serve --test" does. [Inetd] serves the
// one connection that is the process's standard input.
//
// # The order of things
//
// Sources are read, with the rights of whoever started it. Sockets are taken:
// from a predecessor (SIGUSR2), from systemd, or bound. The fast path, where one
// is asked for, is taken over or opened, with no door yet. Then user, groups and
// capabilities are dropped for good, Landlock closes the file system but for
// the folders that policies, certificates and files are read from, and only
// then is the first connection accepted. READY is said when every listener accepts.
package daemon
