-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- The road in a picture from a car: TwinLiteNet, the area to drive on and the lines of lanes.
--
--   maru run scripts/models/twinlitenet.lua --weights best.onnx --input picture=@road.jpg --save overlay=road.png

local maru = require "maru"
local image = require "maru.image"

local HEIGHT, WIDTH = 360, 640

return maru.model {
  name = "twinlitenet",
  doc = "The area to drive on and the lines of lanes: TwinLiteNet",
  inputs = { picture = { doc = "u8[height, width, 3], of any size" } },
  outputs = {
    { name = "overlay", doc = "u8[360, 640, 3]: the picture, the area green, the lines red" },
    { name = "area", doc = "u8[360, 640]: 1 where a car may drive" },
    { name = "lanes", doc = "u8[360, 640]: 1 on a line" },
    { name = "area_share", doc = "part of the picture" },
    { name = "lanes_share", doc = "part of the picture" },
  },
  draw = { { mask = "lanes" }, { mask = "area" } },

  graph = function(m)
    local height, width = m:symbol("height", { typical = 720 }), m:symbol("width", { typical = 1280 })
    local picture = m:input("picture", "u8", { height, width, 3 })
    local x = picture:cast("f32"):transpose(2, 0, 1):reshape { 1, 3, height, width } / 255
    x = image.resize(x, HEIGHT, WIDTH)
    local net = maru.onnx "best.onnx"
    local area, lanes = net(x)
    -- Two channels each: background, and what is looked for.
    local function mask(scores) return scores:argmax(1):reshape { HEIGHT, WIDTH } end
    area, lanes = mask(area), mask(lanes)
    local pixels = (x:reshape({ 3, HEIGHT, WIDTH }):transpose(1, 2, 0) * 255):round()
    local function paint(mask_of, color, on)
      local is = mask_of:reshape({ HEIGHT, WIDTH, 1 }):cast "bool"
      return maru.where(is, m:constant(color, "f32"), on)
    end
    m:output("overlay", paint(lanes, { 255, 0, 0 }, paint(area, { 0, 255, 0 }, pixels)):cast "u8")
    m:output("area", area:cast "u8")
    m:output("lanes", lanes:cast "u8")
    m:output("area_share", area:cast("f32"):mean())
    m:output("lanes_share", lanes:cast("f32"):mean())
  end,
}
