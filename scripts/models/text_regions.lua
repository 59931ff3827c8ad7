-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Where text stands in a picture: the detector of PP-OCR v3. It gives every pixel a probability of being in the middle
-- of a line of text; the regions above a threshold are grown to boxes of whole lines.
--
--   maru run scripts/models/text_regions.lua --weights ch_PP-OCRv3_det_infer.onnx --input picture=@page.jpg

local maru = require "maru"
local image = require "maru.image"
local vision = require "maru.vision"

-- The size of a picture that is made as large as it fits.
local function fit(height, width, most_height, most_width)
  local factor = math.min(most_height / height, most_width / width)
  return math.max(math.floor(height * factor + 0.5), 1), math.max(math.floor(width * factor + 0.5), 1)
end

-- A region is the line made thinner: it grows by area * ratio / perimeter on each side.
local function grow(box, ratio, height, width)
  local w, h = box[3] - box[1], box[4] - box[2]
  local by = w * h * ratio / (2 * (w + h))
  return { math.max(box[1] - by, 0), math.max(box[2] - by, 0), math.min(box[3] + by, width), math.min(box[4] + by, height) }
end

return maru.model {
  name = "text_regions",
  doc = "Where text stands in a picture: the detector of PP-OCR v3",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "boxes", doc = "f32[n, 4]: x1, y1, x2, y2 in pixels of the picture, from the top" },
    { name = "scores", doc = "f32[n]: the mean probability" },
    { name = "map", doc = "f32[h, w]: the probabilities" },
  },
  options = {
    height = { default = 640, doc = "of what the model sees; a multiple of 32" },
    width = { default = 640, doc = "the same; the picture is made as large as it fits" },
    threshold = { default = 0.3, doc = "of a pixel" },
    score = { default = 0.6, doc = "of a region" },
    grow = { default = 1.5, doc = "how far a region is thinner than its line" },
  },

  graph = function(m)
    local h, w = m.options.height, m.options.width
    if h % 32 ~= 0 or w % 32 ~= 0 then maru.fail("height %d and width %d must be multiples of 32", h, w) end
    local height, width = m:symbol("height", { typical = 720 }), m:symbol("width", { typical = 960 })
    local inner_h, inner_w = m:symbol("inner_h", { max = h, typical = h }), m:symbol("inner_w", { max = w, typical = w })
    local x = image.resize(m:input("picture", "f32", { 1, 3, height, width }), inner_h, inner_w)
    local function fill(...) return m:constant({ 0 }, "f32"):expand { 1, 3, ... } end
    x = maru.concat({ x, fill(inner_h, w - inner_w) }, 3)
    x = maru.concat({ x, fill(h - inner_h, w) }, 2)
    local net = maru.onnx("ch_PP-OCRv3_det_infer.onnx", { dims = { x = { 1, 3, h, w } } })
    m:output("map", net(x:reshape { 1, 3, h, w }):reshape { h, w })
  end,

  run = function(m, input)
    local o, s = m.options, input.picture.shape
    local h, w = fit(s[1], s[2], o.height, o.width)
    local x = image.to_input(input.picture, { channels = 3, mean = { 0.485, 0.456, 0.406 }, std = { 0.229, 0.224, 0.225 } })
    m:session():bind("inner_h", h)
    m:session():bind("inner_w", w)
    local map = m:session():run({ picture = x }).map:slice(0, 0, h):slice(1, 0, w)
    local boxes, scores = {}, {}
    for _, region in ipairs(vision.regions(map, { threshold = o.threshold, min_area = 9 })) do
      if region.score > o.score then
        local b = grow(region.box, o.grow, h, w)
        boxes[#boxes + 1] = { b[1] * s[2] / w, b[2] * s[1] / h, b[3] * s[2] / w, b[4] * s[1] / h }
        scores[#scores + 1] = region.score
      end
    end
    return {
      boxes = #boxes > 0 and maru.tensor(boxes, "f32") or maru.zeros { 0, 4 },
      scores = maru.tensor(scores, "f32"),
      map = map,
    }
  end,
}
