-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- image.letterbox on a device: the picture is where vision.from_letterbox says, and fill is around it.

local maru = require "maru"
local image = require "maru.image"
local vision = require "maru.vision"
local check = require "check"

local HEIGHT, WIDTH = 24, 32

return maru.model {
  inputs = { x = { doc = "nothing that matters" } },
  graph = function(m)
    local h, w = m:symbol "h", m:symbol "w"
    local x = m:input("picture", "f32", { 1, 3, h, w })
    local y = image.letterbox(m, x, HEIGHT, WIDTH)
    check.equal(tostring(y), "f32[1, 3, 24, 32]", "dims of the letterbox")
    check.equal(tostring(image.letterbox(m, m:input("fixed", "f32", { 1, 3, 10, 20 }), 8, 8)), "f32[1, 3, 8, 8]", "fixed")
    m:output("boxed", y)
  end,
  run = function(m)
    for _, size in ipairs { { 24, 32 }, { 12, 16 }, { 48, 64 }, { 10, 10 }, { 7, 50 }, { 50, 7 }, { 1, 100 }, { 33, 31 } } do
      local h, w = table.unpack(size)
      local out = m:session():run { picture = maru.full({ 1, 3, h, w }, 1, "f32"), fixed = maru.zeros { 1, 3, 10, 20 } }
      local plane = out.boxed:reshape({ 3, HEIGHT, WIDTH }):slice(0, 2, 3):reshape { HEIGHT, WIDTH }
      local region = vision.regions(plane, { threshold = 0.75 })[1]
      check.close(vision.from_letterbox(maru.tensor({ region.box }, "f32"), h, w, HEIGHT, WIDTH), { { 0, 0, w, h } },
        ("a picture of %d x %d"):format(h, w), 1e-4)
      check.equal(region.area, (region.box[3] - region.box[1]) * (region.box[4] - region.box[2]), "all of it")
      check.close(plane:sum(), region.area + 0.5 * (HEIGHT * WIDTH - region.area), "the fill")
    end
    check.done()
    return { n = check.n }
  end,
}
