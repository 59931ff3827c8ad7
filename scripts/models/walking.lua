-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- The policy of a walking robot: where its joints go next. MuJoCo Playground, Unitree Go1 (four legs) and G1 (two legs,
-- two arms). An observation is made of what is measured, as the trainer made it; the last action, and of the G1 the
-- phase of its gait, are kept from run to run. A step is 20 ms.
--
--   maru run scripts/models/walking.lua --weights go1_policy.onnx --set forward=0.5 --save-state walk.safetensors

local maru = require "maru"

-- How far an action of 1 moves a joint, in radians.
local SCALE = 0.5

-- By the width of an observation: where the joints are at rest (rad), what an observation is made of, and how far the
-- phase of a gait goes in a step (rad).
local ROBOTS = {
  [48] = {
    rest = { 0.1, 0.9, -1.8, -0.1, 0.9, -1.8, 0.1, 0.9, -1.8, -0.1, 0.9, -1.8 },
    order = { "velocity", "rotation", "gravity", "joints", "joint_speeds", "action", "command" },
    step = 0.0,
  },
  [103] = {
    rest = {
      -0.312, 0, 0, 0.669, -0.363, 0, -0.312, 0, 0, 0.669, -0.363, 0, 0, 0, 0.073,
      0.2, 0.2, 0, 0.6, 0, 0, 0, 0.2, -0.2, 0, 0.6, 0, 0, 0,
    },
    order = { "velocity", "rotation", "gravity", "command", "joints", "joint_speeds", "action", "phase" },
    step = 2 * math.pi * 1.5 * 0.02,
  },
}

local function listed(x, n, what)
  if not x then return maru.zeros { n } end
  if x.count ~= n then maru.fail("%s: %s given, f32[%d] is needed", what, tostring(x), n) end
  return x:reshape({ n }):cast "f32"
end

local function observe(m, input, robot)
  local o, n, phase = m.options, #robot.rest, m.state.phase or 0.0
  local last = {}
  for i = 1, n do last[i] = m.state["action" .. i] or 0.0 end
  local parts = {
    velocity = listed(input.velocity, 3, "velocity"),
    rotation = listed(input.rotation, 3, "rotation"),
    gravity = input.gravity and listed(input.gravity, 3, "gravity") or maru.tensor({ 0, 0, -1 }, "f32"),
    joints = input.joints and listed(input.joints, n, "joints") - maru.tensor(robot.rest, "f32") or maru.zeros { n },
    joint_speeds = listed(input.joint_speeds, n, "joint_speeds"),
    action = maru.tensor(last, "f32"),
    command = maru.tensor({ o.forward, o.left, o.turn }, "f32"),
    -- Of the left foot and of the right one, which is half a turn ahead: cosines, then sines.
    phase = maru.tensor({ math.cos(phase), -math.cos(phase), math.sin(phase), -math.sin(phase) }, "f32"),
  }
  local row = {}
  for i, name in ipairs(robot.order) do row[i] = parts[name] end
  return maru.join(row, 0)
end

return maru.model {
  name = "walking",
  doc = "The policy of a walking robot: MuJoCo Playground, Unitree Go1 and G1",
  inputs = {
    velocity = { default = false, doc = "f32[3] of the body, m/s; 0 if it is left out" },
    rotation = { default = false, doc = "f32[3], rad/s" },
    gravity = { default = false, doc = "f32[3], its direction as the body sees it; 0, 0, -1" },
    joints = { default = false, doc = "f32[n], rad, of 12 joints (Go1) or 29 (G1); at rest" },
    joint_speeds = { default = false, doc = "f32[n], rad/s" },
    observation = { default = false, doc = "f32[1, 48 or 103], in place of all of them" },
  },
  outputs = {
    { name = "action", doc = "f32[n]: what the policy says" },
    { name = "targets", doc = "f32[n]: where the joints go, rad" },
  },
  options = {
    robot = { default = "go1", doc = "go1 or g1: which policy of a folder; a file says itself" },
    forward = { default = 0.0, doc = "what is commanded, m/s" },
    left = { default = 0.0, doc = "m/s" },
    turn = { default = 0.0, doc = "rad/s" },
  },

  graph = function(m)
    local net = maru.onnx(m.options.robot .. "_policy.onnx")
    local width = net.inputs[1].dims[2]
    m.robot = ROBOTS[width] or maru.fail("observations of %s numbers are of a robot that is not known", width)
    m:output("action", net(m:input("obs", "f32", { 1, width })):reshape { #m.robot.rest })
  end,

  run = function(m, input)
    local session = m:session()
    local robot = m.robot
    local x = input.observation or observe(m, input, robot)
    local action = session:run({ obs = x:reshape { 1, x.count } }).action
    for i, a in ipairs(action:totable()) do m.state["action" .. i] = a end
    m.state.phase = (m.state.phase or 0.0) + robot.step
    return { action = action, targets = maru.tensor(robot.rest, "f32") + action * SCALE }
  end,
}
