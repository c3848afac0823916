"""--live-reload in a real browser: what is saved is seen, by a swap where that is enough and by a
reload where it is not. Pictures are left in CAIRN_PICTURES, if that names a folder."""
import base64
import os
import statistics
import struct
import sys
import time
import unittest
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cairn
import chromium
from cairn import Server
from test_dev import Dev

SCRIPT = "/__cairn/live-reload.js"


def png(width, height=4):
    """A grey picture."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    rows = (b"\0" + b"\x80" * width) * height
    return (b"\x89PNG\r\n\x1a\n" +
            chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def page(head="", body="<p id=text>text</p>", start="<!doctype html><html lang=en><head>"):
    return f"{start}<meta charset=utf-8><title>a</title>{head}</head><body>{body}</body></html>\n"


# A promise of the moment, in ms of Unix time, at which the page has been painted with a condition.
PAINTED = """new Promise((resolve) => {
    const look = () => {
        if (!(%s)) { requestAnimationFrame(look); return; }
        requestAnimationFrame(() => setTimeout(
            () => resolve(performance.timeOrigin + performance.now())));
    };
    look();
})"""
COLOR = "getComputedStyle(document.querySelector('#text')).color"


class LivePage(cairn.TemporaryFolder):
    @classmethod
    def setUpClass(cls):
        if chromium.find() is None:
            raise unittest.SkipTest("chromium is not installed")
        cls.browser = chromium.Chromium()
        cls.addClassCleanup(cls.browser.close)

    def start_dev(self, files, *options):
        """A `cairn-pack dev` of these files; `self.save` writes one of them."""
        icon = {"favicon.ico": png(1)}  # browsers ask for it
        self.tree = cairn.write_tree(self.folder / "dist", {**icon, **files})
        dev = Dev(self.tree, self.folder / "scratch", *options)

        def end():
            if dev.process.poll() is None:
                dev.stop()
        self.addCleanup(end)
        dev.url = f"http://127.0.0.1:{dev.port}"
        return dev

    def save(self, name, content):
        path = self.tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cairn.save(path, content)

    def serve(self, index, *words, options=("--live-reload",), **keywords):
        server = Server(index, *words, options=options, **keywords)
        server.__enter__()
        self.addCleanup(server.__exit__, None)
        server.url = f"http://127.0.0.1:{server.ports[0]}"
        return server

    def open(self, url, prepare=lambda page: None):
        """A page that hears of releases."""
        page = self.browser.page()
        self.addCleanup(self.browser.call, "Target.closeTarget", targetId=page.target)
        prepare(page)
        page.open(url)
        self.until_connected(page)
        page.run("window.mark = 1")
        return page

    def connections(self, page):
        """How often it was told that it hears of releases."""
        return sum("follows the site" in str(call["args"])
                   for call in page.events("Runtime.consoleAPICalled"))

    def until_connected(self, page):
        self.browser.wait_until(lambda: self.connections(page) > 0)

    def until(self, page, condition, what=None):
        """Until an expression is true in whatever document the page has by then."""
        def holds():
            try:
                return page.run(condition)
            except chromium.ChromiumError:
                return False  # between two documents
        try:
            cairn.wait_until(holds, what or condition)
        except AssertionError:
            raise AssertionError(f"{what or condition}; {page.run('document.documentElement.outerHTML')}; "
                                 f"{page.complaints()}") from None

    def stayed(self, page):
        return page.run("window.mark === 1")

    def picture(self, page, name):
        folder = os.environ.get("CAIRN_PICTURES")
        if folder:
            data = page.call("Page.captureScreenshot")
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(base64.b64decode(data["data"]))


class TestStart(LivePage):
    def test_odd_pages(self):
        """The script runs in each, is gone afterwards, and the page is read as it would be."""
        pages = {
            "whole": (page(), "CSS1Compat"),
            "open-comment": ("<!doctype html><p>a<!-- ", "CSS1Compat"),
            "open-script": (page("<script>let a = '"), "CSS1Compat"),
            "open-title": ("<!doctype html><title>a", "CSS1Compat"),
            "open-textarea": ("<!doctype html><textarea>", "CSS1Compat"),
            "open-template": ("<!doctype html><template><p>", "CSS1Compat"),
            "comment-first": ("<!-- a --><!doctype html><p>a", "CSS1Compat"),
            "xml": ('<?xml version="1.0"?><!doctype html><html><head><title>a</title>', "CSS1Compat"),
            "frames": ("<!doctype html><html><head></head><frameset><frame></frameset>", "CSS1Compat"),
            "text": ("no page", "BackCompat"),
            "empty": ("", "BackCompat"),
        }
        server = self.serve(self.pack_tree({f"{name}.html": text for name, (text, _) in pages.items()}))
        plain = self.serve(self.pack_tree({f"{name}.html": text for name, (text, _) in pages.items()},
                                          name="plain"), options=())
        reader = self.browser.page()
        for name, (_, mode) in pages.items():
            with self.subTest(name):
                tab = self.open(f"{server.url}/{name}")
                self.assertEqual(tab.run("document.compatMode"), mode)
                reader.open(f"{plain.url}/{name}")
                # what the author wrote is all that there is
                self.assertEqual(tab.run("document.documentElement.outerHTML"),
                                 reader.run("document.documentElement.outerHTML"))

    def test_attributes_and_base_and_prefix(self):
        text = page('<base href="https://elsewhere.example/"><link rel=icon href="data:,">',
                    start="<!doctype html><html lang=en data-a='>'><head class=h>")
        server = self.serve(self.pack_tree({"deep/a.html": text}), "at=/docs")
        tab = self.open(f"{server.url}/docs/deep/a")
        self.assertEqual(tab.run("document.head.className + document.documentElement.lang"), "hen")
        self.assertEqual(tab.run("performance.getEntriesByType('resource').map((one) => one.name)"),
                         [server.url + SCRIPT])

    def test_a_policy_of_the_site(self):
        """Own scripts and styles alone, and Trusted Types."""
        dev = self.start_dev({
            "index.html": page('<link rel=stylesheet href="/a.css">'), "a.css": "p { color: red }",
            "_headers": "/*\n  Content-Security-Policy: default-src 'self'; "
                        "require-trusted-types-for 'script'; trusted-types 'none'\n"})
        tab = self.open(dev.url)
        self.save("a.css", "p { color: rgb(1, 2, 3) }")
        self.until(tab, f"{COLOR} === 'rgb(1, 2, 3)'")
        self.assertTrue(self.stayed(tab))
        self.save("_redirects", "/x https://example.org/:splat 200\n")
        self.until(tab, "document.querySelector('cairn-error') !== null")
        self.assertEqual(tab.run("getComputedStyle(document.querySelector('cairn-error')"
                                 ".shadowRoot.querySelector('pre')).whiteSpace"), "pre-wrap")
        self.assertEqual(tab.complaints(), [])


class TestSwaps(LivePage):
    def test_style_sheets(self):
        """The colour changes, the page is the same; how long that took is printed."""
        dev = self.start_dev({"index.html": page('<link rel=stylesheet href="style.css">'),
                              "style.css": "p { color: red }"})
        tab = self.open(dev.url)
        times = []
        for turn in range(12):
            color = f"rgb({turn}, 100, 0)"
            tab.run("window.painted = %s; 0" % (PAINTED % f"{COLOR} === '{color}'"))
            saved = time.time()
            self.save("style.css", f"p {{ color: {color} }}")
            times.append(tab.run("window.painted") - saved * 1000)
            self.assertTrue(self.stayed(tab))
            self.until(tab, "document.querySelectorAll('link').length === 1")
        print(f"\nfrom save to paint: median {statistics.median(times):.0f} ms, least "
              f"{min(times):.0f} ms, most {max(times):.0f} ms, of {len(times)} saves", file=sys.stderr)
        self.assertEqual(tab.complaints(), [])

    def test_imports_media_and_what_is_not_used(self):
        dev = self.start_dev({
            "index.html": page('<link rel=stylesheet href="/top.css" media=screen title=a>'
                               '<link rel=stylesheet href="/print.css" media=print>'),
            "top.css": "@import 'css/low.css';", "css/low.css": "@import '../lowest.css';",
            "lowest.css": "p { color: red }", "print.css": "", "unused.css": "p { color: blue }"})
        tab = self.open(dev.url)
        self.save("lowest.css", "p { color: rgb(1, 2, 3) }")
        self.until(tab, f"{COLOR} === 'rgb(1, 2, 3)'")
        self.save("unused.css", "p { color: green }")
        self.save("new.html", page())
        self.save("print.css", "p { color: green }")
        self.until(tab, "document.querySelector('[media=print]').href.includes('cairn=')")
        self.assertEqual(tab.run("document.querySelector('[media=screen]').title"), "a")
        self.assertTrue(self.stayed(tab))
        self.assertEqual(tab.complaints(), [])

    def test_in_shadow_roots(self):
        """Of elements that share a sheet and an image with the page, and have one of their own."""
        dev = self.start_dev({
            "index.html": page('<link rel=stylesheet href="/a.css">', """<p id=text>text</p><div id=host></div>
                <script>
                    document.querySelector('#host').attachShadow({mode: 'open'}).innerHTML =
                        '<link rel=stylesheet href="/a.css"><link rel=stylesheet href="/own.css">' +
                        '<p>text</p><img src="/a.png">';
                </script><img src="/a.png">"""),
            "a.css": "p { color: red }", "own.css": "", "a.png": png(4)})
        tab = self.open(dev.url)
        inside = "document.querySelector('#host').shadowRoot.querySelector"
        self.save("a.css", "p { color: rgb(1, 2, 3) }")
        self.until(tab, f"{COLOR} === 'rgb(1, 2, 3)'")
        self.until(tab, f"getComputedStyle({inside}('p')).color === 'rgb(1, 2, 3)'")
        self.save("own.css", "p { margin-left: 7px }")
        self.until(tab, f"getComputedStyle({inside}('p')).marginLeft === '7px'")
        self.save("a.png", png(9))
        self.until(tab, f"{inside}('img').naturalWidth === 9 && document.images[0].naturalWidth === 9")
        self.assertTrue(self.stayed(tab))
        self.assertEqual(tab.complaints(), [])

    def test_images(self):
        body = ('<p id=text style="background: url(back.png)">text</p><img src="a.png">'
                '<img srcset="a.png 1x, b.png 9x"><video poster="poster.png"></video>'
                '<svg><use href="icons.svg#one"/><image href="a.png"/></svg>')
        icons = ('<svg xmlns="http://www.w3.org/2000/svg"><symbol id="one">'
                 '<rect width="{}" height="1"/></symbol></svg>')
        dev = self.start_dev({
            "index.html": page('<link rel=stylesheet href="style.css">', body),
            "style.css": "#text { border-image: url('shown.png') 1 }",
            **{f"{name}.png": png(4) for name in ("a", "b", "back", "poster", "shown")},
            "icons.svg": icons.format(4)})
        tab = self.open(dev.url)
        self.until(tab, "document.images[0].naturalWidth === 4")
        self.save("a.png", png(7))
        self.until(tab, "document.images[0].naturalWidth === 7 && document.images[1].naturalWidth === 7")
        self.save("poster.png", png(9))
        self.until(tab, "document.querySelector('video').poster.includes('cairn=')")
        self.save("back.png", png(9))
        self.until(tab, "document.querySelector('#text').style.background.includes('cairn=')")
        self.save("icons.svg", icons.format(8))
        self.until(tab, "document.querySelector('use').getAttribute('href').endsWith('#one') && "
                   "document.querySelector('use').getAttribute('href').includes('cairn=')")
        self.save("shown.png", png(9))  # by a style sheet alone
        self.until(tab, "document.querySelector('link').href.includes('cairn=')")
        self.assertTrue(self.stayed(tab))
        self.assertEqual(tab.complaints(), [])


class TestReloads(LivePage):
    def test_the_page_itself_and_the_place_in_it(self):
        def text(word):
            return page(body=f"<p id=text>{word}</p><div style='height: 9000px'></div>")
        dev = self.start_dev({"index.html": text("one")})
        tab = self.open(dev.url)
        for word in ("two", "three"):
            tab.run("scrollTo(0, 3210)")
            self.save("index.html", text(word))
            self.until(tab, f"document.querySelector('#text').textContent === '{word}'")
            self.until(tab, "scrollY === 3210")
        self.assertFalse(self.stayed(tab))

    def test_the_place_in_a_page_that_grows_and_keeps_no_place(self):
        """A script makes it long after it was loaded, and has told the browser to stay out of it."""
        def text(word):
            return page(body=f"<p id=text>{word}</p><script>history.scrollRestoration = 'manual';"
                        "addEventListener('load', () => setTimeout(() => {"
                        "document.body.style.height = '9000px'}, 300))</script>")
        dev = self.start_dev({"index.html": text("one")})
        tab = self.open(dev.url)
        self.until(tab, "document.body.style.height !== ''")
        tab.run("scrollTo(0, 3210)")
        self.save("index.html", text("two"))
        self.until(tab, "document.querySelector('#text').textContent === 'two'")
        self.until(tab, "scrollY === 3210")

    def test_what_it_has_loaded(self):
        """Scripts, modules and what they import, data, fonts; not what nobody asked for."""
        dev = self.start_dev({
            "index.html": page('<script src="plain.js"></script><script type=module src="top.js">'
                               '</script><style>@font-face { font-family: f; src: url(f.woff2) }'
                               'p { font-family: f }</style>'),
            "plain.js": "", "top.js": "import './low.js'; fetch('/data.json');", "low.js": "",
            "data.json": "{}", "f.woff2": b"no font", "other.js": "", "about.html": page()})
        tab = self.open(dev.url)
        for name in ("plain.js", "low.js", "data.json", "f.woff2"):
            with self.subTest(name):
                self.until(tab, "performance.getEntriesByType('resource').length >= 6")
                self.save("other.js", f"// {name}")
                self.save("about.html", page(body=name))
                cairn.wait_until(lambda: dev.get("/other.js").body == f"// {name}".encode(), "a release")
                self.assertTrue(self.stayed(tab))
                self.save(name, f"/* {name} */" if name.endswith(".js") else "{ }")
                self.until(tab, "window.mark === undefined")
                tab.run("window.mark = 1")

    def test_a_page_that_a_rule_leads_to(self):
        dev = self.start_dev({"index.html": page(), "app.html": page(body="<p id=text>one</p>"),
                              "404.html": page(body="<p id=text>one</p>"),
                              "_redirects": "/app/* /app.html 200\n"})
        app, missing = self.open(f"{dev.url}/app/deep"), self.open(f"{dev.url}/nothing")
        self.save("app.html", page(body="<p id=text>two</p>"))
        self.until(app, "document.querySelector('#text').textContent === 'two'")
        self.save("404.html", page(body="<p id=text>two</p>"))
        self.until(missing, "document.querySelector('#text').textContent === 'two'")
        self.save("nothing.html", page(body="<p id=text>three</p>"))
        self.until(missing, "document.querySelector('#text').textContent === 'three'")


class TestErrors(LivePage):
    BROKEN = "/x https://example.org/:splat 200\n"

    def overlay(self, tab):
        return tab.run("document.querySelector('cairn-error')?.shadowRoot.querySelector('pre').textContent")

    def test_shown_until_it_is_mended(self):
        dev = self.start_dev({"index.html": page('<link rel=stylesheet href="a.css">'
                                                 "<style>* { color: lime !important }</style>"),
                              "a.css": "p { margin: 4em }"})
        tab = self.open(dev.url)
        for scheme in ("light", "dark"):
            tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
            self.save("_redirects", self.BROKEN)
            self.until(tab, "document.querySelector('cairn-error') !== null")
            self.assertIn("_redirects:1: ", self.overlay(tab))
            self.assertTrue(tab.run("document.querySelector('cairn-error').shadowRoot.activeElement !== null"))
            self.picture(tab, f"live-reload-error-{scheme}")
            (self.tree / "_redirects").unlink()
            self.until(tab, "document.querySelector('cairn-error') === null", "as it was released")
        self.save("_redirects", self.BROKEN)
        self.until(tab, "document.querySelector('cairn-error') !== null")
        for kind in ("keyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Escape", code="Escape",
                     windowsVirtualKeyCode=27)
        self.until(tab, "document.querySelector('cairn-error') === null", "Escape")
        other = self.open(dev.url)  # who comes later hears of it as well
        self.until(other, "document.querySelector('cairn-error') !== null")
        other.run("document.querySelector('cairn-error').shadowRoot.querySelector('button').click()")
        self.until(other, "document.querySelector('cairn-error') === null", "the button")
        self.save("_redirects", "/x /y\n")
        self.save("a.css", "p { color: rgb(1, 2, 3) !important }")
        self.until(tab, "document.querySelector('link').href.includes('cairn=')")
        self.assertEqual(tab.complaints(), [])

    def test_text_is_no_markup(self):
        server = self.serve(self.pack_tree({"index.html": page()}))
        tab = self.open(server.url)
        text = "</pre><img src=x onerror=\"window.mark = 2\"> \u2028 &amp; \"quotes\""
        self.assertTrue(server.command(f"announce error {text}").startswith("ok announce"))
        self.until(tab, "document.querySelector('cairn-error') !== null")
        self.assertEqual(self.overlay(tab), text)
        self.assertTrue(self.stayed(tab))
        self.assertTrue(server.command("announce mended").startswith("ok announce"))
        self.until(tab, "document.querySelector('cairn-error') === null")


class TestConnections(LivePage):
    def restart(self, server, index):
        """Another one at its address; between them there is none."""
        server.stop()
        return self.serve(index, listen=[f"127.0.0.1:{server.ports[0]}"])

    def test_a_server_that_comes_back(self):
        """The page reloads only if it is not what is served any more."""
        files = {"index.html": page(body="<p id=text>one</p>")}
        first = self.pack_tree(files)
        server = self.serve(first)
        tab = self.open(server.url)
        server = self.restart(server, first)
        cairn.wait_until(lambda: "listeners=1" in server.command("announce mended"), "the page is back")
        self.assertTrue(self.stayed(tab))
        second = self.pack_tree({"index.html": page(body="<p id=text>two</p>")})
        self.restart(server, second)
        self.until(tab, "document.querySelector('#text').textContent === 'two'")
        self.assertFalse(self.stayed(tab))

    @staticmethod
    def take_websockets_away(tab):
        tab.call("Page.addScriptToEvaluateOnNewDocument", source="""
            window.WebSocket = class {
                constructor() { setTimeout(() => this.onclose()); }
                close() {}
            };
            window.streams = 0;
            window.EventSource = class extends EventSource {
                constructor(...words) { super(...words); window.streams += 1; }
            };""")

    def test_by_event_source_where_websockets_do_not_get_through(self):
        dev = self.start_dev({"index.html": page('<link rel=stylesheet href="a.css">'), "a.css": ""})
        tab = self.open(dev.url, self.take_websockets_away)
        self.save("a.css", "p { color: rgb(1, 2, 3) }")
        self.until(tab, f"{COLOR} === 'rgb(1, 2, 3)'")
        self.assertTrue(self.stayed(tab))
        self.assertEqual(tab.complaints(), [])

    def test_errors_by_event_source(self):
        """What is said has the name of the stream's own event, which says that it is lost."""
        index = self.pack_tree({"index.html": page()})
        server = self.serve(index)
        tab = self.open(server.url, self.take_websockets_away)
        streams = tab.run("window.streams")
        server.command("announce error it is broken")
        self.until(tab, "document.querySelector('cairn-error') !== null")
        server.command("announce mended")
        self.until(tab, "document.querySelector('cairn-error') === null")
        self.assertEqual(tab.run("window.streams"), streams)
        server = self.restart(server, index)
        cairn.wait_until(lambda: "listeners=1" in server.command("announce mended"), "the page is back")
        self.assertGreater(tab.run("window.streams"), streams)
        self.assertEqual([line for line in tab.complaints() if line.startswith("exception: ")], [])

    def test_back_in_the_history(self):
        """What is shown then is what is served now."""
        dev = self.start_dev({"index.html": page(body="<p id=text>one</p>"), "b.html": page()})
        tab = self.open(dev.url)
        tab.open(f"{dev.url}/b")
        self.until_connected(tab)
        self.save("index.html", page(body="<p id=text>two</p>"))
        cairn.wait_until(lambda: b"two" in dev.get("/").body, "a release")
        tab.run("history.back()")
        self.until(tab, "location.pathname === '/' && document.querySelector('#text').textContent === 'two'")


if __name__ == "__main__":
    unittest.main()
