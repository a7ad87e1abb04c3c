package player

import "golang.org/x/sys/windows"

// Winsock has error numbers of its own, which the portable ones do not match.
var (
	errnoRefused     = []error{windows.WSAECONNREFUSED}
	errnoDropped     = []error{windows.WSAETIMEDOUT}
	errnoReset       = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
	errnoUnreachable = []error{windows.WSAENETUNREACH, windows.WSAEHOSTUNREACH, windows.WSAEADDRNOTAVAIL}
)
