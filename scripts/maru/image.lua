-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Pictures before and after a model. A picture is u8[height, width, channels],
-- as the host reads it from a file; a model mostly wants f32[1, channels,
-- height, width]. What can be a part of the graph is a function on its tensors,
-- and then runs on the device.

local maru = require "maru"

local image = {}

--- The picture, u8[height, width, channels], of the bytes of a .png, .jpg or .bmp file.
---@param bytes string
---@return maru.tensor
function image.decode(bytes)
  local picture = maru.decode(bytes, "the picture")
  if picture.sample_rate then maru.fail "image.decode: these bytes are sound, not a picture" end
  return picture
end

--- u8[height, width, channels] to f32[1, channels, height, width], in memory: (x * scale - mean) / std.
--- options: scale (1/255), mean and std (a number, or one for each channel), channels (how many of them to keep), bgr
--- (true: blue comes first, as in OpenCV; mean and std are in that order, too).
function image.to_input(picture, options)
  options = options or {}
  local x = picture:cast "f32"
  if x.rank == 2 then x = x:reshape { x.shape[1], x.shape[2], 1 } end
  local keep = options.channels
  if keep and keep < x.shape[3] then x = x:slice(2, 0, keep) end
  x = x:transpose(2, 0, 1)
  if options.bgr and x.shape[1] >= 3 then x = maru.join({ x:slice(0, 2, 3), x:slice(0, 1, 2), x:slice(0, 0, 1) }, 0) end
  local function per_channel(values)
    if type(values) == "number" then return values end
    return maru.tensor(values, "f32"):reshape { #values, 1, 1 }
  end
  x = x * (options.scale or 1 / 255)
  if options.mean then x = x - per_channel(options.mean) end
  if options.std then x = x / per_channel(options.std) end
  return x:reshape { 1, x.shape[1], x.shape[2], x.shape[3] }
end

--- f32[1, channels, height, width], 0 to 1, to a picture.
function image.from_output(x)
  local s = x.shape
  return x:reshape({ s[2], s[3], s[4] }):transpose(1, 2, 0)
    :map(function(v) return math.floor(math.min(math.max(v, 0), 1) * 255 + 0.5) end):cast "u8"
end

--- Part of the graph: x, [batch, channels, h, w], at another size. mode: "linear", "nearest" or "cubic".
function image.resize(x, height, width, mode)
  local shape = x.shape
  return maru.op("Resize", { x, false, false, { shape[1], shape[2], height, width } }, { mode = mode or "linear" })
end

-- 0 to n - 1, f32[n], for a dim or a number.
local function count_up(m, n)
  return maru.op("Range", { 0, m:shape({ n }):reshape {}, 1 }):cast "f32"
end

--- Part of the graph: x, [1, channels, h, w], seen through a perspective: the point (u, v) of the result is the point
--- (x, y) / z of x, (x, y, z) = matrix * (u, v, 1), matrix being f32[3, 3] of the graph (see shapes.perspective). Beyond
--- its edges x goes on as it ends. mode: "linear", "nearest" or "cubic".
function image.warp(m, x, matrix, height, width, mode)
  local h, w = x.shape[3], x.shape[4]
  local u = count_up(m, width):reshape({ 1, width }):expand { height, width }
  local v = count_up(m, height):reshape({ height, 1 }):expand { height, width }
  local points = maru.op("Concat", { u:unsqueeze(2), v:unsqueeze(2), (u * 0 + 1):unsqueeze(2) }, { axis = 2 })
  points = points:reshape({ height * width, 3 }):matmul(matrix:transpose())
  points = points:slice(1, 0, 2) / points:slice(1, 2, 3)
  -- Of the grid -1 and 1 are the middles of the outermost pixels.
  local span = (m:shape({ w, h }):cast "f32" - 1):clip(1)
  local grid = (points * 2 / span - 1):reshape { 1, height, width, 2 }
  return maru.op("GridSample", { x, grid }, { mode = mode or "linear", padding_mode = "border", align_corners = 1 })
end

-- y, [batch, channels, h, w], in the middle of `size` along an axis.
local function around(m, y, axis, size, fill)
  local shape = y.shape
  local before = (size - shape[axis + 1]) // 2
  local function part(n)
    local dims = { shape[1], shape[2], shape[3], shape[4] }
    dims[axis + 1] = n
    return m:constant({ fill }, y.dtype):expand(dims)
  end
  return maru.concat({ part(before), y, part(size - shape[axis + 1] - before) }, axis)
end

--- Part of the graph: x, [batch, channels, h, w], as large as it fits into height and width without being stretched,
--- and `fill` (0.5) on the sides. vision.from_letterbox brings boxes back.
function image.letterbox(m, x, height, width, fill)
  local h, w = x.shape[3], x.shape[4]
  local function least(dim, most)
    if type(dim) == "number" then return math.max(math.min(dim, most), 1) end
    return dim:min(most):max(1)
  end
  local y = image.resize(x, least(h * width // w, height), least(w * height // h, width))
  return around(m, around(m, y, 2, height, fill or 0.5), 3, width, fill or 0.5)
end

--- The best k of scores f32[n] or f32[1, n] with their labels: a list of {label, score, index}.
function image.top(scores, k, labels)
  local values, indices = scores:topk(k)
  local list = {}
  for i, index in ipairs(indices) do
    list[i] = { label = labels and labels[index + 1] or tostring(index), score = values[i], index = index }
  end
  return list
end

return image
