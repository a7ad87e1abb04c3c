package lint

// ruleList is every rule, by group and in the order of the documentation.
var ruleList = [...]*Rule{
	// Grants.
	ruleAnyDomain, ruleAnyDomainAnyPort, ruleAnyPort, ruleWideRange, ruleSensitivePort, ruleBlockedPort, rulePrivilegedPort,
	ruleSuffixWildcard, rulePublicSuffix, ruleUntrustedDomain, rulePrivateHost, ruleIPWildcard, ruleIPAddress,
	ruleAnyHeader, ruleHeadersFromAnyone, ruleAnyMethod, ruleInsecure, ruleIdentity,
	ruleDuplicateRule, ruleShadowedRule, ruleDeadRule, ruleShippedDefault,
	// Meta.
	ruleMetaWide, ruleMetaAbsent, ruleMetaKind, ruleMetaTwice, ruleMetaValue, ruleMetaNotMaster, ruleNoneWithGrants,
	// Form.
	ruleNotWellFormed, ruleDuplicateAttribute, ruleTooLarge, ruleEncoding, ruleBOM, ruleNonASCII, ruleEntity,
	ruleCharacterReference, ruleInternalSubset, ruleWrongRoot, ruleStrayText, ruleUnknownElement, ruleMisplacedElement,
	ruleUnknownAttribute, ruleMissingAttribute, ruleMissingToPorts, rulePadding, ruleDomainValue, rulePortsValue,
	ruleSecureValue, ruleHeadersValue, ruleContentType, ruleRedirect, ruleTooLong, ruleRangeMisread, ruleSilverlightPort,
	ruleIgnoreMalformed, ruleIgnoreUnused,
}
