-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0

-- What kind of file some bytes are: Magika. config.min.json lies beside the model.
--
--   maru run scripts/models/magika.lua --weights DIR --input content=@notes.txt

local maru = require "maru"

-- The bytes of a text, of the lines of one, or of u8[n].
local function bytes_of(content)
  if type(content) == "string" then return content end
  if type(content) == "table" then return table.concat(content, "\n") end
  local list, parts = content:reshape({ content.count }):totable(), {}
  for first = 1, #list, 4096 do
    parts[#parts + 1] = string.char(table.unpack(list, first, math.min(first + 4095, #list)))
  end
  return table.concat(parts)
end

-- The first and the last bytes without white space around them, filled up with `config.padding_token`.
local function features(content, config)
  local function is_space(byte) return byte and (byte == 32 or (byte >= 9 and byte <= 13)) end
  local head = content:sub(1, config.block_size)
  local tail = content:sub(-config.block_size)
  local first, last = 1, #tail
  while is_space(head:byte(first)) do first = first + 1 end
  while is_space(tail:byte(last)) do last = last - 1 end
  head = head:sub(first, first + config.beg_size - 1)
  tail = tail:sub(math.max(1, last - config.end_size + 1), last)
  local row = {}
  for i = 1, config.beg_size do row[i] = head:byte(i) or config.padding_token end
  local gap = config.end_size - #tail
  for i = 1, config.end_size do
    row[config.beg_size + i] = i > gap and tail:byte(i - gap) or config.padding_token
  end
  return row
end

-- Formats that are no text; below its threshold one of them is "unknown", another "txt".
local BINARY = {}
for label in ([[3gp ace ai apk applebplist bmp bzip cab cat chm coff crt crx deb dex dicom dmg doc docx dsstore dwg elf emf
    epub flac flv gif gzip h5 hlp icns ico iso jar javabytecode jp2 jpeg lha lnk macho midi mkv mp3 mp4 mscompress msi npy
    npz nupkg odp ods odt ogg one onnx otf outlook parquet pcap pdb pdf pebin pickle png ppt pptx psd pythonbytecode
    pytorch qt randombytes rar rpm sevenzip snap sqlite squashfs stlbinary swf tar tga thumbsdb tiff torrent ttf wasm wav
    webm webp wmf woff woff2 xar xls xlsb xlsx xpi xz zip zlibstream]]):gmatch "%S+" do
  BINARY[label] = true
end

local function by_bytes(content) return utf8.len(content) and "txt" or "unknown" end

return maru.model {
  name = "magika",
  doc = "What kind of file some bytes are: one of 214",
  inputs = { content = { doc = "a text, or u8[n]: bytes of a file" } },
  outputs = {
    { name = "label", doc = "what it is: the network's answer, or txt or unknown where that is not sure" },
    { name = "score", doc = "of the network's answer; 1 where it was not asked" },
    { name = "network", doc = "the network's answer; undefined where it was not asked" },
  },
  draw = { { bars = "score", labels = "network" } },

  graph = function(m)
    local net = maru.onnx "model.onnx"
    m:output("scores", net(m:input("bytes", "i32", { 1, 2048 })))
  end,

  run = function(m, input)
    local config = m:json "config.min.json"
    local content = bytes_of(input.content)
    local function plain(label) return { label = label, score = 1, network = "undefined" } end
    if #content == 0 then return plain "empty" end
    if #content < config.min_file_size_for_dl then return plain(by_bytes(content)) end
    local row = features(content, config)
    -- Nearly all of it is white space.
    if row[config.min_file_size_for_dl] == config.padding_token then
      return plain(by_bytes(content:sub(1, config.block_size)))
    end
    local scores, places = m:session():run({ bytes = maru.tensor({ row }, "i32") }).scores:topk(1)
    local label = config.target_labels_space[places[1] + 1]
    local answer = config.overwrite_map[label] or label
    if scores[1] < (config.thresholds[label] or config.medium_confidence_threshold) then
      answer = BINARY[label] and "unknown" or "txt"
    end
    return { label = answer, score = scores[1], network = label }
  end,
}
