"""What cairn-pack add tells a collector: its spans, and that no collector can keep it from its work."""
import socket
import unittest
from concurrent.futures import ThreadPoolExecutor

from collector import ERROR, INTERNAL, Collector
import cairn

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
PHASES = ["walk", "write", "compress", "index", "commit", "publish"]


class TestPackSpans(cairn.TemporaryFolder):
    def test_a_pack_is_a_span_with_its_phases(self):
        with Collector() as receiver:
            env = receiver.env(TRACEPARENT=f"00-{TRACE}-{PARENT}-01")
            index = self.pack_tree({"index.html": "hello", "a.css": "b{}" * 500}, env=env)
            whole = receiver.one("cairn-pack add")
        self.assertEqual((whole.trace_id, whole.parent_id), (TRACE, PARENT))
        self.assertEqual(whole.kind, INTERNAL)
        self.assertEqual(whole.raw["flags"], 0x301)  # sampled; the parent is known to be remote
        self.assertEqual(whole.status, {})
        self.assertEqual(whole.attributes["cairn.release"], 1)
        self.assertEqual(whole.attributes["cairn.files"], 2)
        self.assertEqual(whole.attributes["cairn.files.size"], 1505)
        self.assertEqual(whole.attributes["cairn.index.path"], str(index))
        self.assertGreater(whole.attributes["cairn.archive.appended.size"], 0)
        phases = [span for span in receiver.spans if span is not whole and span.name in PHASES]
        self.assertEqual([span.name for span in phases], PHASES)
        end_ns = whole.begin_ns
        for span in phases:
            self.assertEqual((span.trace_id, span.parent_id), (TRACE, whole.span_id))
            self.assertGreaterEqual(span.begin_ns, end_ns)
            self.assertGreaterEqual(span.end_ns, span.begin_ns)
            end_ns = span.end_ns
        self.assertGreaterEqual(whole.end_ns, end_ns)
        self.assertEqual(len({span.span_id for span in receiver.spans}), len(PHASES) + 1)
        self.assertEqual(len(receiver.requests), 1)

    def test_who_it_is_from(self):
        with Collector() as receiver:
            env = receiver.env(OTEL_SERVICE_NAME="deploys",
                               OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=a%2Cb",
                               OTEL_EXPORTER_OTLP_HEADERS="x-key=s%20t",
                               OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
            self.pack_tree({"index.html": "hello"}, env=env)
            resource = receiver.one("cairn-pack add").resource
        self.assertEqual(resource["service.name"], "deploys")
        self.assertEqual(resource["deployment.environment.name"], "a,b")
        self.assertRegex(resource["service.instance.id"],
                         r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertIsInstance(resource["process.pid"], int)
        request, = receiver.requests
        self.assertEqual(request["method"], "POST")
        self.assertEqual(request["fields"]["content-type"], "application/x-protobuf")
        self.assertEqual(request["fields"]["content-encoding"], "gzip")
        self.assertEqual(request["fields"]["x-key"], "s t")
        self.assertIn("cairn/", request["fields"]["user-agent"])

    def test_a_failure_is_one_of_the_phase_and_of_the_whole(self):
        with Collector() as receiver:
            tree = cairn.write_tree(self.folder / "tree", {})
            cairn.run("cairn-pack", "add", tree, self.folder / "s.cairn", env=receiver.env(),
                      expect=1)
            whole = receiver.one("cairn-pack add")
        walk, = receiver.named("walk")
        for span in (whole, walk):
            self.assertEqual(span.status["code"], ERROR)
            self.assertIn("no file in it", span.status["message"])
        self.assertEqual(whole.parent_id, "")

    def test_a_parent_that_is_not_recorded_is_followed(self):
        with Collector() as receiver:
            self.pack_tree({"a": "a"}, env=receiver.env(TRACEPARENT=f"00-{TRACE}-{PARENT}-00"))
            self.pack_tree({"a": "b"}, env=receiver.env(OTEL_TRACES_SAMPLER="always_off"))
            self.pack_tree({"a": "c"}, env=receiver.env(OTEL_TRACES_EXPORTER="none"))
            self.pack_tree({"a": "d"}, env=receiver.env(OTEL_SDK_DISABLED="true"))
            self.pack_tree({"a": "e"}, env=receiver.env(TRACEPARENT="nonsense"))
            self.assertNotEqual(receiver.one("cairn-pack add").trace_id, TRACE)
            self.assertEqual(len(receiver.requests), 1)

    def test_the_collector_asks_for_a_moment(self):
        with Collector() as receiver:
            receiver.answer(status=503, fields={"retry-after": "0"})
            receiver.answer(bytes="this is no HTTP")
            done = cairn.run("cairn-pack", "add",
                             cairn.write_tree(self.folder / "t", {"a": "a"}),
                             self.folder / "s.cairn", env=receiver.env())
            receiver.take_all()
            bodies = [request["message"] for request in receiver.requests]
        self.assertEqual(len(bodies), 3)
        self.assertEqual(bodies[0], bodies[2])  # the same spans, and none twice in one
        self.assertIn("answers 503", done.err)
        self.assertIn("takes spans again; 0 were lost", done.err)

    def test_a_collector_that_takes_nothing_is_said_and_costs_nothing_else(self):
        listener = socket.create_server(("127.0.0.1", 0))
        closed = socket.socket()  # bound, and not listening: nobody else gets the port meanwhile
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        self.addCleanup(closed.close)
        self.addCleanup(listener.close)
        rows = ((f"http://127.0.0.1:{port}", "connect"),
                (f"http://127.0.0.1:{listener.getsockname()[1]}", "no answer"),
                ("http://collector.invalid:4318", "collector.invalid"))

        def pack(number):
            tree = cairn.write_tree(self.folder / f"tree{number}", {"a": rows[number][0]})
            return cairn.run("cairn-pack", "add", tree, self.folder / f"s{number}.cairn",
                             env={"OTEL_EXPORTER_OTLP_ENDPOINT": rows[number][0]})

        with ThreadPoolExecutor() as pool:
            for number, done in enumerate(pool.map(pack, range(len(rows)))):
                self.assertIn("load index ", done.out)
                lines = [line for line in done.err.splitlines() if "telemetry" in line]
                self.assertEqual(len(lines), 1, done.err)
                self.assertIn(rows[number][1], lines[0].lower())
                cairn.verify(self.folder / f"s{number}.cairn")

    def test_an_answer_for_good_and_one_in_part(self):
        with Collector() as receiver:
            receiver.answer(status=400)
            receiver.answer(partial={"rejectedSpans": 2, "errorMessage": "too\nold"})
            tree = cairn.write_tree(self.folder / "tree", {"a": "a"})
            refused = cairn.run("cairn-pack", "add", tree, self.folder / "s.cairn",
                                env=receiver.env())
            partial = cairn.run("cairn-pack", "add", tree, self.folder / "s.cairn",
                                env=receiver.env())
            receiver.take_all()
            self.assertEqual(len(receiver.requests), 2)
        self.assertIn("answers 400; spans are lost", refused.err)
        self.assertIn("took all but 2 spans: too?old", partial.err)

    def test_a_request_without_an_answer_is_sent_again(self):
        with Collector() as receiver:
            receiver.answer(silent=True)
            tree = cairn.write_tree(self.folder / "tree", {"a": "a"})
            cairn.run("cairn-pack", "add", tree, self.folder / "s.cairn",
                      env=receiver.env(OTEL_EXPORTER_OTLP_TIMEOUT="200"))
            receiver.take_all()
        self.assertGreaterEqual(len(receiver.requests), 2)


if __name__ == "__main__":
    unittest.main()
