package server

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// SystemAdvice looks at the settings of this system, in the network namespace
// of the process, that bound what a policy server can bear, and returns those
// that are too low for the open internet. A setting that cannot be read is
// left out. It is for the start of a server, and for its check of itself.
func SystemAdvice() []Advice {
	return systemAdvice(sysctl, descriptorLimit())
}

const (
	// advisedQueue is the kernel's own default since Linux 5.4.
	advisedQueue = 4096
	// advisedDescriptors holds the idle connections of a flood from 64
	// addresses at the default limit per address.
	advisedDescriptors = 65536
)

func systemAdvice(sysctl func(string) (int, bool), descriptors int) []Advice {
	var out []Advice
	below := func(name string, least int, why string) {
		if v, ok := sysctl(name); ok && v < least {
			out = append(out, Advice{Setting: name, Value: strconv.Itoa(v), Do: fmt.Sprintf("sysctl -w %s=%d", name, least), Why: why})
		}
	}
	below("net.core.somaxconn", advisedQueue, "the queue of a listener overflows in a burst, and a client whose connect was dropped tries again only a second later")
	below("net.ipv4.tcp_max_syn_backlog", advisedQueue, "where SYN cookies are off, so many half-open connections lock newcomers out")
	below("net.ipv4.tcp_syncookies", 1, "a flood of half-open connections locks newcomers out, and the server does without TCP_DEFER_ACCEPT")
	below("net.ipv4.tcp_max_orphans", advisedQueue, "an answer that is still on its way when its connection is closed is given up above that number")
	below("net.ipv4.tcp_max_tw_buckets", advisedQueue, "connections that were closed are forgotten too early, and the kernel's log says so each time")
	if v, ok := sysctl("net.ipv4.tcp_abort_on_overflow"); ok && v != 0 {
		out = append(out, Advice{Setting: "net.ipv4.tcp_abort_on_overflow", Value: strconv.Itoa(v), Do: "sysctl -w net.ipv4.tcp_abort_on_overflow=0", Why: "a full queue resets a client that would have been served on its next try"})
	}
	below("fs.epoll.max_user_watches", descriptors, "fewer connections can wait than there are descriptors")
	if descriptors < advisedDescriptors {
		out = append(out, Advice{
			Setting: "the limit of open files", Value: strconv.Itoa(descriptors),
			Do:  fmt.Sprintf("LimitNOFILE=%d in the unit, or ulimit -n %d in the shell that starts it", advisedDescriptors, advisedDescriptors),
			Why: "so many connections can wait at a time; above it the oldest make room",
		})
	}
	return out
}

// sysctl reads a number.
func sysctl(name string) (int, bool) {
	b, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil {
		return 0, false
	}
	v, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return v, err == nil
}

// synCookies reports whether the kernel answers with SYN cookies when its
// queue of half-open connections is full, as TCP_DEFER_ACCEPT needs it.
func synCookies() bool {
	v, ok := sysctl("net.ipv4.tcp_syncookies")
	return ok && v != 0
}
