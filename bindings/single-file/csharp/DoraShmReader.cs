// A reader of dora-shm streams for C#, written from SPEC.md alone: copies frames out of shared memory that it maps read-only.
// For 64-bit .NET or Mono on Linux; compile with unsafe code allowed.

using System;
using System.Collections.Generic;
using System.IO;
using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using System.Text;
using System.Threading;

namespace DoraShm
{
    public enum Start { Newest, Oldest }

    public enum Outcome
    {
        /// <summary>Nothing new, or no stream yet. Sleep briefly and read again.</summary>
        Nothing,
        /// <summary>Frames were copied.</summary>
        Data,
        /// <summary>The reader moved to a new ring: Dtype, FrameShape and Rate are those of the frames to come.</summary>
        Generation,
        /// <summary>The writer closed the stream. Returned once, after the last frame; later reads follow the next writer.</summary>
        Closed,
    }

    /// <summary>Shared memory contradicts SPEC.md. Discard the reader.</summary>
    public sealed class CorruptException : Exception
    {
        public CorruptException(string what) : base(what) { }
    }

    /// <summary>A copy of frames of one generation.</summary>
    public sealed class Frames
    {
        /// <summary>Position of the first one in its generation.</summary>
        public ulong First;
        /// <summary>Frames lost just before it.</summary>
        public ulong Lost;
        public uint Generation;
        /// <summary>One value per frame on the buffered axis; seconds for a time axis.</summary>
        public double[] Times = new double[0];
        /// <summary>The samples in C order, frame after frame, little-endian.</summary>
        public byte[] Bytes = new byte[0];

        public int Count { get { return Times.Length; } }

        /// <summary>The samples as numbers; T has the size of the dtype (ushort for float16, byte for bool).</summary>
        public T[] SamplesAs<T>() where T : struct
        {
            var samples = new T[Bytes.Length / Buffer.ByteLength(new T[1])];
            Buffer.BlockCopy(Bytes, 0, samples, 0, Bytes.Length);
            return samples;
        }

        internal void DropFront(ulong frames, ulong frameBytes)
        {
            First += frames;
            Times = Tail(Times, frames);
            Bytes = Tail(Bytes, frames * frameBytes);
        }

        static T[] Tail<T>(T[] all, ulong from)
        {
            var tail = new T[(ulong)all.Length - from];
            Array.Copy(all, (long)from, tail, 0, tail.Length);
            return tail;
        }
    }

    /// <summary>Reads one stream. For one thread at a time.</summary>
    public sealed unsafe class Reader : IDisposable
    {
        static readonly string[] DtypeNames = {
            null, "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
            "float64",
        };
        static readonly ulong[] ItemBytes = { 0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 4, 8 };
        const uint Open = 1, ClosedState = 2, NoGeneration = 0xFFFFFFFF;
        const ulong Unknown = 0xFFFFFFFFFFFFFFFF;

        readonly string name;
        readonly Start start;
        Segment header;
        Ring ring;
        ulong streamId, next, pending;
        bool waited;

        /// <summary>The stream need not exist yet. A reader that predates it starts at its first frame.</summary>
        public Reader(string name, Start start = Start.Newest)
        {
            if (sizeof(void*) != 8 || !BitConverter.IsLittleEndian)
                throw new PlatformNotSupportedException("64-bit little-endian machines only");
            this.name = name;
            this.start = start;
            Attach();
            waited = true;
        }

        public bool IsAttached { get { return ring != null; } }
        public string Dtype { get { return DtypeNames[Attached().Dtype]; } }
        /// <summary>Shape of one frame, outermost first; empty: one sample per frame.</summary>
        public ulong[] FrameShape { get { return Attached().Dims; } }
        /// <summary>Frames per second; 0: irregular or unknown.</summary>
        public double Rate { get { return Attached().Rate; } }
        public uint Generation { get { return Attached().Generation; } }
        /// <summary>Frames that the ring holds.</summary>
        public ulong RingFrames { get { return Attached().Frames; } }
        /// <summary>Frames of the stream before this generation.</summary>
        public ulong Base { get { return Attached().Base; } }
        /// <summary>Position of the next frame, in its generation.</summary>
        public ulong Position { get { return next; } }
        /// <summary>All frames lost since the reader began.</summary>
        public ulong Lost { get; private set; }
        public ulong StreamId { get { Attached(); return streamId; } }
        /// <summary>1 for the stream's first writer, one more for each that took over from a dead one.</summary>
        public uint Epoch { get { Attached(); return header.AcquireU32(2192); } }

        /// <summary>Copies at most `most` new frames; never blocks.</summary>
        public Outcome Read(Frames into, ulong most = 4096)
        {
            if (ring == null) return Attach();
            // R2 before R3: if these show that this generation has ended, `committed` is final.
            uint state = header.AcquireU32(2180), generation = header.AcquireU32(2184);
            ulong committed = ring.Committed; // R3
            Expect(committed >= next && ring.Base + committed >= committed, "committed went back");
            if (committed == next) // R8
            {
                if (generation != ring.Generation) return Attach();
                if (state != ClosedState) return Outcome.Nothing;
                return Leave(ring.Base + committed);
            }
            ulong n = ring.Frames, half = Math.Max(1, n / 2);
            ulong ahead = committed > half ? committed - half : 0;
            ulong low = committed > n && next < committed - n ? ahead : next;
            ulong high = low + Math.Min(most, committed - low);
            Copy(into, low, high); // R4
            Thread.MemoryBarrier(); // R5
            ulong reserved = ring.Reserved; // R6
            Expect(reserved >= committed, "reserved is below committed");
            ulong ok = reserved > n ? reserved - n : 0; // R7
            if (ok > low)
            {
                // Lapped while copying. Continue half a ring behind the writer, which leaves both sides the most time.
                ulong goOn = Math.Min(committed, Math.Max(ok, ahead));
                Lose(goOn - next);
                next = goOn;
                return Outcome.Nothing;
            }
            Lose(low - next);
            into.Lost = pending;
            pending = 0;
            next = high;
            return Outcome.Data;
        }

        /// <summary>Copies the newest frames, at most `count`, of the reader's generation; never blocks. The position stays.
        /// Also call Read from time to time: only Read follows the stream to its next generation.
        /// </summary>
        public void Latest(Frames into, ulong count)
        {
            into.Lost = 0;
            into.Times = new double[0];
            into.Bytes = new byte[0];
            if (ring == null && Attach() != Outcome.Generation) return;
            ulong committed = ring.Committed;
            ulong low = committed - Math.Min(committed, Math.Min(count, ring.Frames));
            Copy(into, low, committed);
            Thread.MemoryBarrier();
            ulong reserved = ring.Reserved;
            Expect(reserved >= committed, "reserved is below committed");
            ulong ok = reserved > ring.Frames ? reserved - ring.Frames : 0;
            if (ok > low) into.DropFront(Math.Min(ok, committed) - low, ring.FrameBytes);
        }

        /// <summary>Reads, and sleeps until there is something to read or the time is over.</summary>
        public Outcome ReadOrWait(Frames into, TimeSpan timeout, ulong most = 4096)
        {
            var clock = System.Diagnostics.Stopwatch.StartNew();
            while (true)
            {
                Outcome outcome = Read(into, most);
                if (outcome != Outcome.Nothing || clock.Elapsed >= timeout) return outcome;
                Thread.Sleep(ring == null ? 50 : 2);
            }
        }

        /// <summary>JSON of the description in force for the newest frames (SPEC.md, "What the JSON says"); null if it has
        /// been removed. Treat it as untrusted input.</summary>
        public string Description()
        {
            uint ofNewest = Attached().DescriptionOfNewest(), newest = header.AcquireU32(2188);
            string json = OpenDescription(ofNewest);
            bool mine = header.AcquireU32(2184) == ring.Generation;
            return json ?? (mine ? OpenDescription(newest) : null);
        }

        public void Dispose()
        {
            if (ring != null) ring.Segment.Dispose();
            if (header != null) header.Dispose();
            ring = null;
            header = null;
        }

        /// <summary>Name of a segment: of the stream itself, of `name/buffer0`, or of `name/meta1`.</summary>
        public static string SegmentName(string longName)
        {
            using (var sha256 = SHA256.Create())
            {
                string digest = Convert.ToBase64String(sha256.ComputeHash(Encoding.UTF8.GetBytes(longName)));
                return "sm_" + digest.Substring(0, 20).Replace('+', '-').Replace('/', '_');
            }
        }

        Ring Attached()
        {
            if (ring == null) throw new InvalidOperationException("there is no stream '" + name + "' yet");
            return ring;
        }

        void Lose(ulong frames)
        {
            Lost += frames;
            pending += frames;
        }

        static void Expect(bool condition, string what)
        {
            if (!condition) throw new CorruptException(what);
        }

        void Copy(Frames into, ulong low, ulong high)
        {
            into.First = low;
            into.Generation = ring.Generation;
            into.Times = new double[high - low];
            into.Bytes = new byte[checked((high - low) * ring.FrameBytes)];
            fixed (double* times = into.Times)
            fixed (byte* bytes = into.Bytes)
                for (ulong p = low; p < high;)
                {
                    // Up to the end of the ring, then from its start.
                    ulong slot = p % ring.Frames, count = Math.Min(high - p, ring.Frames - slot);
                    ring.Segment.Copy(8 * slot, (byte*)(times + (p - low)), 8 * count);
                    ring.Segment.Copy(8 * ring.Frames + slot * ring.FrameBytes, bytes + (p - low) * ring.FrameBytes,
                        count * ring.FrameBytes);
                    p += count;
                }
        }

        /// <summary>Attaches to the ring that the header names.</summary>
        Outcome Attach()
        {
            if (header == null && !OpenHeader()) return Outcome.Nothing;
            uint state = header.AcquireU32(2180), generation = header.AcquireU32(2184);
            ulong seen = ring != null ? ring.Base + next : 0;
            Ring found = generation == NoGeneration ? null : Ring.TryOpen(name, generation, streamId);
            // The ring does not exist yet, or has been removed.
            if (found == null) return state == ClosedState ? Leave(seen) : Outcome.Nothing;
            bool first = ring == null && !waited;
            if (ring != null) ring.Segment.Dispose();
            ring = found;
            next = 0;
            if (first)
            {
                ulong committed = ring.Committed;
                Thread.MemoryBarrier();
                ulong reserved = ring.Reserved;
                next = start == Start.Newest ? committed
                    : Math.Min(committed, reserved > ring.Frames ? reserved - ring.Frames : 0);
            }
            else
            {
                Expect(ring.Base >= seen, "base went back");
                Lose(ring.Base - seen);
            }
            return Outcome.Generation;
        }

        Outcome Leave(ulong seen)
        {
            ulong total = header.AcquireU64(2200);
            Expect(total >= seen, "final_position is below what was read");
            if (total != Unknown) Lose(total - seen);
            Dispose();
            next = 0;
            return Outcome.Closed;
        }

        bool OpenHeader()
        {
            Segment segment = Segment.TryOpen(name, 4096);
            if (segment == null) return false;
            string refused = null;
            byte[] wanted = Encoding.UTF8.GetBytes(name);
            ulong magic = segment.AcquireU64(2048);
            if (magic != Segment.Magic("DORASHMH")) refused = "no header of dora-shm";
            else if (segment.U16(2056) != 1 || segment.U32(2060) != 0) refused = "a version that this reader cannot read";
            else if ((streamId = segment.U64(2064)) == 0) refused = "stream_id";
            else if (segment.U32(2304) != wanted.Length || !segment.HasBytes(2308, wanted)) refused = "another stream's header";
            else if (segment.AcquireU32(2180) != ClosedState)
            {
                header = segment;
                return true;
            }
            segment.Dispose();
            Expect(refused == null, refused);
            return false; // closed: its writer is about to remove it
        }

        string OpenDescription(uint number)
        {
            if (number == 0) return null;
            byte[] copy;
            try
            {
                using (FileStream file = Segment.OpenFile(name + "/meta" + number))
                {
                    if (file.Length > 64 << 20) throw new CorruptException("length of a description");
                    copy = new byte[file.Length];
                    int filled = 0, got;
                    while (filled < copy.Length && (got = file.Read(copy, filled, copy.Length - filled)) > 0) filled += got;
                }
            }
            catch (FileNotFoundException) { return null; }
            int footer = copy.Length - 64;
            Expect(footer >= 0 && BitConverter.ToUInt64(copy, footer) == Segment.Magic("DORASHMM"), "no description");
            Expect(BitConverter.ToUInt16(copy, footer + 8) == 1 && BitConverter.ToUInt32(copy, footer + 12) == 0,
                "a version that this reader cannot read");
            if (BitConverter.ToUInt64(copy, footer + 16) != streamId) return null;
            if (BitConverter.ToUInt32(copy, footer + 24) != number) return null;
            ulong offset = BitConverter.ToUInt64(copy, footer + 40), length = BitConverter.ToUInt64(copy, footer + 48);
            Expect(length <= 16 << 20 && offset <= (ulong)footer && length <= (ulong)footer - offset, "json_len");
            return Encoding.UTF8.GetString(copy, (int)offset, (int)length);
        }

        /// <summary>A ring, with the numbers of its trailer read and checked once.</summary>
        sealed class Ring
        {
            public Segment Segment;
            public ulong Base, Frames, FrameBytes, IndexOffset;
            public uint Generation, Dtype, Records, MetaGeneration;
            public ulong[] Dims;
            public double Rate;
            ulong trailer;

            public ulong Reserved { get { return Segment.AcquireU64(trailer + 256); } }
            public ulong Committed { get { return Segment.AcquireU64(trailer + 384); } }

            /// <summary>Null: absent, or of another stream or generation. Then the header has moved on.</summary>
            public static Ring TryOpen(string name, uint generation, ulong streamId)
            {
                Segment segment = Segment.TryOpen(name + "/buffer" + generation, 16384);
                if (segment == null) return null;
                try
                {
                    Ring ring = Check(segment, generation, streamId);
                    if (ring == null) segment.Dispose();
                    return ring;
                }
                catch
                {
                    segment.Dispose();
                    throw;
                }
            }

            static Ring Check(Segment segment, uint generation, ulong streamId)
            {
                ulong t = segment.Length - 4096;
                Expect(segment.Length % 16384 == 0, "length of a ring");
                Expect(segment.AcquireU64(t) == Segment.Magic("DORASHMR"), "no ring");
                Expect(segment.U16(t + 8) == 1 && segment.U32(t + 12) == 0, "a version that this reader cannot read");
                if (segment.U64(t + 16) != streamId || segment.U32(t + 24) != generation) return null;
                var r = new Ring {
                    Segment = segment, trailer = t, Generation = generation, Base = segment.U64(t + 32),
                    Frames = segment.U64(t + 40), FrameBytes = segment.U64(t + 48), IndexOffset = segment.U64(t + 72),
                    Records = segment.U32(t + 80), Dtype = segment.U32(t + 88), MetaGeneration = segment.U32(t + 160),
                    Rate = BitConverter.Int64BitsToDouble((long)segment.U64(t + 56)),
                };
                uint rank = segment.U32(t + 92);
                Expect(r.Dtype >= 1 && r.Dtype <= 12, "dtype");
                Expect(rank <= 8, "rank");
                var dims = new List<ulong>();
                try
                {
                    checked
                    {
                        ulong bytes = ItemBytes[r.Dtype];
                        for (ulong i = 0; i < 8; i++)
                        {
                            ulong dim = segment.U64(t + 96 + 8 * i);
                            Expect((dim >= 1) == (i < rank), "dims");
                            if (i >= rank) continue;
                            dims.Add(dim);
                            bytes *= dim;
                        }
                        Expect(bytes == r.FrameBytes, "frame_bytes");
                        Expect(r.Frames >= 1 && r.Frames <= 0xFFFFFFFF, "frames");
                        Expect(r.Rate >= 0 && !double.IsInfinity(r.Rate), "rate");
                        Expect(segment.U64(t + 64) == 8 * r.Frames, "samples_offset");
                        Expect(8 * r.Frames + r.Frames * r.FrameBytes <= r.IndexOffset, "the samples' end");
                        Expect(r.Records >= 64 && r.Records <= 65536 && (r.Records & (r.Records - 1)) == 0, "records");
                        Expect(r.IndexOffset % 64 == 0 && segment.U32(t + 84) == 64, "index_offset");
                        Expect(r.IndexOffset + 64 * (ulong)r.Records <= t, "the records' end");
                    }
                }
                catch (OverflowException) { throw new CorruptException("a size that overflows"); }
                r.Dims = dims.ToArray();
                return r;
            }

            /// <summary>Number of the description of the newest committed chunk, or the ring's own; 0: overwritten.
            /// </summary>
            public uint DescriptionOfNewest()
            {
                ulong committed = Committed, chunks = Segment.AcquireU64(trailer + 392);
                // The newest record may be of a chunk that is not committed.
                for (ulong i = chunks; i > 0 && i + 2 > chunks; i--)
                {
                    ulong at = IndexOffset + 64 * ((i - 1) % Records);
                    ulong first = Segment.U64(at), frames = Segment.U64(at + 8);
                    uint number = Segment.U32(at + 32);
                    Thread.MemoryBarrier();
                    if (Segment.AcquireU64(trailer + 264) > i - 1 + Records) return 0;
                    if (first <= committed && frames <= committed - first) return number;
                }
                return MetaGeneration;
            }
        }
    }

    /// <summary>A file in shared memory, mapped read-only until this is disposed.</summary>
    sealed unsafe class Segment : IDisposable
    {
        readonly MemoryMappedFile file;
        readonly MemoryMappedViewAccessor view;
        readonly byte* memory;
        public readonly ulong Length;

        Segment(FileStream stream)
        {
            Length = (ulong)stream.Length;
            file = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, false);
            view = file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref memory);
            memory += view.PointerOffset;
        }

        /// <summary>Without the lock that .NET takes by default: a reader must not lock the file.</summary>
        public static FileStream OpenFile(string longName)
        {
            return new FileStream("/dev/shm/" + Reader.SegmentName(longName), FileMode.Open, FileAccess.Read,
                FileShare.ReadWrite | FileShare.Delete, 1);
        }

        /// <summary>Null: absent, or shorter than `least`.</summary>
        public static Segment TryOpen(string longName, long least)
        {
            FileStream stream;
            try { stream = OpenFile(longName); }
            catch (FileNotFoundException) { return null; }
            if (stream.Length >= least) return new Segment(stream);
            stream.Dispose();
            return null;
        }

        public static ulong Magic(string letters)
        {
            return BitConverter.ToUInt64(Encoding.ASCII.GetBytes(letters), 0);
        }

        // Volatile.Read is an acquire load. Interlocked.Read may store, which faults on a read-only page.
        public uint AcquireU32(ulong offset) { return Volatile.Read(ref *(uint*)(memory + offset)); }
        public ulong AcquireU64(ulong offset) { return Volatile.Read(ref *(ulong*)(memory + offset)); }
        public ushort U16(ulong offset) { return *(ushort*)(memory + offset); }
        public uint U32(ulong offset) { return *(uint*)(memory + offset); }
        public ulong U64(ulong offset) { return *(ulong*)(memory + offset); }

        public bool HasBytes(ulong offset, byte[] expected)
        {
            for (int i = 0; i < expected.Length; i++)
                if (memory[offset + (ulong)i] != expected[i]) return false;
            return true;
        }

        /// <summary>Races with the writer: do not use the copy before `reserved` shows that it is whole.</summary>
        public void Copy(ulong offset, byte* into, ulong bytes)
        {
            Buffer.MemoryCopy(memory + offset, into, bytes, bytes);
        }

        public void Dispose()
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
            view.Dispose();
            file.Dispose();
        }
    }
}
