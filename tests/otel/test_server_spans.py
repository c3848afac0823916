"""What cairn-serve tells a collector of answers, loads and itself."""
import unittest

from collector import CLIENT, ERROR, INTERNAL, SERVER, Collector
import cairn

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"


def traceparent(trace_id=TRACE, parent=PARENT, flags="01"):
    return f"traceparent: 00-{trace_id}-{parent}-{flags}\r\n"


def answers(receiver):
    return [span for span in receiver.spans if span.kind == SERVER]


class TestRequestSpans(cairn.TemporaryFolder):
    FILES = {"index.html": "hello", "page.html": "<p>" + "words " * 500}

    def serve(self, receiver, options=(), workers=1, **env):
        index = self.pack_tree(self.FILES)
        return cairn.Server(index, workers=workers, options=options, env=receiver.env(**env))

    def test_a_request_is_a_span_below_its_parent(self):
        with Collector() as receiver:
            with self.serve(receiver) as server:
                fields = (traceparent() + "tracestate: a=1\r\ntracestate: b=2\r\n"
                          "User-Agent: test/1\r\nAccept-Encoding: br\r\n")
                answer = server.get("/page.html?q=%20x", fields=fields)
                self.assertEqual(answer.status, 200)
                span, = receiver.until(lambda: answers(receiver), "a span")
        self.assertEqual((span.trace_id, span.parent_id), (TRACE, PARENT))
        self.assertEqual((span.name, span.kind, span.status), ("GET", SERVER, {}))
        self.assertEqual(span.raw["traceState"], "a=1,b=2")
        self.assertEqual(span.raw["flags"], 0x301)
        self.assertGreaterEqual(span.end_ns, span.begin_ns)
        self.assertEqual(span.attributes, {
            "http.request.method": "GET", "url.path": "/page.html", "url.query": "q=%20x",
            "url.scheme": "http", "http.response.status_code": 200,
            "http.response.body.size": len(answer.body), "network.protocol.version": "1.1",
            "server.address": "test.example", "client.address": "127.0.0.1",
            "network.peer.address": "127.0.0.1",
            "user_agent.original": "test/1", "cairn.content_coding": "br", "cairn.release": 1,
            "cairn.site.id": 1, "cairn.mount.host": "*", "cairn.mount.prefix": "/"})

    def test_what_is_no_parent(self):
        """A field that is void, or comes twice, begins a trace anew; each answer has a span."""
        rows = ("", "traceparent: nonsense\r\n", traceparent(flags="1"),
                traceparent() + traceparent(), traceparent(trace_id="0" * 32),
                traceparent(parent="0" * 16))
        with Collector() as receiver:
            with self.serve(receiver) as server, server.client() as client:
                for fields in rows:
                    client.get("/", fields=fields)
                spans = receiver.until(lambda: len(answers(receiver)) == len(rows) and
                                       answers(receiver), "spans")
        self.assertEqual({span.parent_id for span in spans}, {""})
        self.assertNotIn(TRACE, {span.trace_id for span in spans})
        self.assertEqual(len({span.trace_id for span in spans}), len(rows))
        self.assertEqual(len({span.span_id for span in spans}), len(rows))

    def test_a_parent_decides_unless_the_sampler_does(self):
        rows = (("parentbased_always_on", "", 3), ("parentbased_always_off", "", 1),
                ("always_on", "", 4), ("parentbased_traceidratio", "0", 1))
        for sampler, argument, expected in rows:
            with self.subTest(sampler), Collector() as receiver:
                with self.serve(receiver, OTEL_TRACES_SAMPLER=sampler,
                                OTEL_TRACES_SAMPLER_ARG=argument) as server:
                    with server.client() as client:
                        client.get("/", fields=traceparent(flags="00"))
                        client.get("/")
                        client.get("/")
                        client.get("/", fields=traceparent())
                    receiver.until(lambda: len(answers(receiver)) >= expected, "the spans")
                receiver.take_all()
                self.assertEqual(len(answers(receiver)), expected)

    def test_parents_that_nobody_shall_look_at(self):
        with Collector() as receiver:
            with self.serve(receiver, OTEL_PROPAGATORS="none") as server:
                server.get("/", fields=traceparent(flags="00"))
                receiver.until(lambda: answers(receiver), "the span")
            receiver.take_all()
        span, = answers(receiver)
        self.assertNotEqual(span.trace_id, TRACE)

    def test_a_ratio_of_requests(self):
        """6 deviations of 1000 with a tenth."""
        with Collector() as receiver:
            with self.serve(receiver, OTEL_TRACES_SAMPLER="traceidratio",
                            OTEL_TRACES_SAMPLER_ARG="0.1") as server:
                with server.client() as client:
                    for _ in range(10):
                        client.send(cairn.request("/") * 100)
                        for _ in range(100):
                            client.read()
            receiver.take_all()
        self.assertTrue(43 < len(answers(receiver)) < 157, len(answers(receiver)))

    def test_hostile_requests(self):
        """What clients send is cut, mended, and never a name of a series."""
        with Collector() as receiver:
            with self.serve(receiver) as server:
                with server.client() as client:
                    client.get("/" + "a" * 5000, fields="User-Agent: \xe4\xff\r\n")
                    client.get("/", method="BREW")
                    client.get("/", method="DELETE")
                    client.get("/missing")
                with server.client() as client:
                    client.send("nonsense\r\n\r\n")
                    client.read_to_end()
                receiver.until(lambda: len(answers(receiver)) == 5, "spans")
        long, brew, delete, missing, none = answers(receiver)
        self.assertEqual(long.attributes["url.path"], "/" + "a" * 1023)
        # the client writes UTF-8: these are two characters
        self.assertEqual(long.attributes["user_agent.original"], "\xe4\xff")
        self.assertEqual((brew.name, brew.attributes["http.request.method"],
                          brew.attributes["http.request.method_original"]),
                         ("HTTP", "_OTHER", "BREW"))
        self.assertEqual(brew.attributes["error.type"], "501")
        self.assertEqual(brew.status["code"], ERROR)
        self.assertEqual((delete.name, delete.attributes["http.response.status_code"]),
                         ("DELETE", 405))
        self.assertEqual((missing.attributes["http.response.status_code"], missing.status),
                         (404, {}))
        self.assertEqual((none.name, none.attributes["http.response.status_code"]), ("HTTP", 400))

    def test_bytes_that_are_no_text(self):
        with Collector() as receiver:
            with self.serve(receiver) as server, server.client() as client:
                client.send(b"GET / HTTP/1.1\r\nHost: a.example:8080\r\nUser-Agent: a\xff\xe4b\r\n\r\n")
                client.read()
                span, = receiver.until(lambda: answers(receiver), "a span")
        self.assertEqual(span.attributes["user_agent.original"], "a\ufffd\ufffdb")
        self.assertEqual((span.attributes["server.address"], span.attributes["server.port"]),
                         ("a.example", 8080))

    def test_an_answer_that_is_broken_off(self):
        self.FILES = {"large": cairn.noise(20_000_000, 1)}
        with Collector() as receiver:
            with self.serve(receiver) as server:
                with server.client(receive_buffer=4096) as client:
                    client.send(cairn.request("/large"))
                    client.socket.recv(1000)
                span, = receiver.until(lambda: answers(receiver), "a span")
        self.assertIs(span.attributes["cairn.response.aborted"], True)
        self.assertLess(span.attributes["http.response.body.size"], 20_000_000)

    def test_all_workers_and_all_requests(self):
        with Collector() as receiver:
            with self.serve(receiver, workers=4, OTEL_BSP_MAX_QUEUE_SIZE="8000") as server:
                clients = [server.client() for _ in range(16)]
                for client in clients:
                    client.send(cairn.request("/") * 50)
                for client in clients:
                    for _ in range(50):
                        client.read()
                    client.close()
                receiver.until(lambda: len(answers(receiver)) >= 800, "all spans")
            receiver.take_all()
        self.assertEqual(len(answers(receiver)), 800)
        self.assertEqual(len({span.span_id for span in answers(receiver)}), 800)


class TestLoadSpans(cairn.TemporaryFolder):
    def test_one_trace_from_the_pack_to_the_load(self):
        socket_path = self.folder / "control"
        with Collector() as receiver:
            with cairn.Server(control=[socket_path], env=receiver.env(),
                              options=["--archives", self.folder]):
                env = receiver.env(TRACEPARENT=f"00-{TRACE}-{PARENT}-01")
                tree = cairn.write_tree(self.folder / "tree", {"index.html": "one"})
                done = cairn.run("cairn-pack", "add", "--push", socket_path, tree,
                                 self.folder / "s.cairn", env=env)
                pack, push, load = (receiver.one("cairn-pack add"), receiver.one("push"),
                                    receiver.one("load index"))
        self.assertEqual({span.trace_id for span in receiver.spans}, {TRACE})
        self.assertEqual(pack.parent_id, PARENT)
        self.assertEqual((push.parent_id, push.kind), (pack.span_id, CLIENT))
        self.assertEqual((load.parent_id, load.kind), (push.span_id, INTERNAL))
        self.assertTrue(push.begin_ns <= load.begin_ns <= load.end_ns <= push.end_ns)
        self.assertEqual(load.resource["service.name"], "cairn-serve")
        self.assertEqual(load.attributes["cairn.release"], 1)
        self.assertEqual(load.attributes["cairn.load.outcome"], "live")
        self.assertIn(load.attributes["cairn.index.path"], done.out)
        for name in ("validate", "publish"):
            phase, = [span for span in receiver.named(name) if span.parent_id == load.span_id]
            self.assertTrue(load.begin_ns <= phase.begin_ns <= phase.end_ns <= load.end_ns)

    def test_loads_at_the_start_and_those_that_fail(self):
        with Collector() as receiver:
            index = self.pack_tree({"a": "a"})
            env = receiver.env(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.0001")
            with cairn.Server(index, env=env) as server:
                server.send("load index /nowhere\n")
                self.assertIn("error load index", server.read_reply()[-1])
                loads = receiver.until(lambda: len(receiver.named("load index")) == 2 and
                                       receiver.named("load index"), "two loads")
        self.assertEqual([span.status.get("code") for span in loads], [None, ERROR])
        self.assertIn("/nowhere", loads[1].status["message"])


if __name__ == "__main__":
    unittest.main()
