# Prints what bindings/single-file/julia/DoraShmReader.experimental.jl reads, as lines of JSON: `all NAME` once, `follow NAME`
# until the end.

include(joinpath(@__DIR__, "..", "..", "..", "bindings", "single-file", "julia", "DoraShmReader.experimental.jl"))
using .DoraShmReader: Reader, read!, read_or_wait!, latest, description, epoch

number(value::Integer) = string(value)
function number(value)
    isnan(value) && return "\"NaN\""
    isinf(value) && return value > 0 ? "\"Infinity\"" : "\"-Infinity\""
    string(Float64(value))
end
list(values) = "[" * join(map(number, values), ",") * "]"
# In C order.
samples_of(frames) = vec(permutedims(frames.samples, ndims(frames.samples):-1:1))

function say(line)
    println(line)
    flush(stdout)
end

function all_of(name)
    reader = Reader(name; start = :oldest)
    reader.ring === nothing && return say("{\"outcome\":\"absent\"}")
    oldest = reader.position
    times, samples = Any[], Any[]
    while true
        outcome, frames = read!(reader, 3)
        outcome == :data || break
        append!(times, frames.times)
        append!(samples, samples_of(frames))
    end
    ring = reader.ring
    json = something(description(reader), "null")
    say("""{"outcome":"all","generation":$(number(ring.generation)),"epoch":$(number(epoch(reader))),""" *
        """"stream_id":"$(string(reader.stream_id; base = 16, pad = 16))","dtype":"$(ring.dtype)",""" *
        """"frame_shape":$(list(ring.shape)),"rate_hz":$(ring.rate),"ring_frames":$(ring.frames),""" *
        """"base":$(number(ring.base)),"oldest":$(number(oldest)),"position":$(number(reader.position)),""" *
        """"lost":$(number(reader.lost)),"times":$(list(times)),"samples":$(list(samples)),""" *
        """"latest":$(list(samples_of(latest(reader, 2)))),"description":$json}""")
end

function follow(name)
    reader = Reader(name)
    say("{\"outcome\":\"waits\"}")
    outcome = :generation
    while outcome in (:data, :generation)
        outcome, frames = read_or_wait!(reader, 30)
        data = outcome != :data ? "" :
            """,\"generation\":$(number(frames.generation)),"first":$(number(frames.first)),""" *
            """"lost":$(number(frames.lost)),"times":$(list(frames.times)),"samples":$(list(samples_of(frames)))"""
        say("""{"outcome":"$outcome","lost_in_all":$(number(reader.lost))$data}""")
    end
end

ARGS[1] == "all" ? all_of(ARGS[2]) : follow(ARGS[2])
