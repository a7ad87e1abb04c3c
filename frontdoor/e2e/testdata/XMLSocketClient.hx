package;

import flash.events.DataEvent;
import flash.events.Event;
import flash.events.IOErrorEvent;
import flash.events.SecurityErrorEvent;
import flash.external.ExternalInterface;
import flash.net.XMLSocket;

/** An XMLSocket that the page drives: what happens on it is told to window.flash. **/
class XMLSocketClient {
	static var socket:XMLSocket;

	static function tell(event:String, data:String) {
		ExternalInterface.call("flash", event, data);
	}

	static function main() {
		ExternalInterface.addCallback("connectTo", connectTo);
		ExternalInterface.addCallback("send", send);
		ExternalInterface.addCallback("hangUp", hangUp);
		tell("ready", "xmlsocket");
	}

	static function connectTo(host:String, port:Int) {
		socket = new XMLSocket();
		socket.addEventListener(Event.CONNECT, function(_) tell("connect", ""));
		socket.addEventListener(Event.CLOSE, function(_) tell("close", ""));
		socket.addEventListener(IOErrorEvent.IO_ERROR, function(e) tell("ioError", e.text));
		socket.addEventListener(SecurityErrorEvent.SECURITY_ERROR, function(e) tell("securityError", e.text));
		socket.addEventListener(DataEvent.DATA, function(e) tell("data", e.data));
		socket.connect(host, port);
	}

	static function send(text:String) {
		socket.send(text);
	}

	static function hangUp() {
		socket.close();
	}
}
