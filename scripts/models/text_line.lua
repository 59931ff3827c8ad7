-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What a line of text says: the recogniser of PP-OCR. The characters that it knows lie in the model, or beside it in
-- ppocr_keys_v1.txt.
--
--   maru run scripts/models/text_line.lua --weights ch_PP-OCRv4_rec_infer.onnx --input picture=@line.png

local maru = require "maru"
local image = require "maru.image"
local text = require "maru.text"

local HEIGHT, WIDTH = 48, 320

-- The characters in the order of their classes, and a space after them.
local function read_alphabet(m, net)
  local lines = net.metadata.character or (m:has_file "ppocr_keys_v1.txt" and m:file "ppocr_keys_v1.txt")
    or maru.fail "neither the model nor a file ppocr_keys_v1.txt beside it says which characters there are"
  local alphabet = {}
  for line in lines:gsub("\r", ""):gsub("\n$", ""):gmatch "([^\n]*)\n?" do alphabet[#alphabet + 1] = line end
  if alphabet[#alphabet] == "" then alphabet[#alphabet] = nil end
  alphabet[#alphabet + 1] = " "
  return alphabet
end

return maru.model {
  name = "text_line",
  doc = "What a line of text says: the recogniser of PP-OCR",
  inputs = {
    picture = { doc = "u8[height, width, 3]: one line of text" },
    width = { default = 0, doc = "pixels that the model sees, of 48 rows; 0: as many as the line needs, at least 320" },
  },
  outputs = {
    { name = "text", doc = "what it says" },
    { name = "score", doc = "the mean probability of its characters" },
  },
  draw = { { bars = "score", labels = "text" } },
  options = {
    model = { default = "ch_PP-OCRv4_rec_infer.onnx", doc = "the file in a folder of weights" },
  },

  graph = function(m)
    local height, width = m:symbol("height", { typical = 48 }), m:symbol("width", { typical = 320 })
    local inner, all = m:symbol("inner", { typical = 320 }), m:symbol("all", { typical = 320 })
    local x = image.resize(m:input("picture", "f32", { 1, 3, height, width }), HEIGHT, inner)
    local rest = m:constant({ 0 }, "f32"):expand { 1, 3, HEIGHT, all - inner }
    local net = maru.onnx(m.options.model, { dims = { x = { 1, 3, HEIGHT, all } } })
    m.alphabet = read_alphabet(m, net)
    local scores = net(maru.concat({ x, rest }, 3):reshape { 1, 3, HEIGHT, all })
    m:output("classes", scores:argmax(-1))
    m:output("scores", scores:max(-1))
  end,

  run = function(m, input)
    local session, s = m:session(), input.picture.shape
    local wanted = math.ceil(HEIGHT * s[2] / s[1])
    local all = maru.type(input.width) == "tensor" and input.width:item() or input.width or 0
    if all == 0 then all = math.max(HEIGHT * s[2] // s[1], WIDTH) end
    session:bind("inner", math.max(math.min(wanted, all), 1))
    session:bind("all", all)
    local x = image.to_input(input.picture, { channels = 3, mean = 0.5, std = 0.5, bgr = true })
    local out = session:run { picture = x }
    local line, score = text.ctc_collapse(out.classes, out.scores, m.alphabet)
    return { text = line, score = score }
  end,
}
