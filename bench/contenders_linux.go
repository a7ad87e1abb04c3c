package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// spread says how a contender can be run as several processes, which may hold
// more connections together than one has descriptors.
type spread uint8

const (
	alone     spread = iota // one process only
	workers                 // the configuration has a number of workers
	instances               // the program is started several times on one port
)

// contender is a server that takes part, as data: how it is started, and what
// it can do. In Argv and Files stand, replaced before each start:
//
//	{program}  the path of its program     {port}    on 127.0.0.1
//	{dir}      a folder of its own         {workers} their number
//	{policy}   the path of the policy      {files}   descriptors it may have
//	{answer}   the bytes to answer, NUL and all; {quoted} the same, each byte
//	           as \ddd (Lua), {hex} as \xhh (JavaScript)
//	{origin}   the policy's rule, as policyfile takes it
//	{module}   the path of policyfile
type contender struct {
	ID, Title, About string

	Program string            // key of setup.Programs
	Argv    []string          // what to run
	Files   map[string]string // to write into {dir} first
	Version []string          // prints the version, in its first line
	Needs   []string          // files that must exist
	Flag    string            // that the program's serve must know
	Own     bool              // Program is a program of its own, whose size means something

	AnswerFile string // in {dir}, written by the contender: what it answers where it cannot answer the policy
	Reads      bool   // waits for a request; else it answers unasked, and nothing idle stays
	Spread     spread
}

const (
	nginxModules = "/usr/lib/nginx/modules/"
	nginxTop     = `load_module ` + nginxModules + `ngx_stream_module.so;
%s
user root;
daemon off;
worker_processes {workers};
worker_rlimit_nofile {files};
pid {dir}/pid;
error_log {dir}/error.log crit;
events { worker_connections {files}; }
stream {
%s
}
`
)

var contenders = []contender{
	{ID: "cserver-1", Title: "C, one thread", About: "bench/cserver: epoll, MSG_MORE, TCP_DEFER_ACCEPT, QUICKACK off",
		Program: "cserver", Argv: []string{"{program}", "{port}", "1", "{policy}"}, Own: true, Reads: true, Spread: instances},
	{ID: "cserver-2", Title: "C, two threads (reference)", About: "the same with a listener and a loop for each thread",
		Program: "cserver", Argv: []string{"{program}", "{port}", "2", "{policy}"}, Own: true, Reads: true, Spread: instances},
	{ID: "port843", Title: "port843", About: "port843 serve, with a deadline of 10 s as the others", Own: true, Reads: true, Spread: instances,
		Program: "port843", Argv: []string{"{program}", "serve", "--listen", "127.0.0.1:{port}", "--policy", "{policy}", "--deadline", "10s", "--reuse-port", "--keep-root"},
		Version: []string{"{program}", "--version"}},
	{ID: "port843-portable", Title: "port843, portable engine", About: "port843 serve --engine portable: package net", Own: true, Reads: true, Flag: "--engine",
		Program: "port843", Argv: []string{"{program}", "serve", "--listen", "127.0.0.1:{port}", "--policy", "{policy}", "--engine", "portable", "--deadline", "10s", "--reuse-port", "--keep-root"},
		Version: []string{"{program}", "--version"}},
	{ID: "nginx", Title: "nginx return", About: "stream module, `return`: never reads the request", Spread: workers,
		Program: "nginx", Argv: []string{"{program}", "-c", "{dir}/nginx.conf"}, Own: true,
		Needs:   []string{nginxModules + "ngx_stream_module.so"},
		Files:   map[string]string{"nginx.conf": fmt.Sprintf(nginxTop, "", "server { listen 127.0.0.1:{port} reuseport backlog=4096; return '{answer}'; }")},
		Version: []string{"{program}", "-v"}},
	{ID: "nginx-njs", Title: "nginx + njs", About: "stream module, a script that reads the request first", Spread: workers, Reads: true,
		Program: "nginx", Argv: []string{"{program}", "-c", "{dir}/nginx.conf"}, Own: true,
		Needs: []string{nginxModules + "ngx_stream_module.so", nginxModules + "ngx_stream_js_module.so"},
		Files: map[string]string{
			"nginx.conf": fmt.Sprintf(nginxTop, "load_module "+nginxModules+"ngx_stream_js_module.so;",
				`js_path {dir}; js_import policy from policy.js; js_set $answer policy.answer;
server { listen 127.0.0.1:{port} reuseport backlog=4096; preread_timeout 10s; js_preread policy.read; return $answer; }`),
			"policy.js": `
function read(s) {
  s.on('upload', function (data, flags) {
    if (data.length >= 23) { s.off('upload'); data.indexOf('<policy-file-request/>') == 0 ? s.done() : s.deny(); }
    else if (flags.last) { s.off('upload'); s.deny(); }
  });
}
function answer(s) { return '{hex}'; }
export default {read, answer};
`},
		Version: []string{"{program}", "-v"}},
	{ID: "haproxy", Title: "HAProxy + Lua", About: "mode tcp, an ACL on the request, a Lua service that answers", Reads: true, Own: true,
		Program: "haproxy", Argv: []string{"{program}", "-db", "-q", "-f", "{dir}/haproxy.cfg"},
		Files: map[string]string{
			"haproxy.cfg": `global
  nbthread {workers}
  no strict-limits
  maxconn {files}
  lua-load-per-thread {dir}/policy.lua
defaults
  mode tcp
  timeout client 10s
  timeout connect 5s
  timeout server 10s
frontend policy
  bind 127.0.0.1:{port} backlog 4096
  tcp-request inspect-delay 10s
  acl asks req.payload(0,23) -m bin 3c706f6c6963792d66696c652d726571756573742f3e00
  tcp-request content use-service lua.policy if asks
  tcp-request content reject if WAIT_END
`,
			"policy.lua": `local answer = "{quoted}"
core.register_service("policy", "tcp", function(applet)
  applet:receive(23)
  applet:send(answer)
end)
`},
		Version: []string{"{program}", "-v"}},
	{ID: "policyfile", Title: "npm policyfile", About: "version 0.0.6 from npm, on Node: answers unasked, without a NUL, a policy of its own making",
		Program: "node", Argv: []string{"{program}", "{dir}/server.js"}, AnswerFile: "answer",
		Files: map[string]string{"server.js": `
const s = require('{module}').createServer({log: false}, ['{origin}']);
require('fs').writeFileSync('{dir}/answer', s.buffer);
s.listen({port});
`},
		Version: []string{"{program}", "-p", "'0.0.6 on Node ' + process.versions.node"}},
	{ID: "naive", Title: "Go, naive", About: "bench/naive: package net, a goroutine per connection", Reads: true, Own: true,
		Program: "naive", Argv: []string{"{program}", "127.0.0.1:{port}", "{policy}"}},
}

// written is a contender made ready to start.
type written struct {
	argv []string
	dir  string
}

// fill writes the contender's files, and returns what to run.
func (c *contender) fill(s *setup, port, nworkers int, files uint64) (written, error) {
	dir := filepath.Join(s.Out, "run", c.ID)
	if err := os.RemoveAll(dir); err != nil {
		return written{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return written{}, err
	}
	answer := string(s.Answer)
	r := strings.NewReplacer(
		"{program}", s.Programs[c.Program], "{dir}", dir, "{policy}", s.Policy,
		"{port}", strconv.Itoa(port), "{workers}", strconv.Itoa(nworkers), "{files}", strconv.FormatUint(files, 10),
		"{answer}", answer, "{quoted}", escapeBytes(answer, `\%03d`), "{hex}", escapeBytes(answer, `\x%02x`),
		"{origin}", origin, "{module}", s.Module)
	for name, text := range c.Files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(r.Replace(text)), 0o644); err != nil {
			return written{}, err
		}
	}
	w := written{dir: dir}
	for _, a := range c.Argv {
		w.argv = append(w.argv, r.Replace(a))
	}
	return w, nil
}

func escapeBytes(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}
