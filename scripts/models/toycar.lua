-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- How unlike a sound toy car a recording is: the autoencoder of MLPerf Tiny, which knows good ones alone. The
-- score is what it could not rebuild; where "broken" begins is yours to find from recordings of good ones.
--
--   maru run scripts/models/toycar.lua --weights ad01_fp32.onnx --input sound=@car.wav

local maru = require "maru"
local audio = require "maru.audio"

local RATE, MELS, FRAMES = 16000, 128, 5

-- f32[windows, FRAMES * MELS]: every FRAMES frames that follow each other.
local function features(sound)
  local x = audio.mono(sound)
  local rate = sound.sample_rate or RATE
  if rate ~= RATE then x = audio.resample(x, rate, RATE) end
  local mel = audio.log_mel(x, {
    size = 1024, hop = 512, rate = RATE, mels = MELS, scale = "slaney", norm = "slaney",
    log = "decibel", offset = 2.220446049250313e-16,
  })
  local windows = mel.shape[1] - FRAMES + 1
  if windows < 1 then maru.fail("toycar: %d frames of sound, %d are needed", mel.shape[1], FRAMES) end
  local parts = {}
  for i = 1, FRAMES do parts[i] = mel:slice(0, i - 1, i - 1 + windows) end
  return maru.join(parts, 1)
end

return maru.model {
  name = "toycar",
  doc = "How unlike a sound toy car a recording is: an autoencoder",
  inputs = {
    { name = "sound", default = false, doc = "f32[channels, n]" },
    { name = "features", default = false, doc = "f32[windows, 640] in place of sound: five frames of 128 mel bands, in decibel" },
  },
  outputs = {
    { name = "score", doc = "the mean over the windows" },
    { name = "windows", doc = "f32[windows]: mean squared error of each" },
  },

  graph = function(m)
    local net = maru.onnx "ad01_fp32.onnx"
    local x = m:input("x", "f32", { 1, FRAMES * MELS })
    local off = net(x) - x
    m:output("error", (off * off):mean(1))
  end,

  run = function(m, input)
    if not input.features and not input.sound then maru.fail "toycar: sound or features are needed" end
    local x = input.features and maru.tensor(input.features, "f32") or features(input.sound)
    local errors, session = {}, m:session()
    for i = 1, x.shape[1] do errors[i] = session:run({ x = x:slice(0, i - 1, i) }).error end
    errors = maru.join(errors, 0)
    return { score = errors:mean(), windows = errors }
  end,
}
