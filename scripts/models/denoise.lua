-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Speech without the noise around it: GTCRN, as a stream. The network sees a frame of the spectrum at a time, 16 ms apart,
-- and keeps what it remembers in three states of the session.
--
--   maru run scripts/models/denoise.lua --weights gtcrn_simple.onnx --input sound=@noisy.wav --save sound=clean.wav

local maru = require "maru"
local audio = require "maru.audio"

local RATE, SIZE, HOP = 16000, 512, 256
local BINS = SIZE // 2 + 1
local MEMORIES = { "conv_cache", "tra_cache", "inter_cache" }
local DIMS = { conv_cache = { 2, 1, 16, 16, 33 }, tra_cache = { 2, 3, 1, 1, 16 }, inter_cache = { 2, 1, 33, 16 } }

return maru.model {
  name = "denoise",
  doc = "Speech without the noise around it: GTCRN",
  inputs = { sound = { doc = "f32[channels, n], of any rate" } },
  outputs = { sound = { doc = "f32[n], one channel at 16000 Hz: the speech" } },
  draw = { { sound = "sound" } },

  graph = function(m)
    local given, outputs = { mix = m:input("frame", "f32", { 1, BINS, 1, 2 }) }, { "enh" }
    for i, name in ipairs(MEMORIES) do
      given[name] = m:state(name, "f32", DIMS[name])
      outputs[i + 1] = name .. "_out"
    end
    local results = { maru.onnx("gtcrn_simple.onnx", { outputs = outputs })(given) }
    for i, name in ipairs(MEMORIES) do m:set_state(name, results[i + 1]:reshape(DIMS[name])) end
    m:output("clean", results[1]:reshape { 1, BINS, 2 })
  end,

  run = function(m, input)
    local session = m:session()
    local x = audio.mono(input.sound)
    local rate = input.sound.sample_rate or RATE
    if rate ~= RATE then x = audio.resample(x, rate, RATE) end
    local window = { size = SIZE, hop = HOP, window = audio.window("hann", SIZE):sqrt(), length = x.count }
    local spectrum, frames = audio.stft(x, window), {}
    session:reset()
    for i = 1, spectrum.shape[1] do
      local frame = spectrum:slice(0, i - 1, i):reshape { 1, BINS, 1, 2 }
      frames[i] = session:run({ frame = frame }).clean
    end
    return { sound = audio.istft(maru.join(frames, 0), window):set_sample_rate(RATE) }
  end,
}
