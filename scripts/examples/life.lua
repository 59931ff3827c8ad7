-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Conway's Game of Life as a model that needs no download: its only weights,
-- a 3 by 3 kernel that counts neighbours, are written here. The board is a
-- state of the session, so runs go on where the last one ended.
--
--     maru run scripts/examples/life.lua --set steps=4

local maru = require "maru"

local glider = {
  ".O......",
  "..O.....",
  "OOO.....",
  "........",
  "........",
  "........",
  "........",
  "........",
}

local function parse(rows)
  local cells = {}
  for y, row in ipairs(rows) do
    cells[y] = {}
    for x = 1, #row do cells[y][x] = row:sub(x, x) == "O" and 1 or 0 end
  end
  return maru.tensor({ { cells } }, "f32")
end

local function draw(board)
  local rows = {}
  for y, row in ipairs(board:totable()[1][1]) do
    local line = {}
    for x, cell in ipairs(row) do line[x] = cell > 0.5 and "O" or "." end
    rows[y] = table.concat(line)
  end
  return rows
end

return maru.model {
  name = "life",
  doc = "Conway's Game of Life: a state, a convolution, and no weights to fetch",
  inputs = { board = { kind = "strings", default = glider, doc = "rows of '.' and 'O'; a glider if not given" } },
  outputs = {
    { name = "board", doc = "the rows after the last step" },
    { name = "alive", doc = "f32[1, 1, 1, 1]: how many cells live" },
  },
  options = {
    width = { default = 8 },
    height = { default = 8 },
    steps = { default = 4, doc = "generations to go" },
  },

  graph = function(m)
    local dims = { 1, 1, m.options.height, m.options.width }
    local neighbours = m:constant({ { { { 1, 1, 1 }, { 1, 0, 1 }, { 1, 1, 1 } } } }, "f32", "neighbours")
    local board = m:state("board", "f32", dims)
    local count = maru.op("Conv", { board, neighbours }, { pads = { 1, 1, 1, 1 } })
    local born = count:equal(3)
    local stays = maru.op("And", { count:equal(2), board:greater(0.5) })
    local next_board = maru.op("Or", { born, stays }):cast "f32"
    m:set_state("board", next_board)
    m:output("alive", next_board:sum({ 2, 3 }, true))
  end,

  run = function(m, input)
    local session = m:session()
    if not m.state.generation then
      session:set_state("board", parse(input.board))
      m.state.generation = 0
    end
    local out
    for _ = 1, m.options.steps do out = session:run {} end
    m.state.generation = m.state.generation + m.options.steps
    return { board = draw(session:state "board"), alive = out and out.alive or 0 }
  end,
}
