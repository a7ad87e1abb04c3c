package lint

var ruleIgnoreUnused = &Rule{
	Code: "ignore-unused", Name: "a suppression that suppresses nothing", Group: Form, Severity: Warning,
	Finds:   `A comment that suppresses a rule which finds nothing in the element behind it. For a code among several, it is that code.`,
	Gain:    "nothing now; but it hides the finding on the day on which somebody widens the rule behind it",
	Clients: clientsNone,
	Fix:     "remove the comment, or the code from it",
	Bad:     Example{Text: socketExample(`<!-- port843:ignore any-domain the scores are public -->`, `<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:    Example{Text: socketExample(`<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
}
