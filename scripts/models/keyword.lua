-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Which of ten words was said in a second of sound: the DS-CNN of MLPerf Tiny.
--
--   maru run scripts/models/keyword.lua --weights kws_ref_model.onnx --input sound=@yes_1000ms.wav

local maru = require "maru"
local audio = require "maru.audio"
local image = require "maru.image"

local WORDS = { "Down", "Go", "Left", "No", "Off", "On", "Right", "Stop", "Up", "Yes", "Silence", "Unknown" }
local RATE = 16000

return maru.model {
  name = "keyword",
  doc = "Which of ten words was said: DS-CNN, Speech Commands",
  inputs = { sound = { doc = "f32[channels, n]: the first second counts" } },
  outputs = {
    { name = "word", doc = "the likeliest, or Silence or Unknown" },
    { name = "score", doc = "its probability" },
    { name = "scores", doc = "f32[12]: down, go, left, no, off, on, right, stop, up, yes, silence, unknown" },
  },
  draw = { { bars = "score", labels = "word" } },

  graph = function(m)
    local net = maru.onnx "kws_ref_model.onnx"
    m:output("scores", net(m:input("mfcc", "f32", { 1, 49, 10, 1 })):reshape { 12 })
  end,

  run = function(m, input)
    local x = audio.mono(input.sound)
    local rate = input.sound.sample_rate or RATE
    if rate ~= RATE then x = audio.resample(x, rate, RATE) end
    x = x.count < RATE and audio.pad(x, 0, RATE - x.count) or x:slice(0, 0, RATE)
    local loudest = x:abs():max()
    if loudest > 0 then x = x / loudest end
    local mfcc = audio.mfcc(x, {
      size = 512, window_size = 480, hop = 320, center = false, power = 1,
      rate = RATE, mels = 40, low = 20, high = 4000, triangles = "mel", offset = 1e-6, count = 10,
    })
    -- The transform that the network was trained with does not make the first column smaller.
    local first = {}
    for k = 1, 10 do first[k] = k == 1 and math.sqrt(2) or 1 end
    mfcc = mfcc * maru.tensor(first, "f32")
    local scores = m:session():run({ mfcc = mfcc:reshape { 1, 49, 10, 1 } }).scores
    local best = image.top(scores, 1, WORDS)[1]
    return { word = best.label, score = best.score, scores = scores }
  end,
}
