-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Faces in a picture, with five points each: YuNet. The picture goes in as blue, green, red from 0 to 255.
--
--   maru run scripts/models/yunet.lua --weights yunet_n_320_320.onnx --input picture=@grace_hopper.jpg

local maru = require "maru"
local image = require "maru.image"
local vision = require "maru.vision"

local SIZE = 320
local STRIDES = { 8, 16, 32 }

return maru.model {
  name = "yunet",
  doc = "Faces in a picture and the eyes, nose and mouth of each: YuNet",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "boxes", doc = "f32[n, 4]: x1, y1, x2, y2 in pixels of the picture, the surest first" },
    { name = "scores", doc = "f32[n]" },
    { name = "points", doc = "f32[n, 5, 2]: right eye, left eye, nose, right and left corner of the mouth" },
  },
  draw = { { boxes = "boxes", scores = "scores" }, { points = "points" } },
  options = {
    score = { default = 0.6, doc = "what is not above it is no face" },
    iou = { default = 0.45, doc = "faces that overlap more are one" },
  },

  graph = function(m)
    local net = maru.onnx "yunet_n_320_320.onnx"
    local height, width = m:symbol("height", { typical = 480 }), m:symbol("width", { typical = 640 })
    local x = m:input("picture", "f32", { 1, 3, height, width })
    local out = { net(image.resize(x, SIZE, SIZE):gather({ 2, 1, 0 }, 1)) }
    for i, stride in ipairs(STRIDES) do
      local cells = (SIZE // stride) * (SIZE // stride)
      local class, object, box, points = out[i], out[3 + i], out[6 + i], out[9 + i]
      m:output("score_" .. stride, (class * object):sqrt():reshape { cells })
      m:output("box_" .. stride, box:reshape { cells, 4 })
      m:output("points_" .. stride, points:reshape { cells, 10 })
    end
  end,

  run = function(m, input)
    local x = image.to_input(input.picture, { channels = 3, scale = 1 })
    local out = m:session():run { picture = x }
    local scores, boxes, marks = {}, {}, {}
    for i, stride in ipairs(STRIDES) do
      local n = SIZE // stride
      -- Centre and points are relative to the corner of a cell, in cells; sizes are logarithms.
      local corner = vision.points(n, n, stride, 0)
      local box, point = out["box_" .. stride], out["points_" .. stride]
      local center = corner + box:slice(1, 0, 2) * stride
      scores[i] = out["score_" .. stride]
      boxes[i] = vision.corners(maru.join({ center, box:slice(1, 2, 4):exp() * stride }, 1), "cxcywh")
      marks[i] = point * stride + maru.join({ corner, corner, corner, corner, corner }, 1)
    end
    scores, boxes, marks = maru.join(scores, 0), maru.join(boxes, 0), maru.join(marks, 0)
    local sx, sy = x.shape[4] / SIZE, x.shape[3] / SIZE
    boxes = boxes * maru.tensor({ sx, sy, sx, sy }, "f32")
    marks = marks * maru.tensor({ sx, sy, sx, sy, sx, sy, sx, sy, sx, sy }, "f32")
    local sure = scores:totable()
    local found = { boxes = {}, scores = {}, points = {} }
    for _, at in ipairs(vision.nms(boxes, scores, { iou = m.options.iou })) do
      if sure[at + 1] > m.options.score then
        local n = #found.scores + 1
        found.scores[n] = sure[at + 1]
        found.boxes[n], found.points[n] = boxes:slice(0, at, at + 1), marks:slice(0, at, at + 1)
      end
    end
    local n = #found.scores
    if n == 0 then return { boxes = maru.zeros { 0, 4 }, scores = maru.zeros { 0 }, points = maru.zeros { 0, 5, 2 } } end
    return {
      boxes = maru.join(found.boxes, 0),
      scores = maru.tensor(found.scores, "f32"),
      points = maru.join(found.points, 0):reshape { n, 5, 2 },
    }
  end,
}
