-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- maru.audio against NumPy (audio_vectors.lua), and against itself where it must be its own inverse.

local maru = require "maru"
local audio = require "maru.audio"
local check = require "check"
local wanted = require "audio_vectors"

local samples = {}
for i = 0, 1599 do
  samples[i + 1] = 0.5 * math.sin(2 * math.pi * 440 * i / 16000) + 0.25 * math.sin(2 * math.pi * 3000 * i / 16000 + 1)
    + 0.1 * math.sin(1e-4 * i * i) + 0.05
end
local x = maru.tensor(samples, "f32")

check.close(audio.window("hann", 10), wanted.hann, "hann")
check.close(audio.window("hamming", 10), wanted.hamming, "hamming")
check.close(audio.window("povey", 10, true), wanted.povey, "povey")
check.close(audio.window("blackman", 7, true), wanted.blackman, "blackman")
check.close(audio.window("rectangular", 3), { 1, 1, 1 }, "rectangular")

check.close(x:slice(0, 0, 90):reshape({ 3, 30 }):rfft(), wanted.rfft_30, "rfft of 30")
check.close(x:slice(0, 0, 97):rfft(), wanted.rfft_97, "rfft of a prime")
check.close(x:slice(0, 0, 20):rfft(30):irfft(30), x:slice(0, 0, 20):totable() and
  audio.pad(x:slice(0, 0, 20), 0, 10), "rfft pads, irfft comes back")
check.close(x:slice(0, 0, 97):rfft():irfft(97), x:slice(0, 0, 97), "irfft of a prime")
check.close(x:slice(0, 0, 1):rfft(), { { x:get(0), 0 } }, "rfft of one")

local spectrum = audio.stft(x, { size = 512, hop = 128, window_size = 400 })
check.equal(tostring(spectrum), "f32[13, 257, 2]", "stft")
local row, every = spectrum:slice(0, 5, 6):reshape({ 257, 2 }):totable(), {}
for bin = 1, 257, 16 do every[#every + 1] = row[bin] end
check.close(maru.tensor(every, "f32"), wanted.stft_row, "a frame of stft", 2e-5)
check.close(audio.magnitude(spectrum):get(5, 0), math.abs(wanted.stft_row[1]), "magnitude")
for _, options in ipairs {
  {}, { size = 400, hop = 160 }, { size = 300, hop = 70, window = "hamming", window_size = 280 },
  { size = 256, hop = 64, window = audio.window("hann", 200) },
} do
  options.length = 1600
  check.close(audio.istft(audio.stft(x, options), options), x, "istft is the inverse")
end
local inner = audio.istft(audio.stft(x, { size = 256, hop = 64, center = false }), { size = 256, hop = 64, center = false })
check.close(inner:slice(0, 64, 1500), x:slice(0, 64, 1500), "without the edges")

check.equal(tostring(audio.frames(x, 400, 160)), "f32[8, 400]", "frames")
check.close(audio.frames(maru.arange(7), 3, 2), { { 0, 1, 2 }, { 2, 3, 4 }, { 4, 5, 6 } }, "frames overlap")
check.close(audio.frames(maru.arange(8), 2, 3), { { 0, 1 }, { 3, 4 }, { 6, 7 } }, "frames with gaps")
check.equal(tostring(audio.frames(x, 1601, 1)), "f32[0, 1601]", "too short for a frame")
check.close(audio.overlap_add(maru.tensor({ { 1, 2, 3 }, { 10, 20, 30 } }, "f32"), 2), { 1, 2, 13, 20, 30 }, "overlap-add")
check.close(audio.pad(maru.arange(4), 2, 3, true), { 2, 1, 0, 1, 2, 3, 2, 1, 0 }, "mirrored")
check.close(audio.pad(maru.arange(2), 1, 1), { 0, 0, 1, 0 }, "zeros")
check.close(audio.mono(maru.tensor({ { 1, 2 }, { 3, 6 } }, "f32")), { 2, 4 }, "mono")

check.close(audio.mel_filters { size = 64, mels = 6, low = 20, high = 7600 }, wanted.htk, "HTK's filters")
check.close(audio.mel_filters { size = 64, mels = 6, scale = "slaney", norm = "slaney" }, wanted.slaney, "Slaney's")
for _, scale in ipairs { "htk", "slaney" } do
  for _, f in ipairs { 0, 440, 1000, 7000 } do check.close(audio.hz(audio.mel(f, scale), scale), f, "mel and back") end
end

local function every_nth(t, n)
  local rows = {}
  for i = 0, t.shape[1] - 1, n do rows[#rows + 1] = t:slice(0, i, i + 1) end
  return maru.join(rows, 0)
end
local whisper = audio.log_mel(x, { size = 400, hop = 160, mels = 80, scale = "slaney", norm = "slaney", log = "log10" })
check.close(every_nth(whisper, 4), wanted.whisper, "log-mel as Whisper has it", 1e-4)
local kaldi = {
  size = 512, window_size = 400, hop = 160, window = "povey", symmetric = true, center = false, remove_mean = true,
  preemphasis = 0.97, mels = 23, low = 20, triangles = "mel",
}
check.close(every_nth(audio.log_mel(x, kaldi), 3), wanted.fbank, "log-mel as Kaldi has it", 1e-4)
kaldi.lifter = 22
check.close(every_nth(audio.mfcc(x, kaldi), 3), wanted.mfcc, "MFCC", 1e-3)
check.close(audio.log_mel(x, { log = "decibel" }), audio.log_mel(x) * (10 / math.log(10)), "decibel")
check.close(audio.log_mel(x, { offset = 1e-3 }):get(2, 7), math.log(math.exp(audio.log_mel(x):get(2, 7)) + 1e-3), "offset")
check.close(audio.log_mel(x, { power = 1, floor = 1e-20 }):get(3, 20), math.log(audio.magnitude(audio.stft(x))
  :matmul(audio.mel_filters()):get(3, 20)), "of the magnitude")

check.close(audio.resample(x:slice(0, 0, 60), 32000, 48000), wanted.up, "resample 2:3")
check.close(audio.resample(x:slice(0, 0, 400), 44100, 16000), wanted.down, "resample 441:160")
check.close(audio.resample(x:slice(0, 0, 200), 48000, 44100), wanted.near, "resample 160:147")
check.equal(audio.resample(x, 16000, 16000), x, "nothing to do")
local stereo = maru.join({ x:reshape { 1, 1600 }, (x * 2):reshape { 1, 1600 } }, 0)
local both = audio.resample(stereo, 16000, 8000)
check.equal(tostring(both), "f32[2, 800]", "every channel")
check.close(both:slice(0, 1, 2), both:slice(0, 0, 1) * 2, "each by itself")
-- A tone within the new band comes through, one above it does not.
local function tone(f)
  local t = {}
  for i = 0, 1599 do t[i + 1] = math.sin(2 * math.pi * f * i / 16000) end
  return audio.resample(maru.tensor(t, "f32"), 16000, 8000):slice(0, 100, 700):abs():max()
end
check.equal(tone(1000) > 0.99 and tone(3400) > 0.95, true, "the pass band")
check.equal(tone(4600) < 0.01 and tone(6000) < 0.001, true, "the stop band")

-- A file in memory: 16-bit, two channels, 3 frames at 8000 Hz.
local wav = "RIFF" .. ("<I4"):pack(48) .. "WAVEfmt " .. ("<I4I2I2I4I4I2I2"):pack(16, 1, 2, 8000, 32000, 4, 16) .. "data"
  .. ("<I4i2i2i2i2i2i2"):pack(12, 0, 16384, -16384, 8192, 32767, -32768)
local sound, rate = audio.decode(wav)
check.equal(rate, 8000, "the rate")
check.equal(sound.sample_rate, 8000, "the rate of the tensor")
check.close(sound, { { 0, -0.5, 32767 / 32768 }, { 0.5, 0.25, -1 } }, "its samples")
check.equal(x.sample_rate, nil, "no rate")
check.equal(x:set_sample_rate(16000).sample_rate, 16000, "a rate that was set")
for n = 0, #wav - 1 do check.equal(pcall(audio.decode, wav:sub(1, n)), false, "a cut file") end

-- Probabilities of speech in tenths, {value, how often}; what Silero's own get_speech_timestamps makes of them.
local speech = {}
for _, run in ipairs { { 1, 2 }, { 8, 10 }, { 4, 3 }, { 8, 6 }, { 1, 2 }, { 9, 12 }, { 2, 8 }, { 8, 5 }, { 1, 9 }, { 7, 20 },
  { 1, 1 }, { 6, 2 }, { 0, 6 }, { 9, 4 } } do
  for _ = 1, run[2] do speech[#speech + 1] = run[1] / 10 end
end
for _, case in ipairs {
  { {}, { { 544, 18400 }, { 28704, 41440 } } },
  { { min_speech = 0.1, min_silence = 0, pad = 0 },
    { { 1024, 10752 }, { 11776, 17920 }, { 22016, 24576 }, { 29184, 39424 }, { 44032, 45980 } } },
  { { threshold = 0.75, exit = 0.3 }, { { 544, 18400 } } },
  { { pad = 0.2 }, { { 0, 21120 }, { 25984, 44160 } } },
  { { max_speech = 0.5 }, { { 544, 7936 }, { 7936, 15328 }, { 28704, 36096 }, { 36096, 43488 } } },
  { { max_speech = 0.5, min_silence = 0.4 },
    { { 544, 7936 }, { 7936, 15104 }, { 15104, 18400 }, { 21536, 28928 }, { 28928, 36096 }, { 36096, 43488 } } },
} do
  case[1].count = #speech * 512 - 100
  check.close(audio.speech(speech, case[1]), case[2], "speech", 0)
end
check.close(audio.speech(maru.tensor(speech, "f32"), { count = #speech * 512 - 100 }), { { 544, 18400 }, { 28704, 41440 } },
  "speech of a tensor", 0)
check.equal(#audio.speech {}, 0, "no speech in nothing")

check.fails("the sound is not a WAV file", audio.decode, "RIFF....")
check.fails("decode: the bytes of a file were expected, not nil", audio.decode)
check.fails("the sound", audio.decode, "nothing")
check.fails("there is no window 'han'", audio.window, "han", 8)
check.fails("there is no logarithm 'ln'", audio.log_mel, x, { log = "ln" })
check.fails("is no band within 0 to 8000", audio.mel_filters, { high = 9000 })
check.fails("audio.stft: f32[2, 1600] given, one channel is needed, f32[n]", audio.mfcc, stereo)
check.fails("audio.resample: nil given", audio.resample, nil, 1, 2)
check.fails("44100 to 48001, which is no small ratio", audio.resample, x, 44100, 48001)
check.fails("are too few to mirror", audio.stft, x:slice(0, 0, 100))
check.fails("a tensor of floats is needed, not of i64", maru.arange(3).rfft, maru.arange(3))
check.fails("a length of 0 is not within 1 to", x.rfft, x, 0)
check.fails("irfft: f32[1600] given, [..., bins, 2] is needed", x.irfft, x)
check.fails("irfft: a length of 9 has 5 bins, there are 257", spectrum.irfft, spectrum, 9)
check.fails("matmul: f32[1600] times f32[3, 4]: [..., m, k] times [k, n] would fit", x.matmul, x, maru.zeros { 3, 4 })
check.fails("a sample rate of 0 frames a second", x.set_sample_rate, x, 0)

return check.done()
