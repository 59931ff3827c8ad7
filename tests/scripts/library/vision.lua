-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- maru.vision against pixels that are counted, and against the definitions.

local maru = require "maru"
local image = require "maru.image"
local vision = require "maru.vision"
local check = require "check"

local function boxes(list) return maru.tensor(list, "f32") end

-- ---- labels

check.equal(table.concat(vision.labels "cat\r\n a dog \nbird\n", "|"), "cat|a dog|bird", "labels of a text")
check.equal(table.concat(vision.labels { "x", "y" }, "|"), "x|y", "labels of a list")
check.equal(table.concat(vision.labels { ["1"] = "b", ["0"] = "a", ["2"] = "c" }, "|"), "a|b|c", "labels of id2label")
check.fails("no class has the id 'one'", vision.labels, { one = "b" })
local best = image.top(maru.tensor({ 0.1, 0.7, 0.2 }, "f32"), 2, vision.labels "a\nb\nc")
check.equal(best[1].label .. best[2].label, "bc", "the best two")

-- ---- boxes

check.close(vision.corners(boxes { { 5, 4, 6, 2 } }, "cxcywh"), { { 2, 3, 8, 5 } }, "cxcywh")
check.close(vision.corners(boxes { { 5, 4, 6, 2 } }, "xywh"), { { 5, 4, 11, 6 } }, "xywh")
check.close(vision.corners(boxes { { 1, 2, 3, 4 } }, "yxyx"), { { 2, 1, 4, 3 } }, "yxyx")
check.close(vision.points(2, 3, 8), { { 4, 4 }, { 12, 4 }, { 20, 4 }, { 4, 12 }, { 12, 12 }, { 20, 12 } }, "points")
check.close(vision.points(1, 2, 8, 0), { { 0, 0 }, { 8, 0 } }, "points at corners")
check.close(vision.priors(1, 2, 10, { 4, { 6, 8 } }),
  { { 5, 5, 4, 4 }, { 5, 5, 6, 8 }, { 15, 5, 4, 4 }, { 15, 5, 6, 8 } }, "priors")
local priors = boxes { { 10, 20, 4, 8 }, { 0, 0, 2, 2 } }
check.close(vision.decode_center_size(boxes { { 5, -5, 0, 5 * math.log(2) }, { 0, 0, 0, 0 } }, priors),
  { { 10, 8, 14, 24 }, { -1, -1, 1, 1 } }, "centre and size")
check.close(vision.decode_corners(boxes { { 1, 0, 0, 2 }, { 0, 0, 0, 0 } }, priors, 0.5),
  { { 10, 16, 12, 32 }, { -1, -1, 1, 1 } }, "corners")
check.close(vision.decode_distances(boxes { { 1, 2, 3, 4 } }, boxes { { 10, 20 } }, 2), { { 8, 16, 16, 28 } }, "distances")

-- Pixels in common over pixels in either.
local function counted(a, b)
  local both, either = 0, 0
  local function is_in(box, x, y) return box[1] <= x and x < box[3] and box[2] <= y and y < box[4] end
  for y = 0, 19 do
    for x = 0, 19 do
      local in_a, in_b = is_in(a, x, y), is_in(b, x, y)
      both, either = both + (in_a and in_b and 1 or 0), either + ((in_a or in_b) and 1 or 0)
    end
  end
  return both / either
end

local seed = 0
local function random(n)
  seed = (seed * 1103515245 + 12345) % (1 << 31)
  return (seed >> 8) % n
end

local function random_boxes(n)
  local list = {}
  for i = 1, n do
    local x, y = random(14), random(14)
    list[i] = { x, y, x + 1 + random(6), y + 1 + random(6) }
  end
  return list
end

local a, b = random_boxes(12), random_boxes(9)
local wanted = {}
for i, box in ipairs(a) do
  wanted[i] = {}
  for k, other in ipairs(b) do wanted[i][k] = counted(box, other) end
end
check.close(vision.iou(boxes(a), boxes(b)), wanted, "IoU")
check.equal(tostring(vision.iou(boxes(a), maru.zeros { 0, 4 })), "f32[12, 0]", "IoU with nothing")

-- A box stays unless a surer one that stays overlaps it.
local function nms_by_definition(list, scores, iou)
  local stays = {}
  local function is_surer(k, i) return scores[k] > scores[i] or (scores[k] == scores[i] and k < i) end
  local function decide(i)
    if stays[i] ~= nil then return stays[i] end
    stays[i] = true
    for k = 1, #list do
      if k ~= i and is_surer(k, i) and counted(list[k], list[i]) > iou and decide(k) then stays[i] = false end
    end
    return stays[i]
  end
  local kept = {}
  for i = 1, #list do if decide(i) then kept[#kept + 1] = i end end
  table.sort(kept, is_surer)
  return kept
end

for _ = 1, 10 do
  local list, scores = random_boxes(30), {}
  for i = 1, 30 do scores[i] = random(10) / 10 end
  local got = vision.nms(boxes(list), maru.tensor(scores, "f64"), { iou = 0.3 })
  local kept = nms_by_definition(list, scores, 0.3)
  for i = 1, #kept do kept[i] = kept[i] - 1 end
  check.equal(table.concat(got, " "), table.concat(kept, " "), "NMS")
end
check.equal(#vision.nms(boxes(a), maru.zeros { 12 }, { iou = 0, max = 2 }), 2, "NMS ends")
check.equal(#vision.nms(maru.zeros { 0, 4 }, maru.zeros { 0 }), 0, "NMS of nothing")

local places = boxes { { 0, 0, 10, 10 }, { 1, 0, 11, 10 }, { 50, 50, 60, 60 }, { 0, 0, 10, 10 } }
local scores = maru.tensor({ { 0.9, 0.1 }, { 0.8, 0.3 }, { 0.2, 0.6 }, { 0.1, 0.7 } }, "f32")
local found = vision.detect(places, scores, { labels = { "cat", "dog" } })
check.equal(table.concat(found.labels, " "), "cat dog dog", "per class")
check.close(found.scores, { 0.9, 0.7, 0.6 }, "the surest first")
check.close(found.boxes, { { 0, 0, 10, 10 }, { 0, 0, 10, 10 }, { 50, 50, 60, 60 } }, "their boxes")
check.close(found.classes, { 0, 1, 1 }, "their classes")
check.close(vision.detect(places, scores, { per_class = false }).scores, { 0.9, 0.6 }, "across classes")
check.close(vision.detect(places, scores, { every_class = true }).scores, { 0.9, 0.7, 0.6 }, "the second class of a box")
check.close(vision.detect(places, scores, { every_class = true, iou = 0.9 }).scores, { 0.9, 0.8, 0.7, 0.6, 0.3 }, "all")
check.close(vision.detect(places, scores, { background = 0 }).scores, { 0.7, 0.6 }, "without the background")
check.close(vision.detect(places, scores, { max = 1 }).scores, { 0.9 }, "no more than max")
check.close(vision.detect(places, scores, { candidates = 2, iou = 1 }).scores, { 0.9, 0.8 }, "the best candidates")
check.close(vision.detect(places, scores:slice(1, 0, 1):reshape { 4 }, { score = 0.5 }).scores, { 0.9 }, "one class")
local none = vision.detect(places, scores, { score = 0.95, labels = {} })
check.equal(tostring(none.boxes) .. tostring(none.scores) .. #none.labels, "f32[0, 4]f32[0]0", "nothing found")

-- ---- letterbox

check.close(vision.from_letterbox(boxes { { 0, 2, 6, 5 }, { -3, 0, 3, 8 } }, 20, 40, 8, 6),
  { { 0, 0, 40, 20 }, { 0, 0, 20, 20 } }, "from a letterbox")
check.close(vision.from_letterbox(boxes { { 160, 120, 480, 360 } }, 480, 640, 640, 640),
  { { 160, 40, 480, 280 } }, "nothing was scaled")

-- ---- regions

local function mask(text)
  local rows = {}
  for line in text:gmatch "%S+" do
    local row = {}
    for c in line:gmatch "." do row[#row + 1] = c == "#" and 1 or 0 end
    rows[#rows + 1] = row
  end
  return maru.tensor(rows, "f32")
end

local function describe(list)
  local parts = {}
  for i, r in ipairs(list) do parts[i] = ("%d@%s"):format(r.area, table.concat(r.box, ",")) end
  return table.concat(parts, " ")
end

local shape = mask [[
#..#.
##.#.
.#.##
...#.
#...#
]]
check.equal(describe(vision.regions(shape)), "4@0,0,2,3 6@3,0,5,5 1@0,4,1,5", "8-connected")
check.equal(describe(vision.regions(shape, { connect = 4 })), "4@0,0,2,3 5@3,0,5,4 1@0,4,1,5 1@4,4,5,5", "4-connected")
check.equal(describe(vision.regions(shape, { min_area = 5 })), "6@3,0,5,5", "no small ones")
check.equal(describe(vision.regions(mask "#.# #.# ###")), "7@0,0,3,3", "joined from below")
check.close(vision.regions(mask "##. ##. ...")[1].center, { 1, 1 }, "the centre")
check.close(vision.regions(maru.tensor({ { 0.6, 0.2, 0.8 }, { 0, 0, 1.0 } }, "f32"))[2].score, 0.9, "the mean score")
check.equal(describe(vision.regions(shape:greater(0.5))), describe(vision.regions(shape)), "a bool mask")
check.equal(#vision.regions(maru.zeros { 3, 3 }), 0, "an empty mask")

-- By filling, pixel after pixel.
local function areas_by_filling(rows, reach8)
  local seen, areas = {}, {}
  local function fill(x, y)
    if not (rows[y] and rows[y][x] == 1) or seen[y * 100 + x] then return 0 end
    seen[y * 100 + x] = true
    local n = 1
    for dy = -1, 1 do
      for dx = -1, 1 do if reach8 or dx == 0 or dy == 0 then n = n + fill(x + dx, y + dy) end end
    end
    return n
  end
  for y = 1, #rows do
    for x = 1, #rows[1] do
      local n = fill(x, y)
      if n > 0 then areas[#areas + 1] = n end
    end
  end
  return table.concat(areas, " ")
end

for _ = 1, 20 do
  local rows = {}
  for y = 1, 12 do
    rows[y] = {}
    for x = 1, 15 do rows[y][x] = random(100) < 45 and 1 or 0 end
  end
  for _, connect in ipairs { 4, 8 } do
    local areas = {}
    for i, r in ipairs(vision.regions(maru.tensor(rows, "f32"), { connect = connect })) do areas[i] = r.area end
    check.equal(table.concat(areas, " "), areas_by_filling(rows, connect == 8), "regions of noise")
  end
end

-- ---- pictures from bytes

local function bytes(hex)
  return (hex:gsub("..", function(h) return string.char(tonumber(h, 16)) end))
end

-- 2 x 1 pixels, red and blue; one grey pixel.
local png = bytes("89504e470d0a1a0a0000000d49484452000000020000000108020000007b40e8dd0000000d49444154789c63f8cf0004" ..
  "ff01070001ffe2239e590000000049454e44ae426082")
local jpeg = bytes(
  "ffd8ffe000104a46494600010100000100010000ffdb00840002010101010102010101020202020204030202020205040403" ..
  "04060506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0a0102020202020205030305" ..
  "0a0706070a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a" ..
  "0a0a0a0affc00011080001000103011100021101031101ffc401a20000010501010101010100000000000000000102030405" ..
  "060708090a0b100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1" ..
  "c11552d1f02433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a63646566" ..
  "6768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4" ..
  "c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa010003010101010101010101000000" ..
  "0000000102030405060708090a0b110002010204040304070504040001027700010203110405213106124151076171132232" ..
  "8108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455" ..
  "565758595a636465666768696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3" ..
  "b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9faffda000c030100" ..
  "02110311003f00f8ce803fffd9")
local bmp = "BM" .. ("<I4I4I4I4i4i4I2I2I4I4i4i4I4I4"):pack(58, 0, 54, 40, 1, 1, 1, 24, 0, 4, 0, 0, 0, 0) .. "\1\2\3\0"
check.close(image.decode(bmp), { { { 3, 2, 1 } } }, "a BMP")
check.equal(tostring(image.decode(bmp)), "u8[1, 1, 3]", "its dims")
check.close(image.decode(png), { { { 255, 0, 0 }, { 0, 0, 255 } } }, "a PNG")
check.equal(image.decode(jpeg):get(0, 0, 0), 77, "a JPEG")
for n = 0, #png - 20 do check.equal(pcall(image.decode, png:sub(1, n)), false, "a cut picture") end
check.fails("the picture is no PNG, JPEG, BMP or PNM picture that can be read", image.decode, "nothing")
check.fails("these bytes are sound", image.decode, "RIFF" .. ("<I4"):pack(38) .. "WAVEfmt " ..
  ("<I4I2I2I4I4I2I2"):pack(16, 1, 1, 8000, 16000, 2, 16) .. "data" .. ("<I4i2"):pack(2, 0))
check.fails("the bytes of a file were expected, not number", image.decode, 7)

-- ---- mistakes

check.fails("nms: f32[3] given, f32[n, 4] is needed", vision.nms, maru.zeros { 3 }, maru.zeros { 3 })
check.fails("corners: there is no layout 'wh'", vision.corners, places, "wh")
check.fails("detect: scores f32[3, 1] do not go with boxes f32[4, 4]", vision.detect, places, maru.zeros { 3 })
check.fails("regions: f32[4] given, [height, width] is needed", vision.regions, maru.zeros { 4 })

return check.done()
