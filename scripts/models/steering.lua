-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- The torque that a car's steering needs for a curve: the feed-forward networks of openpilot, one for each kind of car.
--
--   maru run scripts/models/steering.lua --weights KIA_EV6.onnx --set speed=20 --set accel=1

local maru = require "maru"

-- The plan before (a negative time) and after now: lateral acceleration at 7 times, roll at 7.
local ACCEL_TIMES, ROLL_TIMES = 7, 7

return maru.model {
  name = "steering",
  doc = "Steering torque from speed, lateral acceleration, jerk and roll: openpilot's feed-forward networks",
  inputs = { states = { default = false, doc = "f32[n, 18] as the network takes them; else one of the options" } },
  outputs = { torque = { doc = "f32[n]: parts of the largest torque" } },
  options = {
    speed = { default = 15.0, doc = "m/s" },
    accel = { default = 0.0, doc = "lateral, m/s^2, now, before and after" },
    jerk = { default = 0.0, doc = "lateral, m/s^3" },
    roll = { default = 0.0, doc = "of the road, rad" },
  },

  graph = function(m)
    local x = m:input("states", "f32", { m:symbol("n", { typical = 1 }), 18 })
    m:output("torque", maru.onnx "HYUNDAI_IONIQ_5.onnx"(x):reshape { -1 })
  end,

  run = function(m, input)
    local o, states = m.options, input.states
    if not states then
      local row = { o.speed, o.accel, o.jerk, o.roll }
      for _ = 1, ACCEL_TIMES do row[#row + 1] = o.accel end
      for _ = 1, ROLL_TIMES do row[#row + 1] = o.roll end
      states = maru.tensor({ row }, "f32")
    end
    return m:session():run { states = states }
  end,
}
