-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What lies at an angle in a picture. A polygon is a list of points {x, y},
-- in pixels; y grows downwards. For upright boxes see maru.vision.

local maru = require "maru"

local shapes = {}

local function cross(o, a, b) return (a[1] - o[1]) * (b[2] - o[2]) - (a[2] - o[2]) * (b[1] - o[1]) end

-- One side of a hull: the points that turn one way, without those on a straight line.
local function half_hull(points, first, past, step)
  local side = {}
  for i = first, past, step do
    while #side >= 2 and cross(side[#side - 1], side[#side], points[i]) <= 0 do side[#side] = nil end
    side[#side + 1] = points[i]
  end
  side[#side] = nil
  return side
end

--- The convex polygon around points; of points on a line the two at its ends, of equal ones one.
---@param points number[][]
---@return number[][]
function shapes.hull(points)
  local sorted = table.move(points, 1, #points, 1, {})
  table.sort(sorted, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
  local apart = {}
  for _, p in ipairs(sorted) do
    local last = apart[#apart]
    if not last or p[1] ~= last[1] or p[2] ~= last[2] then apart[#apart + 1] = p end
  end
  if #apart < 3 then return apart end
  local hull = half_hull(apart, 1, #apart, 1)
  for _, p in ipairs(half_hull(apart, #apart, 1, -1)) do hull[#hull + 1] = p end
  return hull
end

-- The extent of points along a direction.
local function extent(points, x, y)
  local least, most = math.huge, -math.huge
  for _, p in ipairs(points) do
    local at = p[1] * x + p[2] * y
    least, most = math.min(least, at), math.max(most, at)
  end
  return least, most
end

--- Four corners in the order of reading: top left, top right, bottom right, bottom left. The two on the left come first
--- by x, then the upper one of each two.
---@param corners number[][]
---@return number[][]
function shapes.ordered(corners)
  local sorted = table.move(corners, 1, 4, 1, {})
  table.sort(sorted, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
  local left = sorted[1][2] <= sorted[2][2] and { sorted[1], sorted[2] } or { sorted[2], sorted[1] }
  local right = sorted[3][2] <= sorted[4][2] and { sorted[3], sorted[4] } or { sorted[4], sorted[3] }
  return { left[1], right[1], right[2], left[2] }
end

--- The smallest rectangle around points, at any angle: its corners in the order of reading, and its shorter side.
---@param points number[][]
---@return number[][] corners
---@return number shorter
function shapes.rectangle(points)
  local hull = shapes.hull(points)
  local best
  for i, a in ipairs(hull) do
    local b = hull[i % #hull + 1]
    local x, y = b[1] - a[1], b[2] - a[2]
    local length = math.sqrt(x * x + y * y)
    if length == 0 then x, y = 1.0, 0.0 else x, y = x / length, y / length end
    local u1, u2 = extent(hull, x, y)
    local v1, v2 = extent(hull, -y, x)
    local area = (u2 - u1) * (v2 - v1)
    if not best or area < best.area then best = { area = area, x = x, y = y, u1 = u1, u2 = u2, v1 = v1, v2 = v2 } end
  end
  local function corner(u, v) return { u * best.x - v * best.y, u * best.y + v * best.x } end
  local corners = {
    corner(best.u1, best.v1), corner(best.u2, best.v1), corner(best.u2, best.v2), corner(best.u1, best.v2),
  }
  return shapes.ordered(corners), math.min(best.u2 - best.u1, best.v2 - best.v1)
end

--- The area of a polygon and the length of its outline.
---@param polygon number[][]
---@return number area
---@return number length
function shapes.measure(polygon)
  local area, length = 0.0, 0.0
  for i, a in ipairs(polygon) do
    local b = polygon[i % #polygon + 1]
    area = area + a[1] * b[2] - a[2] * b[1]
    length = length + math.sqrt((b[1] - a[1]) ^ 2 + (b[2] - a[2]) ^ 2)
  end
  return math.abs(area) / 2, length
end

--- A convex polygon made larger by a distance on all sides. Its corners are round: arcs of points, no further than a
--- quarter of a pixel from the circle.
---@param polygon number[][]
---@param distance number
---@return number[][]
function shapes.grow(polygon, distance)
  if distance <= 0 then return polygon end
  local error = math.min(0.25, distance / 4)
  local step, grown = 2 * math.acos(1 - error / distance), {}
  local hull = shapes.hull(polygon)
  -- The hull goes round with the outside of an edge (x, y) at (y, -x).
  local function outside(i)
    local a, b = hull[(i - 1) % #hull + 1], hull[i % #hull + 1]
    return math.atan(-(b[1] - a[1]), b[2] - a[2])
  end
  for i, p in ipairs(hull) do
    local from = outside(i - 1)
    local turn = #hull == 1 and 2 * math.pi or (outside(i) - from) % (2 * math.pi)
    local n = math.max(math.floor(turn / step + 0.5), 1)
    for k = 0, n do
      local angle = from + turn * k / n
      grown[#grown + 1] = { p[1] + distance * math.cos(angle), p[2] + distance * math.sin(angle) }
    end
  end
  return grown
end

-- Where a convex polygon meets the row at y, from x1 to x2; nil where it does not.
local function across(polygon, y)
  local x1, x2
  for i, a in ipairs(polygon) do
    local b = polygon[i % #polygon + 1]
    local low, high = math.min(a[2], b[2]), math.max(a[2], b[2])
    if low <= y and y <= high then
      local xs = low == high and { a[1], b[1] } or { a[1] + (b[1] - a[1]) * (y - a[2]) / (b[2] - a[2]) }
      for _, x in ipairs(xs) do x1, x2 = math.min(x1 or x, x), math.max(x2 or x, x) end
    end
  end
  return x1, x2
end

--- The mean of a map, f32[height, width], over the pixels whose middles are inside a convex polygon or on its edge,
--- pixel (0, 0) being the point {0, 0}; 0 where there are none.
---@param map maru.tensor
---@param polygon number[][]
---@return number
function shapes.mean(map, polygon)
  local height, width = map.shape[1], map.shape[2]
  local top, bottom = extent(polygon, 0, 1)
  local sum, count = 0.0, 0
  for y = math.max(math.ceil(top), 0), math.min(math.floor(bottom), height - 1) do
    local x1, x2 = across(polygon, y)
    local first, past = math.max(math.ceil(x1 - 1e-6), 0), math.min(math.floor(x2 + 1e-6), width - 1) + 1
    if past > first then
      sum = sum + map:slice(0, y, y + 1):slice(1, first, past):sum()
      count = count + past - first
    end
  end
  return count > 0 and sum / count or 0.0
end

-- Solves a * x = b, both overwritten.
local function solve(a, b)
  local n = #b
  for c = 1, n do
    local pivot = c
    for r = c + 1, n do if math.abs(a[r][c]) > math.abs(a[pivot][c]) then pivot = r end end
    a[c], a[pivot], b[c], b[pivot] = a[pivot], a[c], b[pivot], b[c]
    if math.abs(a[c][c]) < 1e-12 then maru.fail "shapes.perspective: three of the points lie on one line" end
    for r = 1, n do
      local factor = r ~= c and a[r][c] / a[c][c] or 0
      if factor ~= 0 then
        for k = c, n do a[r][k] = a[r][k] - factor * a[c][k] end
        b[r] = b[r] - factor * b[c]
      end
    end
  end
  for i = 1, n do b[i] = b[i] / a[i][i] end
  return b
end

--- The matrix, f32[3, 3], that brings four points to four others: (x, y) to (a, b) / c, (a, b, c) = matrix * (x, y, 1).
---@param from number[][]
---@param to number[][]
---@return maru.tensor
function shapes.perspective(from, to)
  local rows, right = {}, {}
  for i = 1, 4 do
    local x, y, u, v = from[i][1], from[i][2], to[i][1], to[i][2]
    rows[2 * i - 1] = { x, y, 1, 0, 0, 0, -u * x, -u * y }
    rows[2 * i] = { 0, 0, 0, x, y, 1, -v * x, -v * y }
    right[2 * i - 1], right[2 * i] = u, v
  end
  local s = solve(rows, right)
  return maru.tensor({ { s[1], s[2], s[3] }, { s[4], s[5], s[6] }, { s[7], s[8], 1 } }, "f32")
end

return shapes
