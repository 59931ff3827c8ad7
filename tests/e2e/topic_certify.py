# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""certify: text, JSON and page; a device that is wrong, one that refuses."""
import html.parser

from harness import DEVICE, DIFFERENT, FAILED, INPUT, OK

# Elements that HTML lets stand without an end.
OPEN = {"!doctype", "meta", "link", "br", "p", "tr", "td", "th", "li"}


class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.stack, self.rows, self.is_balanced = [], 0, True

    def handle_starttag(self, tag, attrs):
        self.rows += tag == "tr"
        if tag not in OPEN:
            self.stack.append(tag)

    def handle_endtag(self, tag):
        if tag not in OPEN:
            self.is_balanced = self.is_balanced and bool(self.stack) and self.stack.pop() == tag


def test(b):
    text = b.good("certify", "--op", "Add")
    b.check("claimed" in text.text and len(text.text.splitlines()) == 1, "one line when all is right", text)
    b.check(len(b.good("certify", "--op", "Add", "-v").text.splitlines()) > 5, "-v lists every pair")
    value = b.json("certify", "--op", "Add", "--op", "Relu", "--json")
    b.check({row["op"] for row in value["rows"]} == {"Add", "Relu"}, f"the operators asked for: {value}")
    b.check(value["right"] == value["claimed"] == value["total"] == len(value["rows"]), f"all are right: {value}")
    b.check(len(value["plugin_sha256"]) == 64 and value["device"] == "cpu:0", "it says of what")
    b.good("certify", "--op", "Relu", "--html", "r.html")
    page = Page()
    source = b.path("r.html").read_text()
    page.feed(source)
    rows = [row for row in value["rows"] if row["op"] == "Relu"]
    b.check(page.is_balanced and not page.stack and page.rows >= len(rows), f"the page is whole: {page.stack}")
    b.check("http" not in source and "<script" not in source, "and needs nothing from elsewhere")

    both = ["--plugins", f"{b.fault}:{b.cpu}", "-d", "fault"]
    relu = b.run("certify", "--op", "Relu", *both, "--json")
    b.check(relu.code == OK and '"claimed": 1,' in relu.text, "a device that claims one dtype", relu)
    wrong = b.run("certify", "--op", "Relu", *both, "--device-option", "fault=wrong-numbers")
    b.check(wrong.code == DIFFERENT and "WRONG" in wrong.text and "the reference says" in wrong.text, "a wrong one",
            wrong)
    b.run("certify", "--op", "Relu", *both, "--device-option", "fault=wrong-numbers", "--html", "wrong.html")
    b.check("WRONG" in b.path("wrong.html").read_text(), "on the page too")
    none = b.run("certify", "--op", "Gemm", *both)
    b.check(none.code == DIFFERENT and "refused" in none.text, "a device that refuses all passes nothing", none)
    lost = b.run("certify", "--op", "Relu", *both, "--device-option", "fault=lost-after=0")
    b.check(lost.code == DIFFERENT and "fell off its bus" in lost.text, "a lost device is told", lost)
    b.bad(INPUT, "Frob", "certify", "--op", "Add", "--op", "Frob")
    b.bad(DEVICE, "npu", "certify", "--device", "npu")
    b.bad(FAILED, "absent/r.html", "certify", "--op", "Relu", "--html", "absent/r.html")
