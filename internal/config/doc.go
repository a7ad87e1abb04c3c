// Package config reads port843.toml: what the server listens on, who owns what
// on the machine, and which services run there.
//
// # Call these first
//
// [Load] reads a file and returns a valid [Config], or every mistake in it:
//
//	c, err := config.Load("/etc/port843/port843.toml")
//	for _, m := range config.MistakesOf(err) {
//		fmt.Println(m.File, m.Pos, m.Key, m.Msg)
//	}
//
// [Parse] does the same for bytes. [Reference] and [Minimal] are the files that
// "port843 init" prints.
//
// # Guarantees
//
//   - Strict: a key that nothing reads is a mistake, and so is a value of the
//     wrong kind. All mistakes are reported at once, each a [*Mistake] with
//     file, line, column, key and code; only a file that is no TOML ends at
//     its first.
//   - Raw (what stands in the file, with its places) and validated ([Config])
//     are two types; a Config that Parse returned is complete and consistent.
//   - Relative paths are relative to the file. Nothing but the file itself is
//     read here: fragments are the room above's, by [Config.Fragments].
//   - A Config is read only once made, and may be shared between goroutines.
//
// # The road not taken
//
// go-toml decodes into structs strictly, but ends at the first value of the
// wrong kind, and knows no place for a value that is well-formed and wrong. So
// its parser makes the tree here, and a decoder of our own reads that.
package config
