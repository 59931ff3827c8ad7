-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What stands in a picture, in Chinese and English: PP-OCR v4. Lines of text are found, cut out upright, turned when they
-- stand on their head, and read.
--
--   maru fetch ppocr
--   maru run scripts/models/ocr.lua --input picture=@page.jpg

local maru = require "maru"
local image = require "maru.image"
local shapes = require "maru.shapes"

-- Of the pictures of lines that are read at a time: they get the width of the widest.
local GROUP, HEIGHT, WIDTH = 6, 48, 320

local function distance(a, b) return math.sqrt((a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2) end

-- The line between four corners: a picture as wide as its longer edge, turned a quarter where it is upright, and by a
-- half if it stands on its head.
local function cut(m, picture, corners, on_its_head)
  local a, b, c, d = table.unpack(corners)
  local width = math.max(math.floor(math.max(distance(a, b), distance(c, d))), 1)
  local height = math.max(math.floor(math.max(distance(a, d), distance(b, c))), 1)
  local to = { { 0, 0 }, { width, 0 }, { width, height }, { 0, height } }
  if height / width >= 1.5 then
    to = { { 0, width - 1 }, { 0, -1 }, { height, -1 }, { height, width - 1 } }
    width, height = height, width
  end
  if on_its_head then
    for i, p in ipairs(to) do to[i] = { width - 1 - p[1], height - 1 - p[2] } end
  end
  local session = m:session()
  session:bind("line_height", height)
  session:bind("line_width", width)
  return session:run({ picture = picture, matrix = shapes.perspective(to, corners) }).line
end

-- The lines of a group, the narrowest first: what they say goes into their `text` and `score`.
local function read(m, group)
  local widest = WIDTH / HEIGHT
  for _, line in ipairs(group) do widest = math.max(widest, line.ratio) end
  for _, line in ipairs(group) do
    local got = m:part("read"):run { picture = line.picture, width = math.floor(HEIGHT * widest) }
    line.text, line.score = got.text, got.score
  end
end

return maru.model {
  name = "ocr",
  doc = "What stands in a picture, in Chinese and English: PP-OCR v4",
  fetch = "ppocr",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "text", doc = "the lines, from the top" },
    { name = "scores", doc = "f32[n]: the mean probability of their characters" },
    { name = "corners", doc = "f32[n, 4, 2], in pixels: top left, top right, bottom right, bottom left" },
  },
  draw = { { corners = "corners", labels = "text", scores = "scores" } },
  options = {
    score = { default = 0.5, doc = "what is read with less is left out" },
    turn = { default = 0.9, doc = "a line is turned if it is on its head with more than this" },
  },
  parts = {
    detect = {
      require "text_regions",
      options = { model = "ch_PP-OCRv4_det_infer.onnx", statistics = "half", least = 736, most = 0, score = 0.5, grow = 1.6 },
    },
    direction = require "text_direction",
    read = require "text_line",
  },

  -- Cuts a line out of the picture.
  graph = function(m)
    local height, width = m:symbol("height", { typical = 720 }), m:symbol("width", { typical = 960 })
    local h, w = m:symbol("line_height", { typical = 32 }), m:symbol("line_width", { typical = 240 })
    local picture, matrix = m:input("picture", "f32", { 1, 3, height, width }), m:input("matrix", "f32", { 3, 3 })
    local line = image.warp(m, picture, matrix, h, w, "cubic"):round():clip(0, 255)
    m:output("line", line:reshape({ 3, h, w }):transpose(1, 2, 0):cast "u8")
  end,

  run = function(m, input)
    local picture = image.to_input(input.picture, { channels = 3, scale = 1 })
    local lines = {}
    for i, corners in ipairs(m:part("detect"):run({ picture = input.picture }).corners:totable()) do
      local line = { corners = corners, picture = cut(m, picture, corners) }
      local direction = m:part("direction"):run { picture = line.picture }
      if direction.degrees:item() == 180 and direction.score:item() > m.options.turn then
        line.picture = cut(m, picture, corners, true)
      end
      line.ratio = line.picture.shape[2] / line.picture.shape[1]
      lines[i] = line
    end
    local by_width = table.move(lines, 1, #lines, 1, {})
    table.sort(by_width, function(a, b) return a.ratio < b.ratio end)
    for first = 1, #by_width, GROUP do
      read(m, table.move(by_width, first, math.min(first + GROUP - 1, #by_width), 1, {}))
    end
    local out = { text = {}, scores = {}, corners = {} }
    for _, line in ipairs(lines) do
      if line.score >= m.options.score then
        local n = #out.text + 1
        out.text[n], out.scores[n], out.corners[n] = line.text, line.score, line.corners
      end
    end
    out.corners = #out.corners > 0 and maru.tensor(out.corners, "f32") or maru.zeros { 0, 4, 2 }
    out.scores = maru.tensor(out.scores, "f32")
    return out
  end,
}
