-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Puts the spaces of a Korean sentence right. The list of characters, chars-4996, lies beside the model.
--
--   maru run scripts/models/korean_spacing.lua --weights DIR --input text='감 사 를표 합 니 다.'

local maru = require "maru"

local BEGIN, FINISH, UNKNOWN, FIRST = 1, 2, 3, 4
local APPEND, DELETE = 1, 2

-- The id of each character.
local function read_characters(m)
  local ids, n = {}, FIRST
  for _, code in utf8.codes(m:file "chars-4996") do
    ids[code] = n
    n = n + 1
  end
  return ids
end

local function space(m, ids, text)
  local codes, row = {}, { BEGIN }
  for _, code in utf8.codes(text) do
    codes[#codes + 1] = code
    row[#row + 1] = ids[code] or UNKNOWN
  end
  row[#row + 1] = FINISH
  local tags = m:session():run({ ids = maru.tensor({ row }, "i32") }).tags:totable()[1]
  local out = {}
  for i, code in ipairs(codes) do
    local tag, char = tags[i + 1], utf8.char(code)
    if not (tag == DELETE and char == " ") then out[#out + 1] = char end
    if tag == APPEND and char ~= " " then out[#out + 1] = " " end
  end
  return table.concat(out)
end

return maru.model {
  name = "korean_spacing",
  doc = "Puts the spaces of Korean sentences right",
  inputs = { text = { kind = "strings", doc = "one or more sentences" } },
  outputs = { text = { doc = "with their spaces right" } },

  graph = function(m)
    local net = maru.onnx "korean_spacing.onnx"
    local ids = m:input("ids", "i32", { m:symbol("n", { typical = 1 }), m:symbol("length", { typical = 64, max = 4096 }) })
    m:output("tags", net(ids):argmax(-1))
  end,

  run = function(m, input)
    local ids, out = read_characters(m), {}
    for i, text in ipairs(input.text) do out[i] = space(m, ids, text) end
    return { text = out }
  end,
}
