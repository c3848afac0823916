/* A collector for the tests: takes what is posted to it, decodes it with the definitions that
 * OpenTelemetry publishes, and prints a line of JSON for each request. How it answers is told on its
 * standard input, a line of JSON for each of the next requests:
 *   {"status": 503, "fields": {"retry-after": "1"}}   with this status
 *   {"partial": {"rejectedSpans": 2, "errorMessage": "..."}}
 *   {"silent": true}                                  not at all
 *   {"bytes": "hello"}                                with something that is no HTTP, and the end
 * Others are taken. Its first line is {"port": N}; the argument is the port to listen on. */
"use strict";
const http = require("http");
const readline = require("readline");
const zlib = require("zlib");
const { opentelemetry } = require("@opentelemetry/otlp-transformer/build/src/generated/root.js");

const collector = opentelemetry.proto.collector;
const signals = {
    "/v1/traces": [collector.trace.v1.ExportTraceServiceRequest,
                   collector.trace.v1.ExportTraceServiceResponse],
    "/v1/metrics": [collector.metrics.v1.ExportMetricsServiceRequest,
                    collector.metrics.v1.ExportMetricsServiceResponse],
    "/v1/logs": [collector.logs.v1.ExportLogsServiceRequest,
                 collector.logs.v1.ExportLogsServiceResponse],
};
const answers = [];

function say(line) {
    process.stdout.write(JSON.stringify(line) + "\n");
}

/* Bytes as hexadecimal digits, as OTLP's JSON has the numbers of spans. */
function plain(value) {
    if (Buffer.isBuffer(value) || value instanceof Uint8Array) {
        return Buffer.from(value).toString("hex");
    }
    if (Array.isArray(value)) {
        return value.map(plain);
    }
    if (value !== null && typeof value === "object") {
        return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
    }
    return value;
}

function decode(type, body) {
    const message = type.decode(body);
    const problem = type.verify(message);
    if (problem) {
        throw new Error(problem);
    }
    /* what the definitions do not know is lost when it is written again, and so makes it shorter */
    if (type.encode(message).finish().length !== body.length) {
        throw new Error("it has fields that the definitions do not know, or default values");
    }
    return plain(type.toObject(message, { longs: String, bytes: Buffer, defaults: false }));
}

function reply(request, response, type, answer) {
    if (answer.silent) {
        return;
    }
    if (answer.bytes !== undefined) {
        request.socket.end(answer.bytes);
        return;
    }
    const status = answer.status ?? 200;
    const body = status !== 200 ? Buffer.from("no")
        : Buffer.from(type.encode(type.fromObject(
            answer.partial ? { partialSuccess: answer.partial } : {})).finish());
    response.writeHead(status, { "content-type": "application/x-protobuf", ...answer.fields });
    response.end(body);
}

function take(request, response, body) {
    const types = signals[request.url];
    const answer = answers.shift() ?? {};
    const line = { method: request.method, path: request.url, fields: request.headers };
    try {
        const bytes = request.headers["content-encoding"] === "gzip" ? zlib.gunzipSync(body) : body;
        line.message = decode(types[0], bytes);
    } catch (error) {
        line.problem = String(error);
    }
    say(line);
    reply(request, response, types?.[1], answer);
}

const server = http.createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece));
    request.on("end", () => take(request, response, Buffer.concat(pieces)));
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => say({ port: server.address().port }));

const input = readline.createInterface({ input: process.stdin });
input.on("line", (line) => answers.push(JSON.parse(line)));
input.on("close", () => process.exit(0));
