// Package strict holds the manifests for Kubernetes to the API's own types and
// to its own judge of pod security, and runs what they say. It is a module of
// its own, so that Kubernetes' modules are no dependency of port843.
package strict
