-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- The policy of a walking robot: where its joints go next. MuJoCo Playground, Unitree Go1 (four legs).
-- An observation is made of what is measured, as the trainer made it; the last action is kept from run to run.
--
--   maru run scripts/models/walking.lua --weights go1_policy.onnx --set forward=0.5

local maru = require "maru"

local JOINTS = 12
-- Where the joints are at rest, and how far an action of 1 moves one, both in radians.
local REST = { 0.1, 0.9, -1.8, -0.1, 0.9, -1.8, 0.1, 0.9, -1.8, -0.1, 0.9, -1.8 }
local SCALE = 0.5

local function listed(x, n, what)
  if not x then return nil end
  if x.count ~= n then maru.fail("%s: %s given, f32[%d] is needed", what, tostring(x), n) end
  return x:reshape { n }
end

return maru.model {
  name = "walking",
  doc = "The policy of a walking robot: MuJoCo Playground, Unitree Go1",
  inputs = {
    velocity = { default = false, doc = "f32[3] of the body, m/s; 0 if it is left out" },
    rotation = { default = false, doc = "f32[3], rad/s" },
    gravity = { default = false, doc = "f32[3], its direction as the body sees it; 0, 0, -1" },
    joints = { default = false, doc = "f32[12], rad; at rest" },
    joint_speeds = { default = false, doc = "f32[12], rad/s" },
    observation = { default = false, doc = "f32[1, 48], in place of all of them" },
  },
  outputs = {
    { name = "action", doc = "f32[12]: what the policy says" },
    { name = "targets", doc = "f32[12]: where the joints go, rad" },
  },
  options = {
    forward = { default = 0.0, doc = "what is commanded, m/s" },
    left = { default = 0.0, doc = "m/s" },
    turn = { default = 0.0, doc = "rad/s" },
  },

  graph = function(m)
    local net = maru.onnx "go1_policy.onnx"
    m:output("action", net(m:input("obs", "f32", { 1, 48 })):reshape { JOINTS })
  end,

  run = function(m, input)
    local o, x = m.options, input.observation
    local rest = maru.tensor(REST, "f32")
    if not x then
      local joints = listed(input.joints, JOINTS, "joints")
      local last = {}
      for i = 1, JOINTS do last[i] = m.state["action" .. i] or 0.0 end
      x = maru.join({
        listed(input.velocity, 3, "velocity") or maru.zeros { 3 },
        listed(input.rotation, 3, "rotation") or maru.zeros { 3 },
        listed(input.gravity, 3, "gravity") or maru.tensor({ 0, 0, -1 }, "f32"),
        joints and joints - rest or maru.zeros { JOINTS },
        listed(input.joint_speeds, JOINTS, "joint_speeds") or maru.zeros { JOINTS },
        maru.tensor(last, "f32"),
        maru.tensor({ o.forward, o.left, o.turn }, "f32"),
      }, 0):reshape { 1, 48 }
    end
    local action = m:session():run({ obs = x }).action
    for i, a in ipairs(action:totable()) do m.state["action" .. i] = a end
    return { action = action, targets = rest + action * SCALE }
  end,
}
