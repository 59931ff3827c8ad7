-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Where text stands in a picture: the detector of PP-OCR, v3 or v4. It gives every pixel a probability of being in the
-- middle of a line of text; around each region above a threshold lies a rectangle, which is grown to the whole line.
--
--   maru run scripts/models/text_regions.lua --weights ch_PP-OCRv3_det_infer.onnx --input picture=@page.jpg

local maru = require "maru"
local image = require "maru.image"
local shapes = require "maru.shapes"
local vision = require "maru.vision"

-- The network halves a picture five times.
local STRIDE = 32
-- By what pictures are made even, for blue, green and red: those of ImageNet, or half of what there is.
local STATISTICS = {
  imagenet = { mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 } },
  half = { mean = 0.5, std = 0.5 },
}

-- How many strides the sides have when the shorter one is at least `least` pixels long and, before that, the longer one
-- at most `most`; 0: it does not matter.
local function strides(height, width, least, most)
  local factor = math.max(least / math.min(height, width), 1)
  if most > 0 then factor = math.min(factor, most / math.max(height, width)) end
  local function of(side) return math.max(math.floor(math.floor(side * factor) / STRIDE + 0.5), 1) end
  return of(height), of(width)
end

-- Points on whole pixels, as the trainer's tools have them: cut off, or with 0.5 rounded.
local function whole(points, up)
  for i, p in ipairs(points) do points[i] = { math.floor(p[1] + up), math.floor(p[2] + up) } end
  return points
end

-- The corners in pixels of the picture, of which the model saw `seen`, {height, width}; nil for what is too small.
local function to_picture(corners, seen, height, width)
  local function on(value, from, to) return math.max(math.min(math.floor(value / from * to + 0.5), to - 1), 0) end
  for i, p in ipairs(corners) do corners[i] = { on(p[1], seen[2], width), on(p[2], seen[1], height) } end
  corners = shapes.ordered(corners)
  local function length(a, b) return math.sqrt((a[1] - b[1]) ^ 2 + (a[2] - b[2]) ^ 2) end
  if length(corners[1], corners[2]) < 4 or length(corners[1], corners[4]) < 4 then return nil end
  return corners
end

-- In the order of reading: from the top, and from the left where lines begin at nearly the same height.
local function sort(found)
  table.sort(found, function(a, b)
    local p, q = a.corners[1], b.corners[1]
    return p[2] < q[2] or (p[2] == q[2] and p[1] < q[1])
  end)
  for i = 2, #found do
    for k = i, 2, -1 do
      local p, q = found[k - 1].corners[1], found[k].corners[1]
      if math.abs(q[2] - p[2]) >= 10 or q[1] >= p[1] then break end
      found[k - 1], found[k] = found[k], found[k - 1]
    end
  end
end

return maru.model {
  name = "text_regions",
  doc = "Where text stands in a picture: the detector of PP-OCR",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "corners", doc = "f32[n, 4, 2]: of each line, in pixels: top left, top right, bottom right, bottom left" },
    { name = "boxes", doc = "f32[n, 4]: the upright boxes around them: x1, y1, x2, y2" },
    { name = "scores", doc = "f32[n]: the mean probability" },
    { name = "map", doc = "f32[h, w]: the probabilities" },
  },
  draw = { { corners = "corners", scores = "scores" } },
  options = {
    model = { default = "ch_PP-OCRv3_det_infer.onnx", doc = "the file in a folder of weights" },
    statistics = { default = "imagenet", doc = "how pictures are made even: imagenet, or half" },
    least = { default = 0, doc = "pixels that the shorter side has at least, for the model; 0: as many as it has" },
    most = { default = 960, doc = "pixels that the longer side has at most; 0: any" },
    threshold = { default = 0.3, doc = "of a pixel" },
    score = { default = 0.6, doc = "of a region" },
    grow = { default = 1.5, doc = "how far a region is thinner than its line" },
  },

  graph = function(m)
    local norm = STATISTICS[m.options.statistics] or maru.fail("statistics: '%s' is not imagenet or half", m.options.statistics)
    local function per_channel(x) return m:constant(maru.tensor(type(x) == "table" and x or { x, x, x }, "f32"):reshape { 1, 3, 1, 1 }) end
    local height, width = m:symbol("height", { typical = 720 }), m:symbol("width", { typical = 960 })
    local h, w = m:symbol("rows", { typical = 23 }) * STRIDE, m:symbol("columns", { typical = 31 }) * STRIDE
    local x = image.resize(m:input("picture", "f32", { 1, 3, height, width }), h, w)
    x = (x - per_channel(norm.mean)) / per_channel(norm.std)
    local map = maru.onnx(m.options.model, { dims = { x = { 1, 3, h, w } } })(x)
    m:output("map", map:reshape { h, w })
    -- What is text grows by a pixel to the right and down.
    local mask = maru.op("Greater", { map, m.options.threshold }):cast "f32"
    mask = maru.op("MaxPool", { mask:reshape { 1, 1, h, w } }, { kernel_shape = { 2, 2 }, pads = { 1, 1, 0, 0 } })
    m:output("mask", mask:reshape { h, w })
  end,

  run = function(m, input)
    local o, session = m.options, m:session()
    local x = image.to_input(input.picture, { channels = 3, bgr = true })
    local height, width = x.shape[3], x.shape[4]
    local rows, columns = strides(height, width, o.least, o.most)
    session:bind("rows", rows)
    session:bind("columns", columns)
    local out, found = session:run { picture = x }, {}
    for _, region in ipairs(vision.regions(out.mask, { outline = true })) do
      local corners, shorter = shapes.rectangle(region.outline)
      local score = shorter >= 3 and shapes.mean(out.map, corners) or 0
      if score >= o.score then
        local area, length = shapes.measure(corners)
        corners = whole(shapes.grow(whole(corners, 0), area * o.grow / length), 0.5)
        corners, shorter = shapes.rectangle(corners)
        corners = shorter >= 5 and to_picture(corners, { rows * STRIDE, columns * STRIDE }, height, width)
        if corners then found[#found + 1] = { corners = corners, score = score } end
      end
    end
    sort(found)
    if #found == 0 then
      return { corners = maru.zeros { 0, 4, 2 }, boxes = maru.zeros { 0, 4 }, scores = maru.zeros { 0 }, map = out.map }
    end
    local corners, boxes, scores = {}, {}, {}
    for i, line in ipairs(found) do
      local a, b, c, d = table.unpack(line.corners)
      corners[i], scores[i] = line.corners, line.score
      boxes[i] = { math.min(a[1], d[1]), math.min(a[2], b[2]), math.max(b[1], c[1]), math.max(c[2], d[2]) }
    end
    return { corners = maru.tensor(corners, "f32"), boxes = maru.tensor(boxes, "f32"), scores = maru.tensor(scores, "f32"),
      map = out.map }
  end,
}
