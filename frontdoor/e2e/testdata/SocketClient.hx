package;

import flash.events.Event;
import flash.events.IOErrorEvent;
import flash.events.ProgressEvent;
import flash.events.SecurityErrorEvent;
import flash.external.ExternalInterface;
import flash.net.Socket;
import flash.utils.ByteArray;

/** A Socket that the page drives: what happens on it is told to window.flash. **/
class SocketClient {
	static var socket:Socket;

	static function tell(event:String, data:String) {
		ExternalInterface.call("flash", event, data);
	}

	static function main() {
		ExternalInterface.addCallback("connectTo", connectTo);
		ExternalInterface.addCallback("send", send);
		ExternalInterface.addCallback("sendMany", sendMany);
		ExternalInterface.addCallback("hangUp", hangUp);
		tell("ready", "socket");
	}

	static function connectTo(host:String, port:Int) {
		socket = new Socket();
		socket.addEventListener(Event.CONNECT, function(_) tell("connect", ""));
		socket.addEventListener(Event.CLOSE, function(_) tell("close", ""));
		socket.addEventListener(IOErrorEvent.IO_ERROR, function(e) tell("ioError", e.text));
		socket.addEventListener(SecurityErrorEvent.SECURITY_ERROR, function(e) tell("securityError", e.text));
		socket.addEventListener(ProgressEvent.SOCKET_DATA, function(_) {
			var bytes = new ByteArray();
			socket.readBytes(bytes, 0, socket.bytesAvailable);
			var sum = 0;
			for (i in 0...bytes.length)
				sum = (sum * 31 + bytes[i]) & 0xffffff;
			tell("data", bytes.length <= 4096 ? bytes.toString() : "");
			tell("bytes", bytes.length + " " + sum);
		});
		socket.connect(host, port);
	}

	static function send(text:String) {
		socket.writeUTFBytes(text);
		socket.flush();
	}

	/** Sends n bytes in one flush. **/
	static function sendMany(n:Int) {
		for (i in 0...n)
			socket.writeByte(i * 7);
		socket.flush();
	}

	static function hangUp() {
		socket.close();
	}
}
