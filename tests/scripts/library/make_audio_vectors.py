#!/usr/bin/env python3
# SPDX-FileCopyrightText: The Maru authors
# SPDX-License-Identifier: Apache-2.0
"""Writes audio_vectors.lua: what NumPy computes of the waveform below, by the definitions and not by our way to them.

usage: make_audio_vectors.py   (needs numpy)
"""
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
RATE = 16000


def waveform(n):
    """The same in audio.lua of this folder."""
    i = np.arange(n)
    x = 0.5 * np.sin(2 * np.pi * 440 * i / RATE) + 0.25 * np.sin(2 * np.pi * 3000 * i / RATE + 1)
    return (x + 0.1 * np.sin(1e-4 * i * i) + 0.05).astype(np.float32).astype(np.float64)


def window(kind, n, symmetric=False):
    a = 2 * np.pi * np.arange(n) / (n - 1 if symmetric else n)
    return {"hann": 0.5 - 0.5 * np.cos(a), "hamming": 0.54 - 0.46 * np.cos(a),
            "povey": (0.5 - 0.5 * np.cos(a)) ** 0.85,
            "blackman": 0.42 - 0.5 * np.cos(a) + 0.08 * np.cos(2 * a)}[kind]


def framed(x, size, hop):
    return np.stack([x[s:s + size] for s in range(0, len(x) - size + 1, hop)])


def stft(x, size, hop, win, center):
    if center:
        win = np.pad(win, ((size - len(win)) // 2, size - len(win) - (size - len(win)) // 2))
        x = np.pad(x, size // 2, mode="reflect")
    return np.fft.rfft(framed(x, len(win), hop) * win, size)


def mel(hz, scale):
    hz = np.asarray(hz, float)
    if scale == "htk":
        return 2595 * np.log10(1 + hz / 700)
    return np.where(hz < 1000, hz * 3 / 200, 15 + np.log(np.maximum(hz, 1) / 1000) / (np.log(6.4) / 27))


def hz(m, scale):
    m = np.asarray(m, float)
    if scale == "htk":
        return 700 * (10 ** (m / 2595) - 1)
    return np.where(m < 15, m * 200 / 3, 1000 * np.exp((m - 15) * np.log(6.4) / 27))


def filters(size, mels, low, high, scale, norm=None, over="hz"):
    points = np.linspace(mel(low, scale), mel(high, scale), mels + 2)
    bins = np.arange(size // 2 + 1) * RATE / size
    edges, at = (points, mel(bins, scale)) if over == "mel" else (hz(points, scale), bins)
    out = np.zeros((len(bins), mels))
    for m in range(mels):
        out[:, m] = np.interp(at, edges[m:m + 3], [0, 1, 0], left=0, right=0)
        if norm == "slaney":
            out[:, m] *= 2 / (hz(points[m + 2], scale) - hz(points[m], scale))
    return out


def dct(x):
    """Orthonormal DCT-II over the last axis, by its sum."""
    n = x.shape[-1]
    k, i = np.arange(n)[:, None], np.arange(n)[None, :]
    basis = np.sqrt(2 / n) * np.cos(np.pi * k * (2 * i + 1) / (2 * n))
    basis[0] /= np.sqrt(2)
    return x @ basis.T


def resample(x, old, new, zeros=16, rolloff=0.99):
    """Each sample as the sum over all of the input."""
    base = min(old, new) * rolloff
    out = []
    for j in range(-(-len(x) * new // old)):
        t = np.clip((np.arange(len(x)) / old - j / new) * base, -zeros, zeros)
        out.append(np.sum(x * np.sinc(t) * np.cos(np.pi * t / zeros / 2) ** 2) * base / old)
    return np.array(out)


def kaldi(x):
    """The usual features of Kaldi recipes, before the logarithm."""
    f = framed(x, 400, 160)
    f = f - f.mean(1, keepdims=True)
    f = f - 0.97 * np.concatenate([f[:, :1], f[:, :-1]], 1)
    return np.abs(np.fft.rfft(f * window("povey", 400, True), 512)) ** 2 @ filters(512, 23, 20, 8000, "htk", None, "mel")


def main():
    x = waveform(1600)
    spectrum = stft(x, 512, 128, window("hann", 400), True)
    whisper = np.log10(np.maximum(np.abs(stft(x, 400, 160, window("hann", 400), True)) ** 2
                                  @ filters(400, 80, 0, 8000, "slaney", "slaney"), 1e-10))
    fbank = np.log(np.maximum(kaldi(x), 1e-10))
    lifter = 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
    odd = np.fft.rfft(x[:90].reshape(3, 30), 30)
    vectors = {
        "hann": window("hann", 10), "hamming": window("hamming", 10), "povey": window("povey", 10, True),
        "blackman": window("blackman", 7, True),
        "rfft_30": np.stack([odd.real, odd.imag], -1),
        "rfft_97": np.stack([np.fft.rfft(x[:97]).real, np.fft.rfft(x[:97]).imag], -1),
        "stft_row": np.stack([spectrum[5, ::16].real, spectrum[5, ::16].imag], -1),
        "htk": filters(64, 6, 20, 7600, "htk"), "slaney": filters(64, 6, 0, 8000, "slaney", "slaney"),
        "whisper": whisper[::4], "fbank": fbank[::3], "mfcc": (dct(fbank)[:, :13] * lifter)[::3],
        "up": resample(x[:60], 2, 3), "down": resample(x[:400], 441, 160), "near": resample(x[:200], 160, 147),
    }
    lines = ["-- SPDX-FileCopyrightText: The Maru authors", "-- SPDX-License-Identifier: Apache-2.0", "",
             "-- Made by make_audio_vectors.py.", "return {"]
    for name, value in vectors.items():
        numbers = [format(v, ".7g") for v in np.asarray(value).ravel()]
        lines.append(f"  {name} = {{ shape = {{ {', '.join(map(str, value.shape))} }},")
        for at in range(0, len(numbers), 10):
            lines.append("    " + ", ".join(numbers[at:at + 10]) + ",")
        lines.append("  },")
    (HERE / "audio_vectors.lua").write_text("\n".join(lines + ["}", ""]))


if __name__ == "__main__":
    main()
