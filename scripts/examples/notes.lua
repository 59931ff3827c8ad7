-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- The notes of a sound: sound in, boxes and labels out, and no weights to
-- fetch. The graph holds one wave per note, as long as a frame, and says how
-- much of each is in a frame; what stays there is a box in time and pitch.
--
--     maru run scripts/examples/notes.lua --save sound=melody.wav
--     maru run scripts/examples/notes.lua --input sound=@melody.wav

local maru = require "maru"
local audio = require "maru.audio"
local vision = require "maru.vision"

local RATE, SIZE, HOP = 8000, 2048, 256
local LOWEST, COUNT = 60, 36  -- MIDI numbers: C4 to B6
local names = { "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B" }

local function frequency(note) return 440 * 2 ^ ((note - 69) / 12) end
local function name(note) return names[note % 12 + 1] .. (note // 12 - 1) end

-- Cosines, then sines, of every note under a window: f32[SIZE, 2 * COUNT].
local function waves()
  local window, rows = audio.window("hann", SIZE):totable(), {}
  for i = 0, SIZE - 1 do
    local row = {}
    for k = 0, COUNT - 1 do
      local angle = 2 * math.pi * frequency(LOWEST + k) * (i - SIZE / 2) / RATE
      row[k + 1] = window[i + 1] * math.cos(angle) * 4 / SIZE
      row[k + 1 + COUNT] = window[i + 1] * math.sin(angle) * 4 / SIZE
    end
    rows[i + 1] = row
  end
  return maru.tensor(rows, "f32")
end

-- What is heard without an input: a scale and its chord, each note fading in and out.
local function melody()
  local notes = { { 60, 0.0, 0.4 }, { 62, 0.5, 0.9 }, { 64, 1.0, 1.4 }, { 60, 1.6, 2.4 }, { 64, 1.6, 2.4 }, { 67, 1.6, 2.4 } }
  local samples = {}
  for i = 1, 20800 do
    local t, sum = i / RATE, 0
    for _, n in ipairs(notes) do
      if n[2] <= t and t < n[3] then
        sum = sum + 0.25 * math.sin(2 * math.pi * frequency(n[1]) * t) * math.min(1, (t - n[2]) * 50, (n[3] - t) * 50)
      end
    end
    samples[i] = sum
  end
  return maru.tensor(samples, "f32"):set_sample_rate(RATE)
end

return maru.model {
  name = "notes",
  doc = "The notes of a sound, C4 to B6, as boxes in time and pitch: no weights to fetch",
  inputs = { sound = { optional = true, doc = "f32[channels, n] of a .wav; without it a melody is made" } },
  outputs = {
    { name = "notes", doc = "one a line: its name, when it begins and ends" },
    { name = "boxes", doc = "f32[k, 4]: seconds and MIDI numbers, first and last" },
    { name = "labels", doc = "the names alone" },
    { name = "sound", doc = "what was listened to, one channel" },
  },
  options = {
    threshold = { default = 0.3, doc = "of the loudest note: what is less is none" },
    shortest = { default = 0.1, doc = "seconds of the shortest note" },
  },

  graph = function(m)
    local n = m:symbol("n", { typical = 100 })
    local frames = m:input("frames", "f32", { n, SIZE })
    local parts = frames:matmul(m:constant(waves(), "f32", "waves"))
    local real, imaginary = parts:split(1, 2)
    local loudness = (real * real + imaginary * imaginary):sqrt()
    -- A note is louder than the ones beside it, and not much less than the loudest of all.
    local around = maru.op("MaxPool", { loudness:unsqueeze(1) }, { kernel_shape = { 3 }, pads = { 1, 1 } }):squeeze(1)
    local is_peak = loudness:greaterorequal(around)
    local is_loud = loudness:greater(loudness:max({ 0, 1 }, true) * m.options.threshold)
    m:output("heard", maru.op("And", { is_peak, is_loud }):transpose(1, 0))
  end,

  run = function(m, input)
    local sound = input.sound or melody()
    local x = audio.mono(sound)
    if sound.sample_rate then x = audio.resample(x, sound.sample_rate, RATE) end
    local frames = audio.frames(audio.pad(x, SIZE // 2, SIZE // 2), SIZE, HOP)
    local heard = m:session():run({ frames = frames }).heard
    local found = {}
    for _, region in ipairs(vision.regions(heard, { connect = 4, min_area = m.options.shortest * RATE // HOP + 1 })) do
      local first, note, past = region.box[1] * HOP / RATE, LOWEST + region.box[2], (region.box[3] - 1) * HOP / RATE
      found[#found + 1] = { first, note, past, note }
    end
    table.sort(found, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
    local out = { notes = {}, labels = {}, sound = x:set_sample_rate(RATE) }
    for i, box in ipairs(found) do
      out.labels[i] = name(box[2])
      out.notes[i] = ("%-3s %5.2f to %5.2f s"):format(out.labels[i], box[1], box[3])
    end
    out.boxes = #found > 0 and maru.tensor(found, "f32") or maru.zeros { 0, 4 }
    return out
  end,
}
