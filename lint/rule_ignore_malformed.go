package lint

var ruleIgnoreMalformed = &Rule{
	Code: "ignore-malformed", Name: "a suppression that does not count", Group: Form, Severity: Warning,
	Finds:   `A comment that begins with port843:ignore and names no rule, or one that there is not, or gives no reason. It suppresses nothing.`,
	Gain:    "nothing; but a finding that was meant to be seen to is still there",
	Clients: clientsNone,
	Fix:     "write <!-- port843:ignore CODE why it is right here -->",
	Bad:     Example{Text: socketExample(`<!-- port843:ignore any-domain -->`, `<allow-access-from domain="www.example.com" to-ports="9000"/>`), Options: Options{Kind: KindSocket}, At: "3:3"},
	Good:    Example{Text: socketExample(`<!-- port843:ignore any-domain the scores are public -->`, `<allow-access-from domain="*" to-ports="9000"/>`), Options: Options{Kind: KindSocket}},
	on:      onAll,
}
