-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Text from what a model says of sound or of pictures of text. Models of
-- tokens have their tokenizer: m:tokenizer().

local maru = require "maru"

local text = {}

--- The text of what connectionist temporal classification has for each point in time: repetitions are one, blanks are
--- none. classes: i64[time], scores: f32[time] of them. The rest is as for text.ctc_greedy.
---@param classes maru.tensor|integer[]
---@param scores maru.tensor|number[]
---@param alphabet string[]
---@param options? {blank?: integer}
---@return string text
---@return number score
---@return {text: string, time: integer, score: number}[]
function text.ctc_collapse(classes, scores, alphabet, options)
  local blank = options and options.blank or 0
  local function listed(x) return maru.type(x) == "tensor" and x:reshape({ -1 }):totable() or x end
  classes, scores = listed(classes), listed(scores)
  local list, pieces, sum, last = {}, {}, 0.0, blank
  for time, class in ipairs(classes) do
    if class ~= blank and class ~= last then
      local piece = alphabet[class < blank and class + 1 or class]
        or maru.fail("ctc: class %d of an alphabet of %d and a blank", class, #alphabet)
      list[#list + 1] = { text = piece, time = time - 1, score = scores[time] }
      pieces[#pieces + 1] = piece
      sum = sum + scores[time]
    end
    last = class
  end
  return table.concat(pieces), #list > 0 and sum / #list or 0.0, list
end

--- Greedy decoding of connectionist temporal classification. scores: f32[time, classes], probabilities or logits.
--- alphabet: the text of every class but the blank, in their order. Gives the text, the mean score of its characters
--- (0 for none), and a list of them: {text, time, score}. options: blank (0: its class), softmax (true for logits).
---@param scores maru.tensor
---@param alphabet string[]
---@param options? {blank?: integer, softmax?: boolean}
---@return string text
---@return number score
---@return {text: string, time: integer, score: number}[]
function text.ctc_greedy(scores, alphabet, options)
  options = options or {}
  if scores.rank == 3 and scores.shape[1] == 1 then scores = scores:reshape { scores.shape[2], scores.shape[3] } end
  if scores.rank ~= 2 or scores.shape[2] ~= #alphabet + 1 then
    maru.fail("ctc_greedy: scores %s for an alphabet of %d and a blank: f32[time, %d] is needed", tostring(scores),
      #alphabet, #alphabet + 1)
  end
  if options.softmax then scores = scores:softmax(-1) end
  return text.ctc_collapse(scores:argmax(1), scores:max(1), alphabet, options)
end

return text
