-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What a model of pictures says, made into boxes, labels and regions. Boxes
-- are f32[n, 4], the corners x1, y1, x2, y2, x2 and y2 outside of the box.
-- Classes and positions count from 0. For what goes in, see maru.image.

local maru = require "maru"

local vision = {}

--- The names of classes, a list whose item class + 1 is the class's: from such a list, from the text of a file with
--- one a line, or from the table id2label of config.json.
---@param source string|table
---@return string[]
function vision.labels(source)
  local list = {}
  if type(source) == "string" then
    for line in source:gmatch "[^\r\n]+" do list[#list + 1] = line:match "^%s*(.-)%s*$" end
    return list
  end
  if source[1] then return source end
  for id, label in pairs(source) do
    list[(math.tointeger(id) or math.tointeger(tonumber(id)) or maru.fail("no class has the id '%s'", id)) + 1] = label
  end
  return list
end

-- ---- boxes ----------------------------------------------------------------

local function columns(t, first, past) return t:slice(1, first, past) end

local function check_boxes(boxes, columns_wanted, what)
  local s = boxes.shape
  if #s ~= 2 or s[2] ~= columns_wanted then
    maru.fail("%s: %s given, f32[n, %d] is needed", what, tostring(boxes), columns_wanted)
  end
end

local function from_center(center, size)
  return maru.join({ center - size / 2, center + size / 2 }, 1)
end

--- Boxes as other layouts have them: "cxcywh" (centre and size), "xywh" (corner and size), "yxyx" or "xyxy".
---@param boxes maru.tensor
---@param layout "cxcywh"|"xywh"|"yxyx"|"xyxy"
---@return maru.tensor
function vision.corners(boxes, layout)
  check_boxes(boxes, 4, "corners")
  local a, b = columns(boxes, 0, 2), columns(boxes, 2, 4)
  if layout == "cxcywh" then return from_center(a, b) end
  if layout == "xywh" then return maru.join({ a, a + b }, 1) end
  if layout == "yxyx" then
    local order = {}
    for i, from in ipairs { 1, 0, 3, 2 } do order[i] = columns(boxes, from, from + 1) end
    return maru.join(order, 1)
  end
  if layout == "xyxy" then return boxes end
  maru.fail("corners: there is no layout '%s'", tostring(layout))
end

--- The points of a grid of cells, x and y in pixels, row by row: f32[height * width, 2]. offset: where in its cell a
--- point lies (0.5: in the middle).
---@param height integer
---@param width integer
---@param stride number
---@param offset? number
---@return maru.tensor
function vision.points(height, width, stride, offset)
  local list = {}
  offset = offset or 0.5
  for y = 0, height - 1 do
    for x = 0, width - 1 do list[#list + 1] = { (x + offset) * stride, (y + offset) * stride } end
  end
  return maru.tensor(list, "f32")
end

--- Priors (anchors): at every point of the grid one of each size, as centre and size, f32[height * width * #sizes, 4].
--- sizes: a list of numbers or of {width, height}, in pixels.
---@param height integer
---@param width integer
---@param stride number
---@param sizes (number|number[])[]
---@param offset? number
---@return maru.tensor
function vision.priors(height, width, stride, sizes, offset)
  local list = {}
  offset = offset or 0.5
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      for _, size in ipairs(sizes) do
        local w, h = size, size
        if type(size) == "table" then w, h = size[1], size[2] end
        list[#list + 1] = { (x + offset) * stride, (y + offset) * stride, w, h }
      end
    end
  end
  return maru.tensor(list, "f32")
end

--- Boxes from offsets of centre and size, f32[n, 4], relative to priors: centre + offset * size, size * exp(offset).
--- variances: what offsets of centre and of size are multiplied with ({0.1, 0.2}).
---@param offsets maru.tensor
---@param priors maru.tensor centre and size
---@param variances? number[]
---@return maru.tensor
function vision.decode_center_size(offsets, priors, variances)
  variances = variances or { 0.1, 0.2 }
  check_boxes(offsets, 4, "decode_center_size")
  check_boxes(priors, 4, "decode_center_size")
  local center, size = columns(priors, 0, 2), columns(priors, 2, 4)
  center = center + columns(offsets, 0, 2) * variances[1] * size
  size = size * (columns(offsets, 2, 4) * variances[2]):exp()
  return from_center(center, size)
end

--- Boxes from offsets of the corners, f32[n, 4], in parts of the prior's size.
---@param offsets maru.tensor
---@param priors maru.tensor centre and size
---@param variance? number 1
---@return maru.tensor
function vision.decode_corners(offsets, priors, variance)
  check_boxes(offsets, 4, "decode_corners")
  check_boxes(priors, 4, "decode_corners")
  local size = columns(priors, 2, 4)
  return from_center(columns(priors, 0, 2), size) + offsets * (variance or 1) * maru.join({ size, size }, 1)
end

--- Boxes from the distances of their sides (left, top, right, bottom) to points, f32[n, 2]. stride: pixels per unit.
---@param distances maru.tensor
---@param points maru.tensor
---@param stride? number 1
---@return maru.tensor
function vision.decode_distances(distances, points, stride)
  check_boxes(distances, 4, "decode_distances")
  check_boxes(points, 2, "decode_distances")
  distances = distances * (stride or 1)
  return maru.join({ points - columns(distances, 0, 2), points + columns(distances, 2, 4) }, 1)
end

local function overlap(a, b)
  local w = math.min(a[3], b[3]) - math.max(a[1], b[1])
  local h = math.min(a[4], b[4]) - math.max(a[2], b[2])
  if w <= 0 or h <= 0 then return 0.0 end
  local both = w * h
  return both / ((a[3] - a[1]) * (a[4] - a[2]) + (b[3] - b[1]) * (b[4] - b[2]) - both)
end

--- Intersection over union of every box of a with every one of b, f32[n, m].
---@param a maru.tensor
---@param b maru.tensor
---@return maru.tensor
function vision.iou(a, b)
  check_boxes(a, 4, "iou")
  check_boxes(b, 4, "iou")
  local rows, others = {}, b:totable()
  for i, box in ipairs(a:totable()) do
    local row = {}
    for k, other in ipairs(others) do row[k] = overlap(box, other) end
    rows[i] = row
  end
  return #rows > 0 and #others > 0 and maru.tensor(rows, "f32") or maru.zeros { #rows, #others }
end

-- Of candidates {box, score, class, index} the best, no two of which overlap more than `iou`.
local function suppress(candidates, iou, most, per_class)
  local kept = {}
  table.sort(candidates, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.index < b.index or (a.index == b.index and a.class < b.class)
  end)
  for _, c in ipairs(candidates) do
    local is_free = true
    for _, k in ipairs(kept) do
      if (not per_class or k.class == c.class) and overlap(k.box, c.box) > iou then
        is_free = false
        break
      end
    end
    if is_free then kept[#kept + 1] = c end
    if #kept == most then break end
  end
  return kept
end

--- Non-maximum suppression: the positions of the boxes that stay, the best first. options: iou (0.5), max (all).
---@param boxes maru.tensor
---@param scores maru.tensor f32[n]
---@param options? {iou?: number, max?: integer}
---@return integer[]
function vision.nms(boxes, scores, options)
  options = options or {}
  check_boxes(boxes, 4, "nms")
  local candidates, values = {}, scores:totable()
  for i, box in ipairs(boxes:totable()) do
    candidates[i] = { box = box, score = values[i], class = 0, index = i - 1 }
  end
  local positions = {}
  for i, c in ipairs(suppress(candidates, options.iou or 0.5, options.max)) do positions[i] = c.index end
  return positions
end

-- The classes of one box that count: its best, or each above the threshold.
local function add_candidates(list, row, index, options)
  local best
  for class = 0, #row - 1 do
    local score = row[class + 1]
    if class ~= options.background and score > options.score then
      if options.every_class then
        list[#list + 1] = { score = score, class = class, index = index }
      elseif not best or score > best.score then
        best = { score = score, class = class, index = index }
      end
    end
  end
  list[#list + 1] = best
end

-- Tensors of what stays. Empty ones have their rank.
local function detections(kept, labels)
  local out = { boxes = {}, scores = {}, classes = {}, labels = labels and {} }
  for i, c in ipairs(kept) do
    out.boxes[i], out.scores[i], out.classes[i] = c.box, c.score, c.class
    if labels then out.labels[i] = labels[c.class + 1] or tostring(c.class) end
  end
  out.boxes = #kept > 0 and maru.tensor(out.boxes, "f32") or maru.zeros { 0, 4 }
  out.scores, out.classes = maru.tensor(out.scores, "f32"), maru.tensor(out.classes, "i64")
  return out
end

--- What was found: {boxes, scores, classes, labels}, the surest first. scores: f32[n] or f32[n, classes], decoded.
--- options: score (0.25: what is not above it is not seen), iou (0.5), max (100), per_class (true: boxes of other
--- classes do not suppress), every_class (false: a box has its best class alone), background (a class that is none),
--- candidates (1000: as many of the best are compared), labels (names of the classes).
---@param boxes maru.tensor
---@param scores maru.tensor
---@param options? maru.vision.detect_options
---@return maru.vision.detections
function vision.detect(boxes, scores, options)
  local o = { score = 0.25, iou = 0.5, max = 100, candidates = 1000 }
  for key, value in pairs(options or {}) do o[key] = value end
  check_boxes(boxes, 4, "detect")
  if scores.rank == 1 then scores = scores:reshape { scores.count, 1 } end
  if scores.rank ~= 2 or scores.shape[1] ~= boxes.shape[1] then
    maru.fail("detect: scores %s do not go with boxes %s", tostring(scores), tostring(boxes))
  end
  local list = {}
  for i, best in ipairs(scores:max(1):totable()) do
    if best > o.score then add_candidates(list, scores:slice(0, i - 1, i):totable()[1], i - 1, o) end
  end
  table.sort(list, function(a, b)
    if a.score ~= b.score then return a.score > b.score end
    return a.index < b.index or (a.index == b.index and a.class < b.class)
  end)
  for i = #list, o.candidates + 1, -1 do list[i] = nil end
  for _, c in ipairs(list) do c.box = boxes:slice(0, c.index, c.index + 1):totable()[1] end
  return detections(suppress(list, o.iou, o.max, o.per_class ~= false), o.labels)
end

--- Boxes in the picture, cut at its edges, from boxes in the letterbox that image.letterbox made of it.
---@param boxes maru.tensor
---@param height integer of the picture
---@param width integer
---@param box_height integer of the letterbox
---@param box_width integer
---@return maru.tensor
function vision.from_letterbox(boxes, height, width, box_height, box_width)
  check_boxes(boxes, 4, "from_letterbox")
  local inner_h = math.max(math.min(height * box_width // width, box_height), 1)
  local inner_w = math.max(math.min(width * box_height // height, box_width), 1)
  local left, top = (box_width - inner_w) // 2, (box_height - inner_h) // 2
  local x, y = width / inner_w, height / inner_h
  boxes = (boxes - maru.tensor({ left, top, left, top }, "f32")) * maru.tensor({ x, y, x, y }, "f32")
  local sides = {}
  for i = 0, 3 do sides[i + 1] = columns(boxes, i, i + 1):clip(0, i % 2 == 0 and width or height) end
  return maru.join(sides, 1)
end

-- ---- masks ----------------------------------------------------------------

-- The runs of a row that are above the threshold: {first, past, sum of values}.
local function runs_of(row, threshold)
  local runs, run = {}, nil
  for x = 1, #row do
    local v = row[x]
    if v == true then v = 1 elseif v == false then v = 0 end
    if v > threshold then
      run = run or { first = x - 1, sum = 0 }
      run.sum = run.sum + v
    elseif run then
      run.past = x - 1
      runs[#runs + 1], run = run, nil
    end
  end
  if run then
    run.past = #row
    runs[#runs + 1] = run
  end
  return runs
end

local function root(run)
  while run.parent do
    if run.parent.parent then run.parent = run.parent.parent end
    run = run.parent
  end
  return run
end

-- Joins the runs of two rows where they touch; reach 1 counts corners, too.
local function connect(above, row, reach)
  local k = 1
  for _, run in ipairs(row) do
    while above[k] and above[k].past + reach <= run.first do k = k + 1 end
    local i = k
    while above[i] and above[i].first < run.past + reach do
      local a, b = root(above[i]), root(run)
      if a ~= b then b.parent = a end
      i = i + 1
    end
  end
end

--- The connected regions of a mask, f32 or bool [height, width], in the order of their first pixels: a list of
--- {area, box = {x1, y1, x2, y2}, center = {x, y}, score}, score being the mean of the mask there. options: threshold
--- (0.5: a pixel above it belongs to a region), min_area (1), connect (8, or 4: pixels that meet at a corner are apart),
--- outline (true: a region has `outline`, a list with the {x, y} of the first and the last pixel of every run in a row).
---@param mask maru.tensor
---@param options? {threshold?: number, min_area?: integer, connect?: 4|8, outline?: boolean}
---@return maru.vision.region[]
function vision.regions(mask, options)
  options = options or {}
  if mask.rank ~= 2 then maru.fail("regions: %s given, [height, width] is needed", tostring(mask)) end
  local reach = options.connect == 4 and 0 or 1
  local all, above = {}, {}
  for y = 1, mask.shape[1] do
    local row = runs_of(mask:slice(0, y - 1, y):totable()[1], options.threshold or 0.5)
    connect(above, row, reach)
    for _, run in ipairs(row) do
      run.y = y - 1
      all[#all + 1] = run
    end
    above = row
  end
  local list = {}
  for _, run in ipairs(all) do
    local top, n = root(run), run.past - run.first
    local r = top.region
    if not r then
      r = { area = 0, box = { run.first, run.y, run.past, run.y + 1 }, center = { 0, 0 }, score = 0 }
      if options.outline then r.outline = {} end
      top.region = r
      list[#list + 1] = r
    end
    if r.outline then
      r.outline[#r.outline + 1] = { run.first, run.y }
      if n > 1 then r.outline[#r.outline + 1] = { run.past - 1, run.y } end
    end
    r.area, r.score, r.box[4] = r.area + n, r.score + run.sum, run.y + 1
    r.box[1], r.box[3] = math.min(r.box[1], run.first), math.max(r.box[3], run.past)
    r.center[1] = r.center[1] + n * (run.first + run.past) / 2
    r.center[2] = r.center[2] + n * (run.y + 0.5)
  end
  local kept = {}
  for _, r in ipairs(list) do
    r.score, r.center = r.score / r.area, { r.center[1] / r.area, r.center[2] / r.area }
    if r.area >= (options.min_area or 1) then kept[#kept + 1] = r end
  end
  return kept
end

return vision
