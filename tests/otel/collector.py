"""A collector that the tests of telemetry talk to, with what it has received.

It runs receiver.js, which decodes with the definitions of npm's @opentelemetry/otlp-transformer;
`npm ci` in this folder brings it. Without it the tests are skipped, which they say.
"""
import json
import queue
import shutil
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "wire"))

import cairn  # noqa: E402

TRACES, METRICS, LOGS = "/v1/traces", "/v1/metrics", "/v1/logs"


def require():
    if shutil.which("node") is None:
        raise unittest.SkipTest("node is not installed")
    if not (HERE / "node_modules" / "@opentelemetry" / "otlp-transformer").exists():
        raise unittest.SkipTest("@opentelemetry/otlp-transformer is not there: npm ci in tests/otel")


def value_of(any_value):
    """A value of OTLP as one of Python."""
    if not any_value:
        return ""  # an empty text is left out by those who decode
    (kind, value), = any_value.items()
    return int(value) if kind == "intValue" else value


def attributes_of(owner):
    pairs = owner.get("attributes", [])
    attributes = {pair["key"]: value_of(pair.get("value")) for pair in pairs}
    assert len(attributes) == len(pairs), f"an attribute comes twice: {pairs}"
    return attributes


class Span:
    def __init__(self, span, resource):
        self.raw = span
        self.resource = resource
        self.name = span["name"]
        self.trace_id = span["traceId"]
        self.span_id = span["spanId"]
        self.parent_id = span.get("parentSpanId", "")
        self.kind = span["kind"]
        self.begin_ns = int(span["startTimeUnixNano"])
        self.end_ns = int(span["endTimeUnixNano"])
        self.status = span.get("status", {})
        self.attributes = attributes_of(span)

    def __repr__(self):
        return f"{self.name} {self.trace_id} {self.span_id} < {self.parent_id} {self.attributes}"


INTERNAL, SERVER, CLIENT = 1, 2, 3
ERROR = 2


class Collector:
    """As a context manager: receives until its end. What is no OTLP fails the test."""

    def __init__(self, port=0):
        require()
        self.process = subprocess.Popen(["node", HERE / "receiver.js", str(port)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.requests = []
        self._lines = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        first = self._lines.get(timeout=cairn.PATIENCE_S)
        if first is None:
            raise AssertionError("the receiver did not start")
        self.port = first["port"]

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(json.loads(line))
        self._lines.put(None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if not self.process.stdin.closed:
            self.process.stdin.close()
        self.process.wait(timeout=cairn.PATIENCE_S)
        self._reader.join()
        self.process.stdout.close()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def env(self, **more):
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "20",
                "OTEL_METRICS_EXPORTER": "none", **more}

    def answer(self, **how):
        """How the next request is answered that has no answer yet."""
        self.process.stdin.write((json.dumps(how) + "\n").encode())
        self.process.stdin.flush()

    def receive(self, patience_s=cairn.PATIENCE_S):
        """The next request, as receiver.js tells of it."""
        line = self._lines.get(timeout=patience_s)
        if line is None or "problem" in line:
            raise AssertionError(f"the receiver says {line}")
        self.requests.append(line)
        return line

    def take_all(self):
        """What has arrived, once those who send have ended: the receiver ends, too."""
        self.process.stdin.close()
        while True:
            line = self._lines.get(timeout=cairn.PATIENCE_S)
            if line is None:
                return
            if "problem" in line:
                raise AssertionError(f"the receiver says {line}")
            self.requests.append(line)

    def until(self, condition, what):
        """Receives until condition() gives something, and returns that."""
        deadline = time.monotonic() + cairn.PATIENCE_S
        while True:
            value = condition()
            if value:
                return value
            try:
                self.receive(max(0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"waited in vain: {what}; {self.requests}") from None

    def of(self, path, outer, inner, items):
        for request in self.requests:
            for resource in request["message"].get(outer, []) if request["path"] == path else []:
                for scope in resource[inner]:
                    for item in scope.get(items, []):
                        yield item, attributes_of(resource["resource"])

    @property
    def spans(self):
        return [Span(item, resource)
                for item, resource in self.of(TRACES, "resourceSpans", "scopeSpans", "spans")]

    @property
    def records(self):
        return [item for item, _ in self.of(LOGS, "resourceLogs", "scopeLogs", "logRecords")]

    @property
    def metrics(self):
        """{name: metric}, the latest of each."""
        found = self.of(METRICS, "resourceMetrics", "scopeMetrics", "metrics")
        return {item["name"]: item for item, _ in found}

    def named(self, name):
        return [span for span in self.spans if span.name == name]

    def one(self, name):
        """The one span of this name; waits for it."""
        spans = self.until(lambda: self.named(name), f"a span {name}")
        assert len(spans) == 1, spans
        return spans[0]
