-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- maru.shapes against what can be worked out by hand, and image.warp on a device against maru.shapes.

local maru = require "maru"
local image = require "maru.image"
local shapes = require "maru.shapes"
local vision = require "maru.vision"
local check = require "check"

local square = { { 0, 0 }, { 4, 0 }, { 4, 2 }, { 0, 2 } }
local hull = shapes.hull { { 0, 0 }, { 2, 1 }, { 4, 2 }, { 4, 0 }, { 2, 0 }, { 0, 2 }, { 1, 1 }, { 0, 0 } }
check.equal(#hull, 4, "corners of a hull")
check.close({ shapes.measure(hull) }, { 8, 12 }, "area and length")
check.equal(#shapes.hull { { 3, 4 }, { 3, 4 } }, 1, "the hull of a point")
check.close({ shapes.measure(shapes.hull { { 0, 0 }, { 3, 4 }, { 1.5, 2 } }) }, { 0, 10 }, "the hull of a line")
check.close(shapes.ordered { { 4, 2 }, { 0, 2 }, { 4, 0 }, { 0, 0 } }, square, "the order of reading")

local corners, shorter = shapes.rectangle { { 0, 0 }, { 4, 0 }, { 4, 2 }, { 0, 2 }, { 1, 1 } }
check.close(corners, square, "an upright rectangle")
check.close(shorter, 2, "its shorter side")
-- A rectangle of 10 by 2, turned by the angle of a 3-4-5 triangle, with points on its sides.
local function turned(u, v) return { 20 + 0.8 * u - 0.6 * v, 30 + 0.6 * u + 0.8 * v } end
corners, shorter = shapes.rectangle { turned(0, 0), turned(3, 0), turned(10, 0), turned(10, 2), turned(7, 2), turned(0, 2) }
check.close(corners, { turned(0, 0), turned(10, 0), turned(10, 2), turned(0, 2) }, "a turned rectangle")
check.close(shorter, 2, "its shorter side")
check.close(select(2, shapes.rectangle { { 5, 5 } }), 0, "a point")

corners = shapes.rectangle(shapes.grow(square, 3))
check.close(corners, { { -3, -3 }, { 7, -3 }, { 7, 5 }, { -3, 5 } }, "grown")
local grown = shapes.grow(square, 3)
for _, p in ipairs(grown) do
  local dx, dy = math.max(-p[1], p[1] - 4, 0), math.max(-p[2], p[2] - 2, 0)
  check.close(math.sqrt(dx * dx + dy * dy), 3, "as far as it should be")
end
local area = shapes.measure(grown)
check.equal(area > 8 + 12 * 3 + math.pi * 9 * 0.85 and area <= 8 + 12 * 3 + math.pi * 9, true, "round corners")
check.equal(shapes.grow(square, 0), square, "not grown")
check.close(shapes.measure(shapes.grow({ { 1, 1 } }, 2)), math.pi * 4, "a point grows to a circle", 0.2)

local map = maru.arange(12):cast("f32"):reshape { 3, 4 }
check.close(shapes.mean(map, { { 0, 0 }, { 3, 0 }, { 3, 2 }, { 0, 2 } }), 5.5, "the mean of all")
check.close(shapes.mean(map, { { 0, 0 }, { 2, 0 }, { 0, 2 } }), (0 + 1 + 2 + 4 + 5 + 8) / 6, "of a triangle")
check.close(shapes.mean(map, { { -9, 1 }, { 9, 1 } }), 5.5, "of a row")
check.close(shapes.mean(map, { { 2.2, 1.2 }, { 2.4, 1.2 }, { 2.4, 1.4 } }), 0, "of nothing")

local matrix = shapes.perspective(square, { { 1, 1 }, { 9, 0 }, { 8, 6 }, { 2, 7 } })
for i, to in ipairs { { 1, 1 }, { 9, 0 }, { 8, 6 }, { 2, 7 } } do
  local p = matrix:matmul { { square[i][1] }, { square[i][2] }, { 1 } }
  check.close({ p:get(0, 0) / p:get(2, 0), p:get(1, 0) / p:get(2, 0) }, to, "a corner in perspective")
end
check.fails("three of the points lie on one line", shapes.perspective, { { 0, 0 }, { 1, 1 }, { 2, 2 }, { 0, 1 } }, square)

local ring = maru.tensor({ { 0, 1, 1, 1 }, { 0, 1, 0, 1 }, { 0, 0, 0, 1 } }, "f32")
check.close(vision.regions(ring, { outline = true })[1].outline, { { 1, 0 }, { 3, 0 }, { 1, 1 }, { 3, 1 }, { 3, 2 } }, "outline")
check.equal(vision.regions(ring)[1].outline, nil, "none is asked for")

return maru.model {
  inputs = { x = { doc = "nothing that matters" } },
  graph = function(m)
    local h, w = m:symbol "h", m:symbol "w"
    local picture, to = m:input("picture", "f32", { 1, 1, 3, 4 }), m:input("matrix", "f32", { 3, 3 })
    for _, mode in ipairs { "linear", "nearest", "cubic" } do
      local y = image.warp(m, picture, to, h, w, mode)
      check.equal(tostring(y), "f32[1, 1, h, w]", "dims of what is seen")
      m:output(mode, y)
    end
  end,
  run = function(m)
    local function seen(h, w, from, to)
      m:session():bind("h", h)
      m:session():bind("w", w)
      return m:session():run { picture = map:reshape { 1, 1, 3, 4 }, matrix = shapes.perspective(from, to) }
    end
    local whole = { { 0, 0 }, { 3, 0 }, { 3, 2 }, { 0, 2 } }
    for _, mode in ipairs { "linear", "nearest", "cubic" } do
      check.close(seen(3, 4, whole, whole)[mode], map, "nothing changes: " .. mode)
      local quarter = seen(4, 3, { { 0, 0 }, { 0, 3 }, { 2, 3 }, { 2, 0 } }, { { 0, 2 }, { 3, 2 }, { 3, 0 }, { 0, 0 } })
      check.close(quarter[mode], { { 8, 4, 0 }, { 9, 5, 1 }, { 10, 6, 2 }, { 11, 7, 3 } }, "a quarter turn: " .. mode)
    end
    local half = seen(1, 3, { { 0, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 } }, { { 0.5, 0.5 }, { 1.5, 0.5 }, { 1.5, 1.5 }, { 0.5, 1.5 } })
    check.close(half.linear, { 2.5, 3.5, 4.5 }, "between pixels")
    local beyond = seen(1, 2, { { 0, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 } }, { { -5, -5 }, { 9, -5 }, { 9, 9 }, { -5, 9 } })
    check.close(beyond.linear, { 0, 3 }, "beyond the edges")
    -- Along the diagonal of a perspective the points are where the matrix says.
    local tilted = seen(1, 2, { { 0, 0 }, { 1, 0 }, { 1, 1 }, { 0, 1 } }, { { 0, 0 }, { 3, 0.5 }, { 2, 2 }, { 0, 1 } })
    check.close(tilted.linear, { 0, 5 }, "in perspective", 1e-4)
    check.done()
    return { n = check.n }
  end,
}
