# Zeek signatures for socket policies, on any port. Load them with
#
#   zeek -r trace.pcap -s flash-socket-policy.sig
#   @load-sigs ./flash-socket-policy.sig        (in a script)

signature flash-policy-request {
  ip-proto == tcp
  payload /^<policy-file-request[ \t\r\n]*\/>/
  tcp-state originator
  event "a Flash client asks for a socket policy"
}

signature flash-policy-answer {
  ip-proto == tcp
  payload /^(\xef\xbb\xbf)?[ \t\r\n]*(<\?xml[^>]*>)?.{0,512}<cross-domain-policy[ \t\r\n>]/
  tcp-state responder
  requires-reverse-signature flash-policy-request
  event "a server answers with a socket policy"
}

signature flash-policy-open-to-anyone {
  ip-proto == tcp
  payload /.{0,4096}<allow-access-from[^>]*domain=["']\*["']/
  tcp-state responder
  requires-reverse-signature flash-policy-request
  event "a socket policy lets every domain in"
}
