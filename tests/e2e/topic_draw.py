# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""What a model gives, drawn on the picture or the sound that came in."""
import math
import xml.dom.minidom

from harness import INPUT, USAGE, npy, png, wav

RED, GREEN, YELLOW = (230, 57, 70), (42, 157, 143), (255, 183, 3)  # of the first layers

# Draws what the options say: `draw` chooses the layers.
SCRIPT = """local maru = require "maru"
local nan, far = 0 / 0, 1e30
return maru.model {
  name = "drawn",
  inputs = { picture = { default = false }, sound = { default = false } },
  options = { shift = { default = 0.0 } },
  draw = {
    { boxes = "boxes", labels = "names", scores = "scores" },
    { points = "points" },
    { mask = "mask" },
    { segments = "parts" },
    { curve = "curve", every = 0.05 },
    { sound = "echo" },
    { bars = "scores", labels = "names" },
  },
  graph = function(m) m:output("y", m:input("x", "f32", { 1 }) + 1) end,
  run = function(m, input)
    if input.sound then
      return { parts = maru.tensor({ { 0.25, 0.5 } }, "f32"), curve = maru.full({ 20 }, 0.5), echo = input.sound * 0.5,
        scores = maru.tensor({ 0.25, 1.5 }, "f32"), names = { "low", "high" } }
    end
    local s = m.options.shift
    local mask = maru.zeros({ 10, 20 }, "u8")
    for x = 10, 19 do mask:set(1, 9, x) end
    return {
      boxes = maru.tensor({ { 100 + s, 50 + s, 300 + s, 150 + s }, { nan, 1, far, -far }, { 5, 5, -far, 9 } }, "f32"),
      names = { 'a "<&>" b', "\\u{AC00}\\u{B098}" , "\\xff\\x01x" }, scores = maru.tensor({ 0.5, 0.25, 1 }, "f32"),
      points = maru.tensor({ { { 400, 100 }, { nan, nan } } }, "f32"),
      mask = mask,
    }
  end,
}
"""


def pixels_of(b, path):
    value = b.json("dump", path, "--json")
    height, width, channels = value["dims"]
    b.check(channels == 3, f"{path} has three channels")

    def at(x, y):
        first = (y * width + x) * 3
        return tuple(value["data"][first:first + 3])
    return width, height, at


def near(got, want, off=2):
    return all(abs(x - y) <= off for x, y in zip(got, want))


def test_picture(b):
    b.write("p.png", png(600, 200, bytes([100, 100, 100]) * 600 * 200))
    words = ["run", "draw.lua", "-i", "picture=@p.png"]
    told = b.good(*words, "--draw", "out.png")
    b.check("boxes" in told.text, "the outputs are printed, too", told)
    width, height, at = pixels_of(b, "out.png")
    b.check((width, height) == (600, 200), f"as large as the picture: {width} x {height}")
    for x, y in [(100, 60), (100, 140), (250, 50), (150, 150), (300, 100)]:
        b.check(near(at(x, y), RED), f"the box at {x}, {y}: {at(x, y)}")
    for x, y in [(200, 100), (450, 60), (320, 100), (20, 180)]:
        b.check(near(at(x, y), (100, 100, 100)), f"no box at {x}, {y}: {at(x, y)}")
    b.check(near(at(400, 100), GREEN), f"a point: {at(400, 100)}")
    mixed = tuple(100 + 0.45 * (c - 100) for c in YELLOW)
    b.check(near(at(310, 199), mixed) and near(at(590, 182), mixed), f"the mask, stretched: {at(310, 199)}")
    b.check(not near(at(104, 44), (100, 100, 100)) and not near(at(10, 10), (100, 100, 100)), "a label, and bars")
    # Moved by what an option says, the box is elsewhere.
    b.good(*words, "--draw", "out.png", "--set", "shift=20.0")
    _, _, at = pixels_of(b, "out.png")
    b.check(near(at(120, 100), RED) and near(at(100, 120), (100, 100, 100)), "the box was moved")
    b.write("small.png", png(30, 20, bytes(range(200)) * 9))
    b.good("run", "draw.lua", "-i", "picture=@small.png", "--draw", "small.out.PNG")
    width, height, at = pixels_of(b, "small.out.PNG")
    b.check((width, height) == (480, 320), f"small ones are enlarged: {width} x {height}")
    b.check(near(at(479, 100), tuple((6 * 90 + 87 + k) % 200 for k in range(3))), f"by whole pixels: {at(479, 100)}")


def test_svg(b):
    b.good("run", "draw.lua", "-i", "picture=@p.png", "--draw", "out.svg")
    page = xml.dom.minidom.parse(str(b.path("out.svg")))
    root = page.documentElement
    b.check((root.tagName, root.getAttribute("width"), root.getAttribute("height")) == ("svg", "600", "200"), "its size")
    pictures = [e.getAttribute("href") for e in page.getElementsByTagName("image")]
    b.check(len(pictures) == 2 and all(p.startswith("data:image/png;base64,") for p in pictures), "picture and mask")
    boxes = [e.getAttribute("points") for e in page.getElementsByTagName("polygon")]
    b.check(boxes == ["100.00,50.00 300.00,50.00 300.00,150.00 100.00,150.00"], f"what is no place is left out: {boxes}")
    texts = [e.firstChild.data for e in page.getElementsByTagName("text")]
    b.check('a "<&>" b 0.50' in texts, f"what XML has for itself is escaped: {texts}")
    b.check(any("\uac00\ub098" in t for t in texts) and any(t.startswith("? x") for t in texts), f"any script: {texts}")


def test_sound(b):
    b.write("s.wav", wav(8000, [int(20000 * math.sin(i / 5)) for i in range(8000)]))
    b.good("run", "draw.lua", "-i", "sound=@s.wav", "--draw", "s.png")
    width, height, at = pixels_of(b, "s.png")
    b.check((width, height) == (1200, 348), f"two waves and an axis: {width} x {height}")
    b.check(near(at(700, 2), (255, 255, 255)) and not near(at(400, 2), (255, 255, 255)), "a segment is tinted")
    b.check(near(at(100, 80 - 3), (155, 93, 229), 60) or not near(at(100, 80), (255, 255, 255)), "a wave is there")
    b.check(not near(at(900, 240), (255, 255, 255)), "and what was made of it")
    b.good("run", "draw.lua", "-i", "sound=@s.wav", "--draw", "s.svg")
    xml.dom.minidom.parse(str(b.path("s.svg")))
    told = b.good("run", "draw.lua", "-i", "sound=@s.wav", "--draw", "-").text
    lines = told.splitlines()
    b.check(len(lines) == 3 and set(lines[0]) == {"▄"}, f"a curve as text: {told}")
    b.check(lines[1].startswith("low ") and lines[1].count("█") == 10 and lines[2].count("█") == 40 and "1.500" in lines[2],
            f"bars: {told}")


def test_refusals(b):
    words = ["run", "draw.lua", "-i", "picture=@p.png"]
    b.bad(USAGE, ["out.gif", ".svg"], *words, "--draw", "out.gif")
    b.bad(INPUT, ["absent/out.png"], *words, "--draw", "absent/out.png")
    b.bad(INPUT, ["no picture and no sound"], "run", "draw.lua", "--draw", "out.png")
    b.write("grey.npy", npy("|u1", [480, 500], bytes(500 * 480)))
    b.good("run", "draw.lua", "-i", "picture=@grey.npy", "--draw", "grey.png")
    b.write("plain.lua", 'return require "maru".model { graph = function(m) m:output("y", m:input("x", "f32", {1})) end }\n')
    b.bad(INPUT, ["says of no output"], "run", "plain.lua", "-i", "x=[1]", "--draw", "out.png")
    for text, names in [("3", ["'draw'", "list"]), ("{ 3 }", ["'draw'", "list"]), ("{ {} }", ["one of boxes"]),
                        ("{ { box = 'y' } }", ["'box'", "boxes"]), ("{ { boxes = 1 } }", ["'boxes'", "name of an output"]),
                        ("{ { boxes = 'a', mask = 'b' } }", ["one of boxes"]), ("{ { curve = 'a', every = 'b' } }", ["every"])]:
        b.write("bad.lua", f"return require 'maru'.model {{ graph = print, draw = {text} }}\n")
        b.bad(INPUT, names, "run", "bad.lua", "--draw", "-")
    b.write("none.lua", "return require 'maru'.model { graph = function(m) m:output('y', m:input('x', 'f32', {1})) end, "
            "run = function() return { y = 'text' } end, draw = { { boxes = 'y' }, { mask = 'gone' } } }\n")
    b.bad(INPUT, ["bars and curves"], "run", "none.lua", "--draw", "-")


def test(b):
    b.write("draw.lua", SCRIPT)
    test_picture(b)
    test_svg(b)
    test_sound(b)
    test_refusals(b)
