-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Faces in a picture: Ultra-Light-Fast-Generic-Face-Detector, RFB-320,
-- the file whose boxes are decoded.
--
--   maru run scripts/models/ultraface.lua --weights version-RFB-320.onnx --input picture=@grace_hopper.jpg

local maru = require "maru"
local image = require "maru.image"
local vision = require "maru.vision"

local WIDTH, HEIGHT = 320, 240

return maru.model {
  name = "ultraface",
  doc = "Faces in a picture: UltraFace RFB-320",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "boxes", doc = "f32[n, 4]: x1, y1, x2, y2 in pixels of the picture, the surest first" },
    { name = "scores", doc = "f32[n]" },
  },
  draw = { { boxes = "boxes", scores = "scores" } },
  options = {
    score = { default = 0.7, doc = "what is not above it is no face" },
    iou = { default = 0.3, doc = "faces that overlap more are one" },
  },

  graph = function(m)
    local net = maru.onnx "version-RFB-320.onnx"
    local height, width = m:symbol("height", { typical = 480 }), m:symbol("width", { typical = 640 })
    local x = m:input("picture", "f32", { 1, 3, height, width })
    local scores, boxes = net(image.resize(x, HEIGHT, WIDTH))
    m:output("scores", scores:slice(2, 1, 2):reshape { -1 })
    m:output("boxes", boxes:reshape { -1, 4 })
  end,

  run = function(m, input)
    local x = image.to_input(input.picture, { channels = 3, scale = 1, mean = 127, std = 128 })
    local out = m:session():run { picture = x }
    local w, h = x.shape[4], x.shape[3]
    local boxes = out.boxes * maru.tensor({ w, h, w, h }, "f32")
    local found = vision.detect(boxes, out.scores, { score = m.options.score, iou = m.options.iou })
    return { boxes = found.boxes, scores = found.scores }
  end,
}
