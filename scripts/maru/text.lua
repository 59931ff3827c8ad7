-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Text from what a model says of sound or of pictures of text. Models of
-- tokens have their tokenizer: m:tokenizer().

local maru = require "maru"

local text = {}

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
  local blank = options.blank or 0
  if scores.rank == 3 and scores.shape[1] == 1 then scores = scores:reshape { scores.shape[2], scores.shape[3] } end
  if scores.rank ~= 2 or scores.shape[2] ~= #alphabet + 1 then
    maru.fail("ctc_greedy: scores %s for an alphabet of %d and a blank: f32[time, %d] is needed", tostring(scores),
      #alphabet, #alphabet + 1)
  end
  if options.softmax then scores = scores:softmax(-1) end
  local classes, best = scores:argmax(1):totable(), scores:max(1):totable()
  local list, pieces, sum, last = {}, {}, 0.0, blank
  for time, class in ipairs(classes) do
    if class ~= blank and class ~= last then
      local piece = alphabet[class < blank and class + 1 or class]
      list[#list + 1] = { text = piece, time = time - 1, score = best[time] }
      pieces[#pieces + 1] = piece
      sum = sum + best[time]
    end
    last = class
  end
  return table.concat(pieces), #list > 0 and sum / #list or 0.0, list
end

return text
