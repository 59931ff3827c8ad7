-- SPDX-FileCopyrightText: The Maru authors
-- SPDX-License-Identifier: Apache-2.0
---@meta maru

-- What Maru gives to scripts, for editors with the Lua language server. This
-- file is never run. Axes and positions in tensors count from 0, as the
-- operators' do; Lua's tables count from 1.

---@alias maru.dtype "f32"|"f16"|"bf16"|"f64"|"i8"|"i16"|"i32"|"i64"|"u8"|"u16"|"u32"|"u64"|"bool"|"i4"|"u4"|string

---A dim that is bound at each run: `batch * seq`, `seq // 2`.
---@class maru.dim
---@operator add(maru.dim|integer): maru.dim
---@operator sub(maru.dim|integer): maru.dim
---@operator mul(maru.dim|integer): maru.dim
---@operator idiv(maru.dim|integer): maru.dim
---@operator mod(maru.dim|integer): maru.dim
---@field ceildiv fun(self: maru.dim, other: maru.dim|integer): maru.dim
---@field min fun(self: maru.dim, other: maru.dim|integer): maru.dim
---@field max fun(self: maru.dim, other: maru.dim|integer): maru.dim

---@alias maru.dims (maru.dim|integer)[]
---@alias maru.operand maru.value|maru.tensor|number|maru.dims|false

---A tensor of the graph: what will be computed. Every operator is a method by its name in small letters and
---underscores: `x:reduce_mean({-1}, {keepdims = 1})`; a last table with names holds the attributes.
---@class maru.value
---@operator add(maru.operand): maru.value
---@operator sub(maru.operand): maru.value
---@operator mul(maru.operand): maru.value
---@operator div(maru.operand): maru.value
---@operator idiv(maru.operand): maru.value
---@operator mod(maru.operand): maru.value
---@operator pow(maru.operand): maru.value
---@operator unm: maru.value
---@field shape maru.dims
---@field dtype maru.dtype
---@field rank integer
---@field name string
---@field [string] fun(self: maru.value, ...): maru.value
local value = {}

---@param dims maru.dims one of them may be -1
---@return maru.value
function value:reshape(dims) end

---@param dims maru.dims
---@return maru.value
function value:expand(dims) end

---Without axes the order is turned round.
---@param ... integer
---@return maru.value
function value:transpose(...) end

---@param ... integer
---@return maru.value
function value:squeeze(...) end

---@param ... integer
---@return maru.value
function value:unsqueeze(...) end

---@param axis integer
---@param first integer|maru.dim
---@param past? integer|maru.dim nil: to the end
---@param step? integer
---@return maru.value
function value:slice(axis, first, past, step) end

---@param axis integer
---@param parts integer|integer[] how many, or their sizes
---@return maru.value ...
function value:split(axis, parts) end

---@param indices maru.operand
---@param axis? integer 0
---@return maru.value
function value:gather(indices, axis) end

---@param other maru.operand
---@return maru.value
function value:matmul(other) end

---@param dtype maru.dtype
---@return maru.value
function value:cast(dtype) end

---@param axis? integer -1
---@return maru.value
function value:softmax(axis) end

---@param axis? integer -1
---@return maru.value
function value:log_softmax(axis) end

---@param axis? integer -1
---@param keepdims? boolean
---@return maru.value
function value:argmax(axis, keepdims) end

---@param k integer
---@param axis? integer -1
---@return maru.value values
---@return maru.value indices
function value:topk(k, axis) end

---@param axes? integer|integer[] nil: all
---@param keepdims? boolean
---@return maru.value
function value:sum(axes, keepdims) end
value.mean, value.max, value.min, value.prod = value.sum, value.sum, value.sum, value.sum

---@param low number?
---@param high number?
---@return maru.value
function value:clip(low, high) end

---Names it, for outputs, traces and placement.
---@param name string
---@return maru.value
function value:named(name) end

---A tensor in host memory.
---@class maru.tensor
---@operator add(maru.tensor|number): maru.tensor
---@operator sub(maru.tensor|number): maru.tensor
---@operator mul(maru.tensor|number): maru.tensor
---@operator div(maru.tensor|number): maru.tensor
---@operator pow(maru.tensor|number): maru.tensor
---@operator unm: maru.tensor
---@field shape integer[]
---@field dtype maru.dtype
---@field rank integer
---@field count integer
---@field get fun(self: maru.tensor, ...: integer): number
---@field set fun(self: maru.tensor, value: number, ...: integer): maru.tensor
---@field item fun(self: maru.tensor): number the only element
---@field totable fun(self: maru.tensor): table|number
---@field cast fun(self: maru.tensor, dtype: maru.dtype): maru.tensor
---@field copy fun(self: maru.tensor): maru.tensor
---@field reshape fun(self: maru.tensor, dims: integer[]): maru.tensor
---@field transpose fun(self: maru.tensor, ...: integer): maru.tensor
---@field slice fun(self: maru.tensor, axis: integer, first?: integer, past?: integer): maru.tensor
---@field sum fun(self: maru.tensor, axis?: integer): maru.tensor|number
---@field mean fun(self: maru.tensor, axis?: integer): maru.tensor|number
---@field max fun(self: maru.tensor, axis?: integer): maru.tensor|number
---@field min fun(self: maru.tensor, axis?: integer): maru.tensor|number
---@field argmax fun(self: maru.tensor, axis?: integer): maru.tensor|integer
---@field softmax fun(self: maru.tensor, axis?: integer): maru.tensor
---@field topk fun(self: maru.tensor, k: integer): number[], integer[] values and flat positions
---@field sample fun(self: maru.tensor, temperature: number, seed: integer, counter: integer): integer
---@field map fun(self: maru.tensor, fn: fun(x: number): number): maru.tensor
---@field exp fun(self: maru.tensor): maru.tensor
---@field log fun(self: maru.tensor): maru.tensor
---@field sqrt fun(self: maru.tensor): maru.tensor
---@field abs fun(self: maru.tensor): maru.tensor
---@field floor fun(self: maru.tensor): maru.tensor
---@field sigmoid fun(self: maru.tensor): maru.tensor
---@field clip fun(self: maru.tensor, low?: number, high?: number): maru.tensor
---@field greater fun(self: maru.tensor, than: number): maru.tensor bool
---@field matmul fun(self: maru.tensor, other: maru.tensor|table): maru.tensor [..., m, k] times [k, n]
---@field rfft fun(self: maru.tensor, n?: integer): maru.tensor [..., any] to [..., n // 2 + 1, 2]
---@field irfft fun(self: maru.tensor, n?: integer): maru.tensor [..., n // 2 + 1, 2] to [..., n]
---@field sample_rate integer? of sound from a file, in Hz
---@field set_sample_rate fun(self: maru.tensor, rate: integer): maru.tensor what a file of it will say; gives itself

---The weights below a prefix.
---@class maru.weights
---@field get fun(self: maru.weights, name: string, dims?: integer[], dtype?: maru.dtype): maru.value
---@field scope fun(self: maru.weights, name: string): maru.weights
---@field rename fun(self: maru.weights, map: table|fun(name: string): string?): maru.weights
---@field has fun(self: maru.weights, name: string): boolean
---@field info fun(self: maru.weights, name: string): {dtype: maru.dtype, shape: integer[]}?
---@field names fun(self: maru.weights): string[]
---@field tensor fun(self: maru.weights, name: string): maru.tensor

---@class maru.tokenizer
---@field size integer
---@field bos integer?
---@field eos integer?
---@field unk integer?
---@field pad integer?
---@field mask integer?
---@field encode fun(self: maru.tokenizer, text: string, params?: maru.encode_params): integer[]
---@field encode_batch fun(self: maru.tokenizer, texts: string[], params?: maru.encode_params): maru.batch
---@field decode fun(self: maru.tokenizer, ids: integer[]|maru.tensor): string
---@field piece fun(self: maru.tokenizer, id: integer): string?
---@field stream fun(self: maru.tokenizer, is_continuation?: boolean): maru.token_stream

---@class maru.encode_params
---@field max_tokens? integer
---@field special? boolean false: no tokens around the text
---@field plain? boolean text that spells a special token is text

---@class maru.batch
---@field ids maru.tensor i64[n, longest], padded on the right
---@field mask maru.tensor f32[n, longest]: 1 for a token
---@field lengths integer[]

---@class maru.token_stream
---@field push fun(self: maru.token_stream, id: integer): string
---@field finish fun(self: maru.token_stream): string

---@class maru.session
---@field run fun(self: maru.session, inputs: table<string, maru.tensor|table|number>): table<string, maru.tensor>
---@field bind fun(self: maru.session, symbol: string, value: integer)
---@field reset fun(self: maru.session)
---@field state fun(self: maru.session, name: string): maru.tensor
---@field set_state fun(self: maru.session, name: string, value: maru.tensor)

---@class maru.onnx_port
---@field name string
---@field dtype maru.dtype?
---@field dims (integer|string)[]? an open dim is its name, or -1

---@class maru.onnx_options
---@field dims? table<string, maru.dim|integer|string|(maru.dim|integer|string)[]> of a named dim, or all of an input
---@field known? table<string, maru.operand> inputs that are constants
---@field weights? table<string, maru.operand> in the place of initialisers
---@field outputs? string[] values of the model, inner ones too

---A model of a file, a function on tensors: net(x, y), or net { input = x }.
---@class maru.onnx_model
---@field inputs maru.onnx_port[]
---@field outputs maru.onnx_port[]
---@field metadata table<string, string> what its author wrote beside it
---@operator call(...): maru.value

---A model at work: what the functions of a description are given.
---@class maru.instance
---@field name string
---@field config table config.json, empty without one
---@field options table<string, any> the defaults with what --set said
---@field weights maru.weights
---@field state table numbers and texts that are saved with the session's states; m:state(...) makes a state
---@field [string] any
local instance = {}

---@param name string
---@param params? {min?: integer, max?: integer, multiple_of?: integer, typical?: integer}
---@return maru.dim
function instance:symbol(name, params) end

---@param name string
---@param dtype maru.dtype
---@param dims maru.dims
---@return maru.value
function instance:input(name, dtype, dims) end

---@param name string
---@param value maru.value
function instance:output(name, value) end

---@param name string
---@param value maru.value
function instance:set_state(name, value) end

---A required weight.
---@param name string
---@param dtype maru.dtype
---@param dims integer[]
---@return maru.value
function instance:parameter(name, dtype, dims) end

---@param numbers maru.tensor|table|number
---@param dtype? maru.dtype
---@param name? string
---@return maru.value
function instance:constant(numbers, dtype, name) end

---@param dims maru.dims
---@return maru.value i64[n]
function instance:shape(dims) end

---What the function makes has this scope in traces and deployments. Gives what the function gives.
---@param name string
---@param fn function
---@param ... any
---@return any ...
function instance:scope(name, fn, ...) end

---@return maru.session
function instance:session() end

---An ONNX model that runs in stages (Loop, Scan, sequences, text, sizes of the run): call it with inputs by name, it gives
---outputs by name. nil or false is an optional without a value, a list of tensors a sequence. It keeps what it has planned.
---@param name string of the file, beside the weights
---@return fun(inputs: table<string, any>): table<string, any>
function instance:flow(name) end

---A part of the model, with a graph, options and states of its own.
---@param name string
---@return maru.instance
function instance:part(name) end

---What the model's own `run` gives for these inputs, or its graph where it has none.
---@param inputs table
---@return table<string, any>
function instance:run(inputs) end

---@param name? string a file beside the weights
---@return maru.tokenizer
function instance:tokenizer(name) end

---@param name string
---@return string
function instance:file(name) end

---@param name string
---@return boolean
function instance:has_file(name) end

---@param name string
---@return table
function instance:json(name) end

---Streams output text.
---@param text string
function instance:emit(text) end

---One of the first eight; all but `every` are names of outputs.
---@class maru.layer
---@field boxes? string f32[n, 4]: x1, y1, x2, y2 in pixels
---@field corners? string f32[n, 4, 2]
---@field points? string f32[..., 2]
---@field mask? string [height, width]
---@field bars? string f32[n], 0 to 1
---@field sound? string f32[n] or f32[channels, n]
---@field segments? string f32[n, 2], in seconds
---@field curve? string f32[n], 0 to 1
---@field labels? string for each item
---@field scores? string for each item
---@field every? number of a curve: seconds between its numbers

---@class maru.description
---@field name string
---@field doc? string
---@field fetch? string name for `maru fetch`
---@field weights? string file or folder beside the script
---@field inputs? table
---@field outputs? table
---@field options? table<string, {default: any, doc?: string}>
---@field extra_weights? "ignore"|string[] patterns of names that may be left over
---@field parts? table<string, maru.description|{[1]: maru.description, options?: table<string, any>}>
---@field draw? maru.layer[] how outputs are drawn by `maru run --draw`
---@field graph? fun(m: maru.instance) needed where there are no parts and no `run`
---@field run? fun(m: maru.instance, input: table): table<string, any>

---@class maru.audio.stft_options
---@field size? integer of the transform, 512
---@field hop? integer size // 4
---@field window? maru.audio.window_kind|maru.tensor "hann"
---@field window_size? integer size
---@field symmetric? boolean the window ends with what it begins with
---@field center? boolean true: frame f lies around sample f * hop; false: it begins there
---@field remove_mean? boolean of each frame
---@field preemphasis? number of each frame
---@field length? integer of istft: samples to give

---@class maru.audio.mel_options
---@field rate? number 16000
---@field size? integer 512
---@field mels? integer 80
---@field low? number Hz
---@field high? number Hz, rate / 2
---@field scale? "htk"|"slaney"
---@field norm? "slaney" triangles of equal area
---@field triangles? "hz"|"mel" straight lines over that

---@class maru.audio.log_mel_options : maru.audio.stft_options, maru.audio.mel_options
---@field filters? maru.tensor f32[size // 2 + 1, mels]
---@field power? 1|2
---@field floor? number 1e-10
---@field offset? number added in place of the floor
---@field log? "natural"|"log10"|"decibel"

---@class maru.audio.mfcc_options : maru.audio.log_mel_options
---@field count? integer 13
---@field lifter? number

---@class maru.audio.speech_options
---@field rate? integer 16000
---@field hop? integer 512: samples for each probability
---@field count? integer samples of the sound
---@field threshold? number 0.5
---@field exit? number threshold - 0.15
---@field min_speech? number seconds, 0.25
---@field min_silence? number seconds, 0.1
---@field max_speech? number seconds
---@field pause? number seconds, 0.098
---@field pad? number seconds, 0.03

---@class maru.vision.detect_options
---@field score? number 0.25
---@field iou? number 0.5
---@field max? integer 100
---@field per_class? boolean true
---@field every_class? boolean false
---@field background? integer a class that is none
---@field candidates? integer 1000
---@field labels? string[]

---@class maru.vision.detections
---@field boxes maru.tensor f32[k, 4]
---@field scores maru.tensor f32[k]
---@field classes maru.tensor i64[k]
---@field labels string[]?

---@class maru.vision.region
---@field area integer
---@field box number[] x1, y1, x2, y2
---@field center number[] x, y
---@field score number
---@field outline number[][]? {x, y} of first and last pixels of its rows

---@alias maru.audio.window_kind "hann"|"hamming"|"povey"|"blackman"|"rectangular"

---@class maru
local maru = {}

---@param description maru.description
---@return maru.description
function maru.model(description) end

---A module of the script's folder, or of the library as maru.x.
---@param name string
---@return any
function maru.import(name) end

---Any operator of ONNX, or of ours as "maru.Name". false among the inputs is one left out.
---@param name string
---@param inputs maru.operand[]
---@param attributes? table
---@param n_outputs? integer
---@return maru.value ...
function maru.op(name, inputs, attributes, n_outputs) end

---An ONNX model beside the weights or the script, for use in the graph function.
---@param name string
---@param options? maru.onnx_options
---@return maru.onnx_model
function maru.onnx(name, options) end

---@param values maru.value[]
---@param axis? integer 0
---@return maru.value
function maru.concat(values, axis) end

---@param condition maru.value
---@param a maru.operand
---@param b maru.operand
---@return maru.value
function maru.where(condition, a, b) end

---An error at the line of the script that called the library.
---@param format string
---@param ... any
function maru.fail(format, ...) end

---@param thing any
---@return "value"|"tensor"|"dim"|nil
function maru.type(thing) end

---@param numbers table|number|maru.tensor
---@param dtype? maru.dtype nil: i64 for whole numbers, else f32
---@return maru.tensor
function maru.tensor(numbers, dtype) end

---@param dims integer[]
---@param dtype? maru.dtype f32
---@return maru.tensor
function maru.zeros(dims, dtype) end

---@param dims integer[]
---@param number number
---@param dtype? maru.dtype f32
---@return maru.tensor
function maru.full(dims, number, dtype) end

---@param n integer
---@param dtype? maru.dtype i64
---@return maru.tensor
function maru.arange(n, dtype) end

---A function of seed and place alone.
---@param dims integer[]
---@param seed integer
---@param kind? "uniform"|"normal"
---@return maru.tensor f32
function maru.random(dims, seed, kind) end

---Joins tensors in memory along an axis that they have.
---@param tensors maru.tensor[]
---@param axis? integer 0
---@return maru.tensor
function maru.join(tensors, axis) end

---The picture, u8[height, width, channels], or the sound, f32[channels, n], of a file's bytes.
---@param bytes string
---@param what? string what messages call it
---@return maru.tensor
function maru.decode(bytes, what) end

---In a stock Lua only: a model that the program runs itself.
---@param script string|maru.description
---@param params? {weights?: string, config?: string, device?: string, settings?: table}
---@return maru.instance
function maru.open(script, params) end

return maru
