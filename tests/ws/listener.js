/* WebSockets by npm's ws, for the tests: does what it is told on its standard input, a line of JSON
 * each, and prints what happens to each socket, a line of JSON with its number.
 *   {"socket": 1, "open": "ws://127.0.0.1:8080/events", "options": {"origin": "http://a.example"}}
 *   {"socket": 1, "send": "text"}             {"socket": 1, "send": "te", "fin": false}
 *   {"socket": 1, "sendHex": "ff00"}          {"socket": 1, "ping": "payload"}
 *   {"socket": 1, "close": 1000, "reason": "bye"}    (or "close": null: without a code)
 * Its own end of file ends it. */
"use strict";
const readline = require("readline");
const WebSocket = require("ws");

const sockets = new Map();

function say(socket, event, more) {
    process.stdout.write(JSON.stringify({ socket, event, ...more }) + "\n");
}

function open(number, url, options) {
    const socket = new WebSocket(url, options);
    sockets.set(number, socket);
    socket.on("open", () => say(number, "open", { protocol: socket.protocol,
                                                  extensions: socket.extensions }));
    socket.on("message", (data, isBinary) => say(number, "message", { text: data.toString(),
                                                                      isBinary }));
    socket.on("ping", (data) => say(number, "ping", { payload: data.toString() }));
    socket.on("pong", (data) => say(number, "pong", { payload: data.toString() }));
    socket.on("close", (code, reason) => say(number, "close", { code, reason: reason.toString() }));
    socket.on("error", (error) => say(number, "error", { text: error.message }));
    socket.on("unexpected-response", (request, response) => {
        say(number, "refused", { status: response.statusCode, fields: response.headers });
        request.destroy();
    });
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
    const order = JSON.parse(line);
    const socket = sockets.get(order.socket);
    if ("open" in order) {
        open(order.socket, order.open, order.options);
    } else if ("send" in order) {
        socket.send(order.send, { fin: order.fin ?? true });
    } else if ("sendHex" in order) {
        socket.send(Buffer.from(order.sendHex, "hex"));
    } else if ("ping" in order) {
        socket.ping(order.ping);
    } else if (order.close === null) {
        socket.close();
    } else {
        socket.close(order.close, order.reason);
    }
}).on("close", () => process.exit(0));
