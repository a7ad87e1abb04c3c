local nmap = require "nmap"
local stdnse = require "stdnse"
local string = require "string"
local table = require "table"

description = [[
Asks a port for its socket policy, as Flash Player does: 22 characters and a
NUL, at once after connecting. Says what the answer grants to whom, what is
wrong with it, and how grave that is.

It asks port 843, Silverlight's 943, and any port that nmap found to be a
policy server or could not name.
]]

---
-- @usage
-- nmap -p 843,943 --script ./flash-socket-policy.nse <target>
-- @args flash-socket-policy.timeout how long to wait for the answer, in
--       milliseconds (default 3500; Flash Player waits 3000)
-- @output
-- 843/tcp open  unknown
-- | flash-socket-policy:
-- |   severity: high (7.4)
-- |   rules:
-- |     * may reach ports *
-- |   findings:
-- |     high: any page may make its visitor's browser reach every port of this host
-- |_    low: the NUL after the document is missing
-- @xmloutput
-- <elem key="severity">high (7.4)</elem>

author = "the port843 authors"
license = "Same as port843--see its LICENSE"
categories = {"discovery", "safe"}

-- Scores in the manner of CVSS's base score, for the worst finding: what it
-- takes is a page that a visitor opens, and what it gives is a connection from
-- the visitor's machine.
local SCORES = {high = 7.4, medium = 5.3, low = 3.1, info = 0.0}
local ORDER = {high = 4, medium = 3, low = 2, info = 1}

-- Nothing that a server sends is shown but printable ASCII.
local function shown(s)
  s = s:gsub("[^\32-\126]", function(c) return string.format("\\x%02x", c:byte()) end)
  if #s > 120 then
    s = s:sub(1, 120) .. "..."
  end
  return s
end

local LIMIT = 65536

local function ask(host, port)
  local timeout = tonumber(stdnse.get_script_args(SCRIPT_NAME .. ".timeout")) or 3500
  local socket = nmap.new_socket()
  socket:set_timeout(timeout)
  local ok = socket:connect(host, port)
  if not ok then
    return nil
  end
  if not socket:send("<policy-file-request/>\0") then
    socket:close()
    return nil
  end
  local start = nmap.clock_ms()
  local data, closed = "", false
  while #data < LIMIT do
    local left = timeout - (nmap.clock_ms() - start)
    if left <= 0 then break end
    socket:set_timeout(left)
    local got, piece = socket:receive()
    if not got then
      closed = piece ~= "TIMEOUT"
      break
    end
    data = data .. piece
    -- A NUL behind the root ends the answer; who does not close gets a moment.
    if data:find("</cross%-domain%-policy%s*>%s*%z") or data:find("</access%-policy%s*>%s*%z") then
      timeout = math.min(timeout, nmap.clock_ms() - start + 500)
    end
  end
  socket:close()
  return data, closed, nmap.clock_ms() - start
end

-- Attributes of one start tag, in either quote.
local function attribute(tag, name)
  return tag:match("%s" .. name .. "%s*=%s*\"([^\"]*)\"") or tag:match("%s" .. name .. "%s*=%s*'([^']*)'")
end

local function without_comments(s)
  return (s:gsub("<!%-%-.-%-%->", ""))
end

local function rules_of(document)
  local rules = {}
  for tag in document:gmatch("<allow%-access%-from(%s[^>]*)>") do
    rules[#rules + 1] = {
      domain = attribute(tag, "domain") or "",
      ports = attribute(tag, "to%-ports"),
    }
  end
  return rules
end

local function judge_rules(rules, add)
  for _, rule in ipairs(rules) do
    if not rule.ports then
      add("low", "a rule has no to-ports: it grants nothing for sockets")
    elseif rule.domain == "*" and rule.ports == "*" then
      add("high", "any page may make its visitor's browser reach every port of this host")
    elseif rule.domain == "*" then
      add("medium", "any page may make its visitor's browser reach the ports " .. shown(rule.ports))
    elseif rule.ports == "*" then
      add("low", shown(rule.domain) .. " may reach every port")
    end
  end
end

local function judge_form(data, document, closed, took, add)
  local first = data:find("<", 1, true) or 1
  if data:sub(1, 3) == "\xef\xbb\xbf" then
    add("low", "a byte order mark stands before the document")
  elseif data:sub(1, 5) == "HTTP/" then
    add("low", "HTTP headers stand before the document: no Flash client takes it")
  elseif first > 1 then
    add("low", "bytes stand before the document")
  end
  local _, stop = data:find(document, 1, true)
  local rest = data:sub((stop or #data) + 1)
  if not rest:find("\0", 1, true) then
    add("low", "the NUL after the document is missing")
  elseif #rest:match("%z(.*)$") > 0 then
    add("low", "bytes follow the document")
  end
  if not closed then
    add("info", "the connection is held open after the answer")
  end
  if took > 3000 and closed then
    add("low", "the answer came after the 3 seconds that Flash Player waits")
  end
  if data:find("<!ENTITY", 1, true) then
    add("medium", "the document declares entities")
  end
end

portrule = function(host, port)
  if port.protocol ~= "tcp" or port.state ~= "open" then
    return false
  end
  local service = port.service or "unknown"
  return port.number == 843 or port.number == 943 or service == "adobe-crossdomain" or service == "silverlight-policy" or service == "unknown"
end

action = function(host, port)
  local data, closed, took = ask(host, port)
  if not data or #data == 0 or data:find("^<policy%-file%-request") then
    return nil
  end
  local document = data:match("<cross%-domain%-policy[%s>/].*</cross%-domain%-policy%s*>") or data:match("<cross%-domain%-policy[^<]*/>")
  local silverlight = data:match("<access%-policy[%s>].*</access%-policy%s*>")
  if not document and not silverlight or data:lower():find("<html") then
    return nil
  end
  local findings, worst = {}, "info"
  local function add(severity, text)
    findings[#findings + 1] = severity .. ": " .. text
    if ORDER[severity] > ORDER[worst] then
      worst = severity
    end
  end
  local out = stdnse.output_table()
  local list = {}
  if document then
    local rules = rules_of(without_comments(document))
    for i, rule in ipairs(rules) do
      if i > 20 then
        list[#list + 1] = "and " .. (#rules - 20) .. " more"
        break
      end
      list[#list + 1] = shown(rule.domain) .. " may reach ports " .. shown(rule.ports or "(none named)")
    end
    judge_rules(rules, add)
    judge_form(data, document, closed, took, add)
  else
    add("info", "a policy for Silverlight")
    judge_form(data, silverlight, closed, took, add)
  end
  table.sort(findings, function(a, b)
    return ORDER[a:match("^%a+")] > ORDER[b:match("^%a+")]
  end)
  out.severity = string.format("%s (%.1f)", worst, SCORES[worst])
  if #list > 0 then
    out.rules = list
  end
  if #findings > 0 then
    out.findings = findings
  end
  port.version.name = document and "adobe-crossdomain" or "silverlight-policy"
  port.version.product = document and "Flash socket policy" or "Silverlight socket policy"
  nmap.set_port_version(host, port, "hardmatched")
  return out
end
