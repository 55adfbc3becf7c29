// Prints what bindings/single-file/csharp/DoraShmReader.cs reads as JSON lines: `all NAME` once, `follow NAME` to the end.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;
using DoraShm;

static class Drive
{
    static void Main(string[] arguments)
    {
        Console.OutputEncoding = new UTF8Encoding(false);
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        if (arguments[0] == "all") All(arguments[1]);
        else Follow(arguments[1]);
    }

    static void All(string name)
    {
        using (var reader = new Reader(name, Start.Oldest))
        {
            if (!reader.IsAttached)
            {
                Say("{\"outcome\":\"absent\"}");
                return;
            }
            ulong oldest = reader.Position;
            var frames = new Frames();
            var times = new List<string>();
            var samples = new List<string>();
            while (reader.Read(frames, 3) == Outcome.Data)
            {
                times.AddRange(frames.Times.Select(Number));
                samples.AddRange(Samples(reader, frames));
            }
            reader.Latest(frames, 2);
            string latest = List(Samples(reader, frames));
            Say("{\"outcome\":\"all\",\"generation\":" + reader.Generation + ",\"epoch\":" + reader.Epoch
                + ",\"stream_id\":\"" + reader.StreamId.ToString("x16") + "\",\"dtype\":\"" + reader.Dtype
                + "\",\"frame_shape\":" + List(reader.FrameShape.Select(dim => dim.ToString()))
                + ",\"rate_hz\":" + Number(reader.Rate) + ",\"ring_frames\":" + reader.RingFrames + ",\"base\":" + reader.Base
                + ",\"oldest\":" + oldest + ",\"position\":" + reader.Position + ",\"lost\":" + reader.Lost
                + ",\"times\":" + List(times) + ",\"samples\":" + List(samples) + ",\"latest\":" + latest
                + ",\"description\":" + (reader.Description() ?? "null") + "}");
        }
    }

    static void Follow(string name)
    {
        using (var reader = new Reader(name))
        {
            Say("{\"outcome\":\"waits\"}");
            var frames = new Frames();
            Outcome outcome;
            do
            {
                outcome = reader.ReadOrWait(frames, TimeSpan.FromSeconds(30));
                string data = outcome != Outcome.Data ? "" : ",\"generation\":" + frames.Generation + ",\"first\":" + frames.First
                    + ",\"lost\":" + frames.Lost + ",\"times\":" + List(frames.Times.Select(Number))
                    + ",\"samples\":" + List(Samples(reader, frames));
                Say("{\"outcome\":\"" + outcome.ToString().ToLowerInvariant() + "\",\"lost_in_all\":" + reader.Lost + data + "}");
            } while (outcome == Outcome.Data || outcome == Outcome.Generation);
        }
    }

    static IEnumerable<string> Samples(Reader reader, Frames frames)
    {
        switch (reader.Dtype)
        {
            case "bool": return frames.Bytes.Select(sample => sample != 0 ? "true" : "false");
            case "int8": return frames.SamplesAs<sbyte>().Select(sample => sample.ToString());
            case "uint8": return frames.Bytes.Select(sample => sample.ToString());
            case "int16": return frames.SamplesAs<short>().Select(sample => sample.ToString());
            case "uint16": return frames.SamplesAs<ushort>().Select(sample => sample.ToString());
            case "int32": return frames.SamplesAs<int>().Select(sample => sample.ToString());
            case "uint32": return frames.SamplesAs<uint>().Select(sample => sample.ToString());
            case "int64": return frames.SamplesAs<long>().Select(sample => sample.ToString());
            case "uint64": return frames.SamplesAs<ulong>().Select(sample => sample.ToString());
            case "float16": return frames.SamplesAs<ushort>().Select(sample => Number(Half(sample)));
            case "float32": return frames.SamplesAs<float>().Select(sample => Number(sample));
            default: return frames.SamplesAs<double>().Select(Number);
        }
    }

    // .NET 5 and later have System.Half.
    static double Half(ushort bits)
    {
        int exponent = bits >> 10 & 31, fraction = bits & 1023;
        double sign = (bits & 0x8000) != 0 ? -1 : 1;
        if (exponent == 31) return fraction != 0 ? double.NaN : sign * double.PositiveInfinity;
        return sign * (exponent == 0 ? fraction * Math.Pow(2, -24) : (1024 + fraction) * Math.Pow(2, exponent - 25));
    }

    static string Number(double value)
    {
        if (double.IsNaN(value)) return "\"NaN\"";
        if (double.IsInfinity(value)) return value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
        // Mono and old .NET omit the sign of zero.
        return value == 0 && 1 / value < 0 ? "-0.0" : value.ToString("G17", CultureInfo.InvariantCulture);
    }

    static string List(IEnumerable<string> items)
    {
        return "[" + string.Join(",", items) + "]";
    }

    static void Say(string line)
    {
        Console.Out.Write(line + "\n");
        Console.Out.Flush();
    }
}
