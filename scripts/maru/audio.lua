-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- Sound before and after a model: resampling, frames, spectra, mel features,
-- and the way back to a waveform. A waveform is f32[n], one channel; what a
-- file holds is f32[channels, n]. All of it is on tensors in memory.

local maru = require "maru"

local audio = {}

local pi = math.pi

local function check_wave(x, what)
  if maru.type(x) ~= "tensor" or x.rank ~= 1 then
    maru.fail("audio.%s: %s given, one channel is needed, f32[n] (see audio.mono)", what, tostring(x))
  end
end

--- The bytes of a .wav file: f32[channels, n], which has a sample_rate; and the rate, in Hz.
---@param bytes string
---@return maru.tensor
---@return integer
function audio.decode(bytes)
  local sound = maru.decode(bytes, "the sound")
  if not sound.sample_rate then maru.fail "audio.decode: these bytes are a picture, not sound" end
  return sound, sound.sample_rate
end

--- The mean of the channels of x, f32[channels, n]; f32[n] stays as it is.
---@param x maru.tensor
---@return maru.tensor
function audio.mono(x)
  if x.rank == 1 then return x end
  return x:mean(0)
end

-- n zeros, or the samples mirrored at the edge that is not doubled.
local function edge(x, first, n, reflect)
  if not reflect then return maru.zeros({ n }, x.dtype) end
  local samples, mirrored = x:slice(0, first, first + n):totable(), {}
  if #samples < n then maru.fail("audio: %d samples are too few to mirror %d of them", x.count, n) end
  for i = 1, n do mirrored[i] = samples[n + 1 - i] end
  return maru.tensor(mirrored, x.dtype)
end

--- x with `left` and `right` more samples: zeros, or mirrored ones with reflect.
---@param x maru.tensor
---@param left integer
---@param right integer
---@param reflect? boolean
---@return maru.tensor
function audio.pad(x, left, right, reflect)
  check_wave(x, "pad")
  local parts = { x }
  if left > 0 then table.insert(parts, 1, edge(x, 1, left, reflect)) end
  if right > 0 then parts[#parts + 1] = edge(x, math.max(x.count - 1 - right, 0), right, reflect) end
  return maru.join(parts, 0)
end

-- ---- resampling -----------------------------------------------------------

local function gcd(a, b)
  while b ~= 0 do a, b = b, a % b end
  return a
end

-- The low-pass filter at every phase, f32[2 * reach + from, to], and its reach in samples.
-- A sinc under a squared cosine; see J. O. Smith, "Digital Audio Resampling Home Page", CCRMA, Stanford.
local function phases(from, to, zeros, rolloff)
  local base = math.min(from, to) * rolloff
  local reach = math.ceil(zeros * from / base)
  if (2 * reach + from) * to > 4e6 then
    maru.fail("audio.resample: the rates are as %d to %d, which is no small ratio", from, to)
  end
  local rows = {}
  for tap = 0, 2 * reach + from - 1 do
    local row = {}
    for phase = 0, to - 1 do
      local t = ((tap - reach) / from - phase / to) * base
      if math.abs(t) >= zeros then
        row[phase + 1] = 0.0
      else
        local sinc = t == 0 and 1 or math.sin(pi * t) / (pi * t)
        row[phase + 1] = sinc * math.cos(pi * t / zeros / 2) ^ 2 * base / from
      end
    end
    rows[tap + 1] = row
  end
  return maru.tensor(rows, "f32"), reach
end

local filters = {}

--- x, f32[n] or f32[channels, n], from one rate to another. options: zeros (16: crossings of the sinc on each side),
--- rolloff (0.99: where the pass band ends, as a part of the lower rate's half).
---@param x maru.tensor
---@param from integer
---@param to integer
---@param options? {zeros?: integer, rolloff?: number}
---@return maru.tensor
function audio.resample(x, from, to, options)
  options = options or {}
  if maru.type(x) ~= "tensor" or x.rank ~= 2 then check_wave(x, "resample") end
  local common = gcd(from, to)
  from, to = from // common, to // common
  if from == to then return x end
  if x.rank == 2 then
    local rows = {}
    for c = 1, x.shape[1] do
      local row = audio.resample(x:slice(0, c - 1, c):reshape { -1 }, from, to, options)
      rows[c] = row:reshape { 1, row.count }
    end
    return maru.join(rows, 0)
  end
  local zeros, rolloff = options.zeros or 16, options.rolloff or 0.99
  local key = ("%d %d %g %g"):format(from, to, zeros, rolloff)
  if not filters[key] then filters[key] = { phases(from, to, zeros, rolloff) } end
  local filter, reach = table.unpack(filters[key])
  local padded = audio.pad(x, reach, reach + from)
  local y = audio.frames(padded, 2 * reach + from, from):matmul(filter):reshape { -1 }
  return y:slice(0, 0, (x.count * to + from - 1) // from)
end

-- ---- frames ---------------------------------------------------------------

--- f32[size]. kind: "hann", "hamming", "povey", "blackman" or "rectangular". It is periodic, for spectra, unless
--- symmetric.
---@param kind maru.audio.window_kind
---@param size integer
---@param symmetric? boolean
---@return maru.tensor
function audio.window(kind, size, symmetric)
  local n = math.max(symmetric and size - 1 or size, 1)
  local shapes = {
    hann = function(a) return 0.5 - 0.5 * math.cos(a) end,
    hamming = function(a) return 0.54 - 0.46 * math.cos(a) end,
    povey = function(a) return (0.5 - 0.5 * math.cos(a)) ^ 0.85 end,
    blackman = function(a) return 0.42 - 0.5 * math.cos(a) + 0.08 * math.cos(2 * a) end,
    rectangular = function() return 1.0 end,
  }
  local shape = shapes[kind] or maru.fail("audio.window: there is no window '%s'", tostring(kind))
  local values = {}
  for i = 0, size - 1 do values[i + 1] = shape(2 * pi * i / n) end
  return maru.tensor(values, "f32")
end

--- The frames of x, f32[n], of `size` samples that begin `hop` apart: f32[1 + (n - size) // hop, size].
---@param x maru.tensor
---@param size integer
---@param hop integer
---@return maru.tensor
function audio.frames(x, size, hop)
  check_wave(x, "frames")
  local count = x.count < size and 0 or 1 + (x.count - size) // hop
  if count == 0 then return maru.zeros({ 0, size }, x.dtype) end
  -- Blocks of one hop lie side by side: frame f is blocks f, f + 1, ...
  local blocks = (size + hop - 1) // hop
  local rows = count + blocks - 1
  local cut = x:slice(0, 0, rows * hop)
  if cut.count < rows * hop then cut = audio.pad(cut, 0, rows * hop - cut.count) end
  cut = cut:reshape { rows, hop }
  local parts = {}
  for b = 0, blocks - 1 do parts[b + 1] = cut:slice(0, b, b + count) end
  return maru.join(parts, 1):slice(1, 0, size)
end

--- The sum of frames, f32[count, size], laid `hop` apart: f32[(count - 1) * hop + size].
---@param frames maru.tensor
---@param hop integer
---@return maru.tensor
function audio.overlap_add(frames, hop)
  local count, size = frames.shape[1], frames.shape[2]
  if count == 0 then return maru.zeros({ 0 }, frames.dtype) end
  local blocks = (size + hop - 1) // hop
  local function zeros(rows, columns) return maru.zeros({ rows, columns }, frames.dtype) end
  local wide = maru.join({ frames, zeros(count, blocks * hop - size) }, 1)
  local sum
  for b = 0, blocks - 1 do
    local part = wide:slice(1, b * hop, (b + 1) * hop)
    local shifted = maru.join({ zeros(b, hop), part, zeros(blocks - 1 - b, hop) }, 0)
    sum = sum and sum + shifted or shifted
  end
  return sum:reshape({ -1 }):slice(0, 0, (count - 1) * hop + size)
end

-- ---- spectra --------------------------------------------------------------

-- The window of `size` samples that the options ask for; in the middle of as many where it is shorter and centred.
local function the_window(options, size, is_centred)
  local length = options.window_size or size
  local window = options.window or "hann"
  if type(window) == "string" then window = audio.window(window, length, options.symmetric) end
  if not is_centred or window.count >= size then return window end
  local left = (size - window.count) // 2
  return audio.pad(window, left, size - window.count - left)
end

-- First differences, the sample before the first being the first.
local function emphasize(frames, amount)
  local before = maru.join({ frames:slice(1, 0, 1), frames:slice(1, 0, frames.shape[2] - 1) }, 1)
  return frames - before * amount
end

--- The short-time Fourier transform of x, f32[n]: f32[frames, size // 2 + 1, 2], real and imaginary parts.
--- options: size (512, of the transform), hop (a quarter of it), window ("hann", or f32[window_size]), symmetric,
--- window_size (size), center (true: frame f lies around sample f * hop, the edges are mirrored; else it begins there,
--- is window_size long and is padded with zeros), remove_mean (of each frame), preemphasis (of each frame).
---@param x maru.tensor
---@param options? maru.audio.stft_options
---@return maru.tensor
function audio.stft(x, options)
  check_wave(x, "stft")
  options = options or {}
  local size = options.size or 512
  local is_centred = options.center ~= false
  local window = the_window(options, size, is_centred)
  if is_centred then x = audio.pad(x, size // 2, size // 2, true) end
  local frames = audio.frames(x, window.count, options.hop or size // 4)
  if options.remove_mean then frames = frames - frames:mean(1):reshape { frames.shape[1], 1 } end
  if options.preemphasis then frames = emphasize(frames, options.preemphasis) end
  return (frames * window):rfft(size)
end

--- The waveform of a spectrum that audio.stft gave with these options, f32[n]. options.length: n.
---@param spectrum maru.tensor
---@param options? maru.audio.stft_options
---@return maru.tensor
function audio.istft(spectrum, options)
  options = options or {}
  local size = options.size or 512
  local hop = options.hop or size // 4
  local is_centred = options.center ~= false
  local window = the_window(options, size, is_centred)
  local frames = spectrum:irfft(size):slice(1, 0, window.count)
  local x = audio.overlap_add(frames * window, hop)
  local weights = audio.overlap_add(maru.zeros(frames.shape) + window * window, hop)
  x = x / weights:clip(1e-11)
  if is_centred then x = x:slice(0, size // 2, options.length and size // 2 + options.length or x.count - size // 2) end
  if options.length and x.count < options.length then x = audio.pad(x, 0, options.length - x.count) end
  return options.length and x:slice(0, 0, options.length) or x
end

--- |z|^2 of a spectrum, f32[..., 2].
---@param spectrum maru.tensor
---@return maru.tensor
function audio.power(spectrum)
  return (spectrum * spectrum):sum(-1)
end

--- |z| of a spectrum, f32[..., 2].
---@param spectrum maru.tensor
---@return maru.tensor
function audio.magnitude(spectrum)
  return audio.power(spectrum):sqrt()
end

-- ---- mel ------------------------------------------------------------------

--- Hz to mel: "htk", or "slaney" (linear below 1000 Hz, as in the Auditory Toolbox).
---@param hz number
---@param scale? "htk"|"slaney"
---@return number
function audio.mel(hz, scale)
  if scale ~= "slaney" then return 2595 * math.log(1 + hz / 700, 10) end
  return hz < 1000 and hz * 3 / 200 or 15 + 27 * math.log(hz / 1000) / math.log(6.4)
end

--- Mel to Hz.
---@param mel number
---@param scale? "htk"|"slaney"
---@return number
function audio.hz(mel, scale)
  if scale ~= "slaney" then return 700 * (10 ^ (mel / 2595) - 1) end
  return mel < 15 and mel * 200 / 3 or 1000 * math.exp(math.log(6.4) * (mel - 15) / 27)
end

--- Triangles over the bins of a spectrum, f32[size // 2 + 1, mels]. options: rate (16000), size (512), mels (80),
--- low (0), high (rate / 2), scale ("htk" or "slaney"), norm ("slaney": of equal area; nil: of height 1),
--- triangles ("hz", or "mel": straight lines over that).
---@param options? maru.audio.mel_options
---@return maru.tensor
function audio.mel_filters(options)
  options = options or {}
  local rate, size, mels = options.rate or 16000, options.size or 512, options.mels or 80
  local scale, in_mel = options.scale or "htk", options.triangles == "mel"
  local low, high = options.low or 0, options.high or rate / 2
  if not (0 <= low and low < high and high <= rate / 2) then
    maru.fail("audio.mel_filters: %g to %g Hz is no band within 0 to %g", low, high, rate / 2)
  end
  local first, last = audio.mel(low, scale), audio.mel(high, scale)
  local edges, width = {}, {}
  for i = 0, mels + 1 do
    local mel = first + (last - first) * i / (mels + 1)
    edges[i] = in_mel and mel or audio.hz(mel, scale)
    width[i] = audio.hz(mel, scale)
  end
  local rows = {}
  for bin = 0, size // 2 do
    local at, row = bin * rate / size, {}
    if in_mel then at = audio.mel(at, scale) end
    for m = 1, mels do
      local up = (at - edges[m - 1]) / (edges[m] - edges[m - 1])
      local down = (edges[m + 1] - at) / (edges[m + 1] - edges[m])
      local height = math.max(0.0, math.min(up, down))
      if options.norm == "slaney" then height = height * 2 / (width[m + 1] - width[m - 1]) end
      row[m] = height
    end
    rows[bin + 1] = row
  end
  return maru.tensor(rows, "f32")
end

--- log(mel(|stft|^power)), f32[frames, mels]. options: those of stft and mel_filters, filters (made before), power (2),
--- floor (1e-10: what is smaller is as large), offset (nil: added before the logarithm, in place of the floor), log ("natural", "log10" or "decibel").
---@param x maru.tensor
---@param options? maru.audio.log_mel_options
---@return maru.tensor
function audio.log_mel(x, options)
  options = options or {}
  local power = audio.power(audio.stft(x, options))
  if options.power == 1 then power = power:sqrt() end
  local mel = power:matmul(options.filters or audio.mel_filters(options))
  mel = (options.offset and mel + options.offset or mel:clip(options.floor or 1e-10)):log()
  local kind = options.log or "natural"
  local factor = ({ natural = 1, log10 = 1 / math.log(10), decibel = 10 / math.log(10) })[kind]
    or maru.fail("audio.log_mel: there is no logarithm '%s'", tostring(kind))
  return factor == 1 and mel or mel * factor
end

--- The first `count` columns of the orthonormal DCT-II over n numbers, f32[n, count].
---@param n integer
---@param count integer
---@return maru.tensor
function audio.dct(n, count)
  local rows = {}
  for i = 0, n - 1 do
    local row = {}
    for k = 0, count - 1 do
      row[k + 1] = math.cos(pi * k * (i + 0.5) / n) * math.sqrt((k == 0 and 1 or 2) / n)
    end
    rows[i + 1] = row
  end
  return maru.tensor(rows, "f32")
end

--- Mel-frequency cepstral coefficients, f32[frames, count]. options: those of log_mel, count (13), lifter (nil; 22 is
--- usual: the higher ones are raised).
---@param x maru.tensor
---@param options? maru.audio.mfcc_options
---@return maru.tensor
function audio.mfcc(x, options)
  options = options or {}
  local count = options.count or 13
  local mel = audio.log_mel(x, options)
  local y = mel:matmul(audio.dct(mel.shape[2], count))
  if not options.lifter then return y end
  local raised = {}
  for k = 0, count - 1 do raised[k + 1] = 1 + options.lifter / 2 * math.sin(pi * k / options.lifter) end
  return y * maru.tensor(raised, "f32")
end

-- ---- speech ---------------------------------------------------------------

-- The longest of pauses {first, past}, the first of such.
local function longest(pauses)
  local best
  for _, pause in ipairs(pauses) do
    if not best or pause[2] - pause[1] > best[2] - best[1] then best = pause end
  end
  return best
end

-- Spans of speech in samples, before they are padded. Times in `o` are in samples.
local function spans_of(scores, o)
  local spans, pauses, start, quiet = {}, {}, nil, nil
  local function add(first, past) spans[#spans + 1] = { first, past } end
  for i, score in ipairs(scores) do
    local at, is_speech = (i - 1) * o.hop, score >= o.threshold
    if is_speech and quiet then
      if at - quiet > o.pause then pauses[#pauses + 1] = { quiet, at } end
      quiet = nil
    end
    if is_speech and not start then
      start = at
    elseif start then
      if at - start > o.max_speech then
        local pause = longest(pauses)
        add(start, pause and pause[1] or at)
        start, quiet, pauses = pause and pause[2], nil, {}
      end
      if start and score < o.exit then
        quiet = quiet or at
        if at - quiet >= o.min_silence then
          if quiet - start > o.min_speech then add(start, quiet) end
          start, quiet, pauses = nil, nil, {}
        end
      end
    end
  end
  if start and o.count - start > o.min_speech then add(start, o.count) end
  return spans
end

-- Spans made longer on both sides; a silence that is too short for both is shared.
local function pad_spans(spans, pad, count)
  if #spans > 0 then spans[1][1] = math.max(spans[1][1] - pad, 0) end
  for i, span in ipairs(spans) do
    local after = spans[i + 1]
    local silence = after and after[1] - span[2]
    if after and silence < 2 * pad then
      span[2], after[1] = span[2] + silence // 2, after[1] - silence // 2
    else
      span[2] = math.min(span[2] + pad, count)
      if after then after[1] = after[1] - pad end
    end
  end
end

--- Where speech is, by the probabilities of it in every `hop` samples: a list of {first, past}, in samples. The rule is
--- Silero VAD's. options: rate (16000), hop (512), count (samples of the sound; as many as the probabilities cover),
--- threshold (0.5: speech begins there), exit (0.15 below it: it ends below that), and in seconds min_speech (0.25: what
--- is not longer is none), min_silence (0.1: as much of it ends speech), pad (0.03: added on both sides), max_speech
--- (nil: any; else what is longer is cut at its longest pause), pause (0.098: what is not longer is no pause).
---@param scores number[]|maru.tensor
---@param options? maru.audio.speech_options
---@return integer[][]
function audio.speech(scores, options)
  options = options or {}
  if maru.type(scores) == "tensor" then scores = scores:reshape({ -1 }):totable() end
  local rate, hop = options.rate or 16000, options.hop or 512
  local pad = math.floor((options.pad or 0.03) * rate)
  local threshold = options.threshold or 0.5
  local o = {
    hop = hop, count = options.count or #scores * hop, threshold = threshold,
    exit = options.exit or math.max(threshold - 0.15, 0.01),
    min_speech = (options.min_speech or 0.25) * rate, min_silence = (options.min_silence or 0.1) * rate,
    pause = (options.pause or 0.098) * rate,
    max_speech = options.max_speech and options.max_speech * rate - hop - 2 * pad or math.huge,
  }
  local spans = spans_of(scores, o)
  pad_spans(spans, pad, o.count)
  return spans
end

return audio
