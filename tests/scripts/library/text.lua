-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- maru.text, and what host tensors gained for the library.

local maru = require "maru"
local text = require "maru.text"
local check = require "check"

-- A path of classes as scores: 0.9 for the class, the rest shared by the others.
local function path(classes, n)
  local rows = {}
  for t, class in ipairs(classes) do
    rows[t] = {}
    for c = 0, n - 1 do rows[t][c + 1] = c == class and 0.9 or 0.1 / (n - 1) end
  end
  return maru.tensor(rows, "f32")
end

local alphabet = { "a", "b", " " }
local got, score, list = text.ctc_greedy(path({ 0, 1, 1, 0, 1, 2, 2, 3, 0, 2 }, 4), alphabet)
check.equal(got, "aab b", "repeats are one, unless a blank is between them")
check.close(score, 0.9, "the mean score")
check.equal(#list, 5, "as many characters")
check.equal(list[2].text .. list[2].time, "a4", "where they are")
check.equal((text.ctc_greedy(path({ 3, 0, 0, 3, 0, 1, 2 }, 4), alphabet, { blank = 3 })), "aab ", "the blank last")
check.equal((text.ctc_greedy(path({ 0, 1, 2, 3 }, 4), alphabet, { blank = 1 })), "ab ", "the blank in between")
check.equal((text.ctc_greedy(path({ 1, 2 }, 4):reshape { 1, 2, 4 }, alphabet)), "ab", "a batch of one")
local logits = maru.tensor({ { 0, math.log(3), 0, 0 } }, "f32")
check.close(select(2, text.ctc_greedy(logits, alphabet, { softmax = true })), 0.5, "logits")
local nothing, zero = text.ctc_greedy(path({ 0, 0 }, 4), alphabet)
check.equal(nothing .. zero, "0.0", "only blanks")
check.fails("scores f32[2, 4] for an alphabet of 2 and a blank: f32[time, 3] is needed", text.ctc_greedy,
  path({ 0, 0 }, 4), { "a", "b" })
check.equal(text.ctc_collapse({ 0, 1, 1, 0, 1, 3, 3, 2 }, { 1, 1, 1, 1, 1, 1, 1, 1 }, { "a", "b", "c" }), "aacb", "collapsed")
check.close(select(2, text.ctc_collapse(maru.tensor({ { 0, 2, 2 } }, "i64"), maru.tensor({ { 0.9, 0.5, 0.7 } }, "f32"),
  { "a", "b" })), 0.5, "its score")
check.equal(text.ctc_collapse({ 0, 2, 1 }, { 1, 1, 1 }, { "a", "b" }, { blank = 2 }), "ab", "the last is the blank")
check.fails("class 3 of an alphabet of 2", text.ctc_collapse, { 3 }, { 1 }, { "a", "b" })

-- ---- host tensors

local t = maru.tensor({ { -1.5, 0 }, { 0.5, 4 } }, "f32")
check.close(t:exp(), { { math.exp(-1.5), 1 }, { math.exp(0.5), math.exp(4) } }, "exp")
check.close(t:exp():log(), t, "log")
check.close(t:abs():sqrt():get(1, 1), 2, "sqrt")
check.close(t:floor(), { { -2, 0 }, { 0, 4 } }, "floor")
check.close(t:sigmoid():get(0, 1), 0.5, "sigmoid")
check.close(t:clip(-1, 1), { { -1, 0 }, { 0.5, 1 } }, "clip")
check.close(t:clip(nil, 0), { { -1.5, 0 }, { 0, 0 } }, "clip from above")
check.equal(tostring(t:greater(0)), "bool[2, 2]", "greater")
check.equal(t:greater(0):get(1, 0), true, "greater")
check.equal(t:greater(0.5):get(1, 0), false, "not greater")
check.close(t:matmul { { 1, 2, 0 }, { 0, 1, 1 } }, { { -1.5, -3, 0 }, { 0.5, 5, 4 } }, "matmul")
check.close(t:reshape({ 4 }):matmul(maru.full({ 4, 1 }, 2, "f32")), { 6 }, "a vector")
check.equal(tostring(maru.zeros({ 2, 3, 4 }):matmul(maru.zeros { 4, 5 })), "f32[2, 3, 5]", "rows of more dims")
check.equal(tostring(maru.zeros({ 2, 0 }):matmul(maru.zeros { 0, 5 })), "f32[2, 5]", "empty sums")

return check.done()
