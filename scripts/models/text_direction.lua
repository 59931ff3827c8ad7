-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Whether the picture of a line of text stands on its head: the classifier of PP-OCR.
--
--   maru run scripts/models/text_direction.lua --weights ch_ppocr_mobile_v2.0_cls_infer.onnx --input picture=@line.jpg

local maru = require "maru"
local image = require "maru.image"

local HEIGHT, WIDTH = 48, 192

return maru.model {
  name = "text_direction",
  doc = "Whether a line of text stands on its head: the classifier of PP-OCR",
  inputs = { picture = { doc = "u8[height, width, 3]: one line of text" } },
  outputs = {
    { name = "degrees", doc = "0, or 180 for a line on its head" },
    { name = "score", doc = "of that" },
  },
  draw = { { bars = "score", labels = "degrees" } },

  graph = function(m)
    local height, width = m:symbol("height", { typical = 48 }), m:symbol("width", { typical = 192 })
    local inner = m:symbol("inner", { max = WIDTH, typical = WIDTH })
    local picture = m:input("picture", "f32", { 1, 3, height, width })
    -- As wide as it is at that height, then grey (0) to the right.
    local x = image.resize(picture, HEIGHT, inner)
    local rest = m:constant({ 0 }, "f32"):expand { 1, 3, HEIGHT, WIDTH - inner }
    x = maru.concat({ x, rest }, 3)
    local net = maru.onnx("ch_ppocr_mobile_v2.0_cls_infer.onnx", { dims = { x = { 1, 3, HEIGHT, WIDTH } } })
    m:output("scores", net(x:reshape { 1, 3, HEIGHT, WIDTH }))
  end,

  run = function(m, input)
    local s = input.picture.shape
    local inner = math.max(math.min(math.ceil(HEIGHT * s[2] / s[1]), WIDTH), 1)
    local x = image.to_input(input.picture, { channels = 3, mean = 0.5, std = 0.5, bgr = true })
    m:session():bind("inner", inner)
    local scores = m:session():run({ picture = x }).scores
    return { degrees = maru.tensor(scores:argmax() * 180), score = maru.tensor(scores:max(), "f32") }
  end,
}
