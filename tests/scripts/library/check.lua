-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What the tests of the Lua library check with. A script with checks ends with `return check.done()`.

local maru = require "maru"

local check = { n = 0 }

function check.equal(got, wanted, what)
  check.n = check.n + 1
  if got ~= wanted then error(("%s: %s instead of %s"):format(what or "?", tostring(got), tostring(wanted)), 2) end
end

-- Nested tables, flat.
local function flatten(value, into)
  if type(value) ~= "table" then into[#into + 1] = value return into end
  for _, item in ipairs(value) do flatten(item, into) end
  return into
end

--- Tensors, tables of numbers or numbers: |got - wanted| <= tolerance (1e-5) * max(1, |wanted|). wanted.shape is checked.
function check.close(got, wanted, what, tolerance)
  check.n = check.n + 1
  local dims = maru.type(wanted) ~= "tensor" and type(wanted) == "table" and wanted.shape
  if dims then
    local has, needs = table.concat(got.shape, ", "), table.concat(dims, ", ")
    if has ~= needs then error(("%s: [%s] instead of [%s]"):format(what, has, needs), 2) end
  end
  local function numbers(x) return flatten(maru.type(x) == "tensor" and x:totable() or x, {}) end
  local a, b = numbers(got), numbers(wanted)
  if #a ~= #b then error(("%s: %d numbers instead of %d"):format(what, #a, #b), 2) end
  for i = 1, #a do
    if not (math.abs(a[i] - b[i]) <= (tolerance or 1e-5) * math.max(1, math.abs(b[i]))) then
      error(("%s: number %d is %.9g instead of %.9g"):format(what, i, a[i], b[i]), 2)
    end
  end
end

--- The call fails, and its message has `text` in it.
function check.fails(text, fn, ...)
  check.n = check.n + 1
  local ok, message = pcall(fn, ...)
  if ok or not tostring(message):find(text, 1, true) then
    error(("'%s' instead of '%s'"):format(tostring(message), text), 2)
  end
end

--- What a script of checks returns: a model without any use, and how many checks there were.
function check.done()
  print(check.n .. " checks")
  return maru.model { graph = function(m) m:output("y", m:input("x", "f32", { 1 })) end }
end

return check
