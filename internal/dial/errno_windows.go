package dial

import "golang.org/x/sys/windows"

// What Winsock calls each outcome: its numbers are not the portable ones.
var (
	refusedErrors     = []error{windows.WSAECONNREFUSED}
	unreachableErrors = []error{windows.WSAEHOSTUNREACH, windows.WSAENETUNREACH, windows.WSAEHOSTDOWN}
	resetErrors       = []error{windows.WSAECONNRESET, windows.WSAECONNABORTED}
	timeoutErrors     = []error{windows.WSAETIMEDOUT}
)
