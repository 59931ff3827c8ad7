-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- When somebody speaks: Silero VAD. It hears 32 ms at a time, with the last 4 ms before them, and keeps what it
-- remembers in a state of the session.
--
--   maru fetch vad
--   maru run scripts/models/vad.lua --input sound=@talk.wav

local maru = require "maru"
local audio = require "maru.audio"

local RATE, HOP, CONTEXT = 16000, 512, 64

return maru.model {
  name = "vad",
  doc = "When somebody speaks: Silero VAD",
  fetch = "vad",
  inputs = { sound = { doc = "f32[channels, n], of any rate" } },
  outputs = {
    { name = "segments", doc = "f32[k, 2]: where speech begins and ends, in seconds" },
    { name = "probabilities", doc = "f32[n]: of speech, for each 32 ms" },
  },
  draw = { { segments = "segments" }, { curve = "probabilities", every = HOP / RATE } },
  options = {
    threshold = { default = 0.5, doc = "speech begins at this probability" },
    exit = { default = -1.0, doc = "and ends below this one; -1: 0.15 below the threshold" },
    min_speech = { default = 0.25, doc = "seconds: what is shorter is no speech" },
    min_silence = { default = 0.1, doc = "seconds of silence that end speech" },
    max_speech = { default = 0.0, doc = "seconds: what is longer is cut at a pause; 0: never" },
    pad = { default = 0.03, doc = "seconds that are added on each side" },
  },

  graph = function(m)
    local net = maru.onnx("silero_vad_16k_op15.onnx", {
      known = { sr = maru.tensor(RATE, "i64") },
      dims = { input = { 1, CONTEXT + HOP }, state = { 2, 1, 128 } },
      outputs = { "output", "stateN" },
    })
    local sound = m:input("sound", "f32", { 1, HOP })
    local memory = m:state("memory", "f32", { 2, 1, 128 })
    local context = m:state("context", "f32", { 1, CONTEXT })
    local speech, after = net { input = maru.concat({ context, sound }, 1), state = memory }
    m:set_state("memory", after:reshape { 2, 1, 128 })
    m:set_state("context", sound:slice(1, HOP - CONTEXT, HOP))
    m:output("speech", speech)
  end,

  run = function(m, input)
    local o, session = m.options, m:session()
    local x = audio.mono(input.sound)
    local rate = input.sound.sample_rate or RATE
    if rate ~= RATE then x = audio.resample(x, rate, RATE) end
    local chunks = audio.frames(audio.pad(x, 0, -x.count % HOP), HOP, HOP)
    local probabilities = {}
    session:reset()
    for i = 1, chunks.shape[1] do
      probabilities[i] = session:run({ sound = chunks:slice(0, i - 1, i) }).speech:item()
    end
    local segments = audio.speech(probabilities, {
      rate = RATE, hop = HOP, count = x.count, threshold = o.threshold, exit = o.exit >= 0 and o.exit or nil,
      min_speech = o.min_speech, min_silence = o.min_silence, pad = o.pad,
      max_speech = o.max_speech > 0 and o.max_speech or nil,
    })
    for _, s in ipairs(segments) do s[1], s[2] = s[1] / RATE, s[2] / RATE end
    return {
      segments = #segments > 0 and maru.tensor(segments, "f32") or maru.zeros { 0, 2 },
      probabilities = maru.tensor(probabilities, "f32"),
    }
  end,
}
