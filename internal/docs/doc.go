// Package docs reads this module's documents for the tests that hold them to
// what they say, and plays a person at a terminal who follows them.
//
// Call [Read] for the blocks and the code spans of a page, and [Start] for a
// shell to run a block's commands in. [Words] splits a shell command, so that
// a command line can be judged without being run, and [WriteGenerated] keeps
// those parts of a page that are made from the code.
//
// # What a block may be
//
// Every fenced block names its language. A block of "console" is a session:
// lines that begin with "$ " are typed, "> " continues the line before, and
// what stands below is what appears. A line that is "…" stands for any lines,
// "…" within a line for any text (see [Match]). A block of "sh" is commands
// without their output, all of which must end well. A block of another
// language whose first line is a comment with a path and nothing else is a
// file, which is written there.
//
// Comments on the lines above the fence may say something of the block:
//
//	<!-- before: COMMANDS -->    run first, to make the situation that it is about
//	<!-- not run: REASON -->     its commands are parsed, and not run
//	<!-- in the tree: REASON --> its commands are run where the module's source is
//	<!-- in time: REASON -->     each command is repeated until it prints what is shown
//	<!-- wrong: REASON -->       a file that is not meant to be right
//	<!-- part: REASON -->        a piece of a file, which does not stand alone
//	<!-- screen: NAME -->        a test of its own makes this block
//
// The reason is for the reader of the source, and is never empty.
//
// # Limits
//
// The shell's grammar is read as far as documents use it: quotes, pipes, lists,
// redirections, comments, $( ). No here-documents.
package docs
