-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Search by meaning: the passages nearest to a query, by the embeddings of minilm.lua.

local maru = require "maru"
local minilm = require "minilm"

--- Embeddings of a list of texts, a few at a time, so that a long passage does not pad a thousand short ones.
local function embed(m, texts, size)
  local parts = {}
  for first = 1, #texts, size do
    local some = table.move(texts, first, math.min(first + size - 1, #texts), 1, {})
    parts[#parts + 1] = minilm.run(m, { text = some }).embedding
  end
  return maru.join(parts, 0)
end

return maru.model {
  name = "search",
  doc = "The passages nearest in meaning to a query",
  fetch = minilm.fetch,
  inputs = {
    query = { kind = "strings", doc = "what to look for" },
    passages = { kind = "strings", doc = "where to look: one a line of a .txt file" },
  },
  outputs = {
    passage = { doc = "the best ones, best first" },
    score = { doc = "f32[top]: cosines" },
  },
  options = {
    top = { default = 3, doc = "how many to give" },
    batch = { default = 16, doc = "passages at a time" },
    max_tokens = minilm.options.max_tokens,
  },
  extra_weights = minilm.extra_weights,
  graph = minilm.graph,

  run = function(m, input)
    local passages = input.passages
    local query = embed(m, { input.query[1] }, 1)
    local scores = (embed(m, passages, m.options.batch) * query):sum(-1)
    local best, places = scores:topk(m.options.top)
    local found = {}
    for i, place in ipairs(places) do found[i] = passages[place + 1] end
    return { score = maru.tensor(best, "f32"), passage = found }
  end,
}
