"""
EXPERIMENTAL: this file has been parsed, never run.

Reads dora-shm streams as SPEC.md defines them. For Julia 1.10 or later on 64-bit Linux; needs only the standard library.

    include("DoraShmReader.experimental.jl")
    reader = DoraShmReader.Reader("my-signal")            # or Reader("my-signal"; start = :oldest)
    outcome, frames = DoraShmReader.read_or_wait!(reader, 1.0)
    frames = DoraShmReader.latest(reader, 250)

`frames.samples` has the frames along its first dimension, then the dimensions of a frame in their order: n x channels,
n x y x x x c. A reader is for one task at a time.
"""
module DoraShmReader

using Base64, Mmap, SHA

const NO_GENERATION = 0xffffffff
const CLOSED = UInt32(2)
const UNKNOWN = typemax(UInt64)
# By code: numpy's name, and the type of a sample in memory.
const DTYPES = [("bool", UInt8), ("int8", Int8), ("uint8", UInt8), ("int16", Int16), ("uint16", UInt16), ("int32", Int32),
    ("uint32", UInt32), ("int64", Int64), ("uint64", UInt64), ("float16", Float16), ("float32", Float32),
    ("float64", Float64)]

"Shared memory contradicts SPEC.md. Discard the reader."
struct Corrupt <: Exception
    what::String
end

expect(condition, what) = condition ? nothing : throw(Corrupt(what))

"Name of a segment: of the stream itself, of `name/buffer0`, or of `name/meta1`."
function segment_name(long_name)
    text = base64encode(sha256(long_name))
    "sm_" * replace(text[1:20], '+' => '-', '/' => '_')
end

"A file in shared memory, mapped read-only until the last reference goes; `nothing` if it is absent."
function open_segment(long_name, least)
    path = "/dev/shm/" * segment_name(long_name)
    status = lstat(path)
    ispath(status) || return nothing
    expect(isfile(status), "not a regular file")
    expect(status.uid in (0, ccall(:geteuid, Cuint, ())), "another owner")
    file = try
        open(path, "r")
    catch problem
        problem isa SystemError && problem.errnum == Libc.ENOENT ? (return nothing) : rethrow()
    end
    try
        bytes = filesize(file)
        bytes >= least ? Mmap.mmap(file, Vector{UInt8}, bytes; grow = false, shared = true) : nothing
    finally
        close(file)
    end
end

# One machine load each. `offset` is in bytes, a multiple of the size.
place(memory, T, offset) = Ptr{T}(pointer(memory) + offset)
acquire(memory, T, offset) = GC.@preserve memory unsafe_load(place(memory, T, offset), :acquire)
plain(memory, T, offset) = GC.@preserve memory unsafe_load(place(memory, T, offset))

magic(letters) = only(reinterpret(UInt64, Vector{UInt8}(letters)))

function check_version(memory, offset, letters)
    expect(acquire(memory, UInt64, offset) == magic(letters), "another magic")
    expect(plain(memory, UInt16, offset + 8) == 1 && plain(memory, UInt32, offset + 12) == 0,
        "a version that this reader cannot read")
end

"A ring, with the numbers of its trailer read and checked once."
struct Ring
    memory::Vector{UInt8}
    trailer::Int
    generation::UInt32
    base::UInt64
    frames::Int
    frame_bytes::Int
    index_offset::Int
    records::Int
    dtype::String
    type::DataType
    shape::Vector{Int}
    rate::Float64
    meta_generation::UInt32
end

counter(ring, offset) = acquire(ring.memory, UInt64, ring.trailer + offset)
reserved(ring) = counter(ring, 256)
reserved_chunks(ring) = counter(ring, 264)
committed(ring) = counter(ring, 384)
committed_chunks(ring) = counter(ring, 392)
behind(position, frames) = position > frames ? position - UInt64(frames) : UInt64(0)

"`nothing`: absent, or of another stream or generation. Then the header has moved on."
function open_ring(name, generation, stream_id)
    memory = open_segment("$name/buffer$generation", 16384)
    memory === nothing && return nothing
    expect(length(memory) % 16384 == 0, "length of a ring")
    t = length(memory) - 4096
    check_version(memory, t, "DORASHMR")
    plain(memory, UInt64, t + 16) == stream_id && plain(memory, UInt32, t + 24) == generation || return nothing
    base, frames, frame_bytes = (plain(memory, UInt64, t + offset) for offset in (32, 40, 48))
    rate = plain(memory, Float64, t + 56)
    samples_offset, index_offset = plain(memory, UInt64, t + 64), plain(memory, UInt64, t + 72)
    records, record_bytes, dtype, rank = (plain(memory, UInt32, t + offset) for offset in (80, 84, 88, 92))
    dims = [plain(memory, UInt64, t + 96 + 8 * i) for i in 0:7]
    meta_generation = plain(memory, UInt32, t + 160)
    expect(1 <= dtype <= 12, "dtype")
    expect(rank <= 8, "rank")
    dtype_name, type = DTYPES[dtype]
    shape = dims[1:rank]
    expect(all(>=(1), shape) && all(iszero, dims[rank+1:end]), "dims")
    # BigInt cannot overflow.
    expect(prod(big.(shape); init = big(1)) * sizeof(type) == frame_bytes, "frame_bytes")
    expect(1 <= frames <= 0xffffffff, "frames")
    expect(isfinite(rate) && rate >= 0, "rate")
    expect(samples_offset == 8 * frames, "samples_offset")
    expect(8 * big(frames) + big(frames) * frame_bytes <= index_offset, "the samples' end")
    expect(64 <= records <= 65536 && ispow2(records) && record_bytes == 64, "records")
    expect(index_offset % 64 == 0 && big(index_offset) + 64 * big(records) <= t, "index_offset")
    Ring(memory, t, generation, base, frames, frame_bytes, index_offset, records, dtype_name, type, shape, rate,
        meta_generation)
end

"Frames of one generation. `first` is the position of the first one in it, `lost` the number lost just before it."
struct Frames
    generation::UInt32
    first::UInt64
    lost::UInt64
    times::Vector{Float64}
    samples::Array
end

mutable struct Reader
    name::String
    start::Symbol
    waited::Bool
    header::Union{Nothing, Vector{UInt8}}
    stream_id::UInt64
    ring::Union{Nothing, Ring}
    position::UInt64  # of the next frame, in its generation
    lost::UInt64      # all frames lost since the reader began
    pending::UInt64

    # The stream need not exist yet. A reader that predates it starts at its first frame.
    function Reader(name; start = :newest)
        start in (:newest, :oldest) || throw(ArgumentError("start is :newest or :oldest, not $start"))
        reader = new(name, start, false, nothing, 0, nothing, 0, 0, 0)
        attach!(reader)
        reader.waited = true
        reader
    end
end

epoch(reader) = reader.header === nothing ? nothing : acquire(reader.header, UInt32, 2192)

function lose!(reader, frames)
    reader.lost += frames
    reader.pending += frames
    nothing
end

"Attaches to the ring that the header names: `:generation`, `:nothing` while there is none, or `:closed`."
function attach!(reader)
    reader.header === nothing && !open_header!(reader) && return :nothing
    state = acquire(reader.header, UInt32, 2180)
    generation = acquire(reader.header, UInt32, 2184)
    seen = reader.ring === nothing ? UInt64(0) : reader.ring.base + reader.position
    found = generation == NO_GENERATION ? nothing : open_ring(reader.name, generation, reader.stream_id)
    # The ring does not exist yet, or has been removed.
    found === nothing && return state == CLOSED ? leave!(reader, seen) : :nothing
    first = reader.ring === nothing && !reader.waited
    reader.ring = found
    reader.position = 0
    if first
        newest = committed(found)
        Threads.atomic_fence()
        oldest = behind(reserved(found), found.frames)
        reader.position = reader.start == :newest ? newest : min(newest, oldest)
    else
        expect(found.base >= seen, "base went back")
        lose!(reader, found.base - seen)
    end
    :generation
end

function leave!(reader, seen)
    total = acquire(reader.header, UInt64, 2200)
    expect(total >= seen, "final_position is below what was read")
    total == UNKNOWN || lose!(reader, total - seen)
    reader.header = reader.ring = nothing
    reader.position = 0
    :closed
end

function open_header!(reader)
    memory = open_segment(reader.name, 4096)
    memory === nothing && return false
    check_version(memory, 2048, "DORASHMH")
    wanted = codeunits(reader.name)
    expect(plain(memory, UInt32, 2304) == length(wanted) && memory[2309:2308+length(wanted)] == wanted,
        "the header of another stream")
    reader.stream_id = plain(memory, UInt64, 2064)
    expect(reader.stream_id != 0, "stream_id")
    # A closed stream counts as absent: its writer is about to remove it.
    acquire(memory, UInt32, 2180) == CLOSED && return false
    reader.header = memory
    true
end

"Private copies of times and samples. They race with the writer: do not use them before `reserved` shows that they are whole."
function copy_frames(ring, low, high)
    count = Int(high - low)
    width = prod(ring.shape; init = 1)
    times = Vector{Float64}(undef, count)
    samples = Vector{ring.type}(undef, count * width)
    slot = Int(low % ring.frames)
    before = min(count, ring.frames - slot) # up to the end of the ring, then from its start
    memory = ring.memory
    GC.@preserve memory times samples for (at, from, n) in ((0, slot, before), (before, 0, count - before))
        unsafe_copyto!(pointer(times, at + 1), place(memory, Float64, 8 * from), n)
        source = place(memory, ring.type, 8 * ring.frames + from * ring.frame_bytes)
        unsafe_copyto!(pointer(samples, at * width + 1), source, n * width)
    end
    times, samples
end

"In C order the last dimension is contiguous, in Julia the first."
function shaped(ring, samples, count)
    values = ring.dtype == "bool" ? samples .!= 0 : samples
    shape = (count, ring.shape...)
    permutedims(reshape(values, reverse(shape)), length(shape):-1:1)
end

no_frames(reader) = Frames(reader.ring === nothing ? NO_GENERATION : reader.ring.generation, 0, 0, Float64[], UInt8[])

"""
    outcome, frames = read!(reader, most = 4096)

Copies at most `most` new frames; never blocks. `outcome` is `:data`; `:nothing`; `:generation`, when the reader has moved
to a new ring; or `:closed`, returned once, when the writer has closed the stream and every frame of it has been read.
"""
function read!(reader, most = 4096)
    none = no_frames(reader)
    ring = reader.ring
    ring === nothing && return attach!(reader), none
    # R2 before R3: if these show that this generation has ended, `committed` is final.
    state = acquire(reader.header, UInt32, 2180)
    generation = acquire(reader.header, UInt32, 2184)
    newest = committed(ring)
    expect(newest >= reader.position, "committed went back")
    if newest == reader.position
        generation != ring.generation && return attach!(reader), none
        return state == CLOSED ? leave!(reader, ring.base + newest) : :nothing, none
    end
    ahead = behind(newest, max(1, ring.frames ÷ 2))
    low = reader.position < behind(newest, ring.frames) ? ahead : reader.position
    high = min(newest, low + UInt64(most))
    times, samples = copy_frames(ring, low, high) # R4
    Threads.atomic_fence() # R5
    touched = reserved(ring) # R6
    expect(touched >= newest, "reserved is below committed")
    ok = behind(touched, ring.frames) # R7
    if ok > low
        # Lapped while copying. Continue half a ring behind the writer, which leaves both sides the most time.
        go_on = min(newest, max(ok, ahead))
        lose!(reader, go_on - reader.position)
        reader.position = go_on
        return :nothing, none
    end
    lose!(reader, low - reader.position)
    frames = Frames(ring.generation, low, reader.pending, times, shaped(ring, samples, Int(high - low)))
    reader.pending = 0
    reader.position = high
    :data, frames
end

"Reads, and sleeps until there is something to read or `seconds` are over."
function read_or_wait!(reader, seconds, most = 4096)
    deadline = time_ns() + round(UInt64, 1e9 * seconds)
    while true
        outcome, frames = read!(reader, most)
        (outcome != :nothing || time_ns() >= deadline) && return outcome, frames
        sleep(reader.ring === nothing ? 0.05 : 0.002)
    end
end

"""
Copies the newest frames of the reader's generation, at most `count`; the position stays. Also call `read!` from time to time:
only `read!` follows the stream to its next generation.
"""
function latest(reader, count)
    reader.ring === nothing && attach!(reader) != :generation && return no_frames(reader)
    ring = reader.ring
    newest = committed(ring)
    low = newest - min(newest, UInt64(count), UInt64(ring.frames))
    times, samples = copy_frames(ring, low, newest)
    Threads.atomic_fence()
    touched = reserved(ring)
    expect(touched >= newest, "reserved is below committed")
    torn = Int(clamp(behind(touched, ring.frames), low, newest) - low) # of the first frames
    width = prod(ring.shape; init = 1)
    whole = shaped(ring, samples[torn*width+1:end], length(times) - torn)
    Frames(ring.generation, low + UInt64(torn), 0, times[torn+1:end], whole)
end

"JSON of the description in force for the newest frames; `nothing` if it has been removed."
function description(reader)
    ring = reader.ring
    ring === nothing && error("there is no stream '$(reader.name)' yet")
    newest = acquire(reader.header, UInt32, 2188)
    json = open_description(reader, description_of_newest(ring))
    json === nothing && acquire(reader.header, UInt32, 2184) == ring.generation || return json
    open_description(reader, newest)
end

"Number of the description of the newest committed chunk, or the ring's own; 0: the record was overwritten."
function description_of_newest(ring)
    newest, chunks = committed(ring), committed_chunks(ring)
    # The newest record may be of a chunk that is not committed.
    for back in 1:min(2, chunks)
        i = chunks - UInt64(back)
        at = ring.index_offset + 64 * Int(i % ring.records)
        first, frames = plain(ring.memory, UInt64, at), plain(ring.memory, UInt64, at + 8)
        number = plain(ring.memory, UInt32, at + 32)
        Threads.atomic_fence()
        reserved_chunks(ring) > i + UInt64(ring.records) && return UInt32(0)
        first <= newest && frames <= newest - first && return number
    end
    ring.meta_generation
end

function open_description(reader, number)
    number == 0 && return nothing
    memory = open_segment("$(reader.name)/meta$number", 64)
    memory === nothing && return nothing
    expect(length(memory) <= 64 << 20, "length of a description")
    footer = length(memory) - 64
    check_version(memory, footer, "DORASHMM")
    plain(memory, UInt64, footer + 16) == reader.stream_id && plain(memory, UInt32, footer + 24) == number || return nothing
    offset, bytes = plain(memory, UInt64, footer + 40), plain(memory, UInt64, footer + 48)
    expect(bytes <= 16 << 20 && offset <= footer && bytes <= footer - offset, "json_len")
    String(memory[offset+1:offset+bytes])
end

end
