-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- The module in a stock Lua: no sandbox, the same functions, models opened by the program.

local maru = require "maru"
local nn = require "maru.nn"

assert(io and os and print == print, "the program's own globals are left alone")
assert(type(nn.linear) == "function")

local t = maru.tensor({ { 1, 2 }, { 3, 4 } }, "f32") * 2
assert(tostring(t) == "f32[2, 2]" and t:get(1, 0) == 6)

local ok, message = pcall(function() return maru.tensor { { 1, 2 }, { 3 } } end)
assert(not ok and message:find("stock.lua:15: tensor: every table at depth 2 must have 2 items", 1, true), message)

-- A description made here, without a script of its own.
local m = maru.open(maru.model {
  name = "twice",
  graph = function(m)
    local n = m:symbol "n"
    m:output("y", m:input("x", "f32", { n }) * 2)
  end,
})
assert(m:run({ x = { 1, 2, 3 } }).y:get(2) == 6)
assert(m:session():run({ x = { 5 } }).y:item() == 10)

-- A script of the library's.
local life = maru.open("scripts/examples/life.lua", { settings = { steps = 4 } })
local out = life:run { board = { ".O......", "..O.....", "OOO.....", "........",
                                 "........", "........", "........", "........" } }
assert(out.alive:item() == 5)
assert(out.board[2] == "..O....." and out.board[4] == ".OOO....", table.concat(out.board, "\n"))

local notes = maru.open "scripts/examples/notes.lua"
assert(table.concat(notes:run({}).labels, " ") == "C4 D4 E4 C4 E4 G4")

assert(not pcall(maru.open, "scripts/none.lua"))
collectgarbage()
print "ok"
