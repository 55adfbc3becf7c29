classdef DoraShmReader < handle
    % Reads a dora-shm stream as SPEC.md defines it: r = DoraShmReader(name) or DoraShmReader(name, 'oldest').
    %
    %   [outcome, frames] = r.read()       'data', 'nothing', 'generation' or 'closed'; never blocks
    %   [outcome, frames] = r.readOrWait(seconds)
    %   frames = r.latest(n)               the newest n frames; the position stays
    %   jsondecode(r.description())        names of the dimensions, labels, units, attributes
    %
    % frames.samples has the frames along its first dimension, then the dimensions of a frame in their order: n x channels,
    % n x y x x x c. frames.times has one value per frame, in seconds for a time axis; frames.first is the position of the
    % first one in its generation, frames.lost the number of frames lost just before it.
    %
    % Octave reads the segments with fread. MATLAB maps them and needs DoraShmMatlabExperimental.m in the same folder, which has
    % never been run. Both run on x86-64 Linux only, where the processor keeps loads in order: neither language has fences.

    properties (SetAccess = private)
        name
        generation = []  % of the ring that is read; [] before there is one
        dtype = ''       % numpy's name of the type
        frameShape = []  % of one frame, outermost first; []: one sample per frame
        rate = 0         % frames per second; 0: irregular or unknown
        ringFrames = 0   % frames that the ring holds
        base = 0         % frames of the stream before this generation
        position = 0     % of the next frame, in its generation
        lost = 0         % all frames lost since the reader began
        streamId = uint64(0)
        epoch = 0        % 1 for the stream's first writer, one more for each that took over from a dead one
    end

    properties (Access = private)
        start
        waited = false
        pending = 0
        header = []
        ring = []
        trailer = 0      % where the ring's trailer begins
        frameBytes = 0
        indexOffset = 0
        records = 0
        metaGeneration = 0
        sampleClass = ''
    end

    methods
        function self = DoraShmReader(name, start)
            if nargin < 2
                start = 'newest';
            end
            if ~any(strcmp(start, {'newest', 'oldest'}))
                error('DoraShm:start', 'start is ''newest'' or ''oldest'', not ''%s''', start);
            end
            [~, ~, endian] = computer();
            if endian ~= 'L'
                error('DoraShm:machine', 'a little-endian machine is needed');
            end
            self.name = name;
            self.start = start;
            self.attach();
            self.waited = true;
        end

        function delete(self)
            self.release('ring');
            self.release('header');
        end

        function [outcome, frames] = read(self, most)
            % Copies at most `most` new frames.
            frames = struct('first', 0, 'lost', 0, 'generation', [], 'times', [], 'samples', []);
            if nargin < 2
                most = 4096;
            end
            if isempty(self.ring)
                outcome = self.attach();
                return
            end
            % In this order: if state or generation show that this ring has ended, `committed` is final.
            state = self.word(2180);
            generation = self.word(2184);
            committed = self.counter(384);
            DoraShmReader.expect(committed >= self.position, 'committed went back');
            if committed == self.position
                if generation ~= self.generation
                    outcome = self.attach();
                elseif state == 2
                    outcome = self.leave(self.base + committed);
                else
                    outcome = 'nothing';
                end
                return
            end
            n = self.ringFrames;
            ahead = max(0, committed - max(1, floor(n / 2)));
            low = self.position;
            if low < committed - n
                low = ahead;
            end
            high = min(committed, low + most);
            [times, samples] = self.copy(low, high);
            reserved = self.counter(256);
            DoraShmReader.expect(reserved >= committed, 'reserved is below committed');
            ok = max(0, reserved - n);
            if ok > low
                % Lapped while copying. Continue half a ring behind the writer, which leaves both sides the most time.
                goOn = min(committed, max(ok, ahead));
                self.lose(goOn - self.position);
                self.position = goOn;
                outcome = 'nothing';
                return
            end
            self.lose(low - self.position);
            frames.first = low;
            frames.lost = self.pending;
            frames.generation = self.generation;
            frames.times = times;
            frames.samples = self.shaped(samples, high - low);
            self.pending = 0;
            self.position = high;
            outcome = 'data';
        end

        function [outcome, frames] = readOrWait(self, seconds, most)
            % Reads, and sleeps until there is something to read or the time is over.
            if nargin < 3
                most = 4096;
            end
            clock = tic();
            [outcome, frames] = self.read(most);
            while strcmp(outcome, 'nothing') && toc(clock) < seconds
                pause(0.01);
                [outcome, frames] = self.read(most);
            end
        end

        function frames = latest(self, count)
            % Copies the newest frames of the reader's generation. Also call read() from time to time: only read() follows
            % the stream to its next generation.
            frames = struct('first', 0, 'lost', 0, 'generation', self.generation, 'times', [], 'samples', []);
            if isempty(self.ring) && ~strcmp(self.attach(), 'generation')
                return
            end
            frames.generation = self.generation;
            committed = self.counter(384);
            low = committed - min([committed, count, self.ringFrames]);
            [times, samples] = self.copy(low, committed);
            reserved = self.counter(256);
            DoraShmReader.expect(reserved >= committed, 'reserved is below committed');
            % The first frames may be torn.
            torn = min(committed, max(low, reserved - self.ringFrames)) - low;
            frames.first = low + torn;
            frames.times = times(torn + 1:end);
            frames.samples = self.shaped(samples(torn * prod(self.frameShape) + 1:end), committed - low - torn);
        end

        function json = description(self)
            % JSON of the description in force for the newest frames; '' if it has been removed.
            if isempty(self.ring)
                error('DoraShm:absent', 'there is no stream ''%s'' yet', self.name);
            end
            newest = self.word(2188);
            json = self.openDescription(self.descriptionOfNewest());
            if isempty(json) && self.word(2184) == self.generation
                json = self.openDescription(newest);
            end
        end
    end

    methods (Static)
        function name = segmentName(longName)
            % Name of a segment: of the stream itself, of 'name/buffer0', or of 'name/meta1'.
            bytes = DoraShmReader.utf8(longName);
            if DoraShmReader.isOctave()
                digest = sscanf(hash('sha256', char(bytes)), '%2x');
            else
                digest = DoraShmMatlabExperimental.sha256(bytes);
            end
            % Base64: three bytes are four characters.
            threes = [65536 256 1] * reshape(digest(1:15), 3, 5);
            sixes = [floor(threes / 262144); floor(threes / 4096); floor(threes / 64); threes];
            alphabet = ['A':'Z' 'a':'z' '0':'9' '-_'];
            name = ['sm_' alphabet(mod(sixes(:)', 64) + 1)];
        end
    end

    methods (Access = private)
        function outcome = attach(self)
            % Attaches to the ring that the header names.
            outcome = 'nothing';
            if isempty(self.header) && ~self.openHeader()
                return
            end
            state = self.word(2180);
            generation = self.word(2184);
            seen = self.base + self.position;
            first = isempty(self.ring) && ~self.waited;
            if generation == 4294967295 || ~self.openRing(generation)
                % The ring does not exist yet, or has been removed.
                if state == 2
                    outcome = self.leave(seen);
                end
                return
            end
            outcome = 'generation';
            self.position = 0;
            if ~first
                DoraShmReader.expect(self.base >= seen, 'base went back');
                self.lose(self.base - seen);
                return
            end
            committed = self.counter(384);
            if strcmp(self.start, 'newest')
                self.position = committed;
            else
                self.position = min(committed, max(0, self.counter(256) - self.ringFrames));
            end
        end

        function outcome = leave(self, seen)
            total = DoraShmReader.take(self.header, 2200, 'uint64', 1);
            if total ~= intmax('uint64')
                DoraShmReader.expect(double(total) >= seen, 'final_position is below what was read');
                self.lose(double(total) - seen);
            end
            self.release('ring');
            self.release('header');
            self.generation = [];
            self.base = 0;
            self.position = 0;
            outcome = 'closed';
        end

        function found = openHeader(self)
            segment = DoraShmReader.open(self.name, {'uint8', 'uint16', 'uint32', 'uint64'});
            found = ~isempty(segment) && segment.bytes >= 4096;
            if ~found
                DoraShmReader.close(segment);
                return
            end
            wanted = DoraShmReader.utf8(self.name);
            count = double(DoraShmReader.take(segment, 2304, 'uint32', 1));
            refused = DoraShmReader.refusal(segment, 2048, 'DORASHMH');
            self.streamId = DoraShmReader.take(segment, 2064, 'uint64', 1);
            if isempty(refused) && self.streamId == 0
                refused = 'stream_id';
            elseif isempty(refused) && (count ~= numel(wanted) || ...
                    ~isequal(DoraShmReader.take(segment, 2308, 'uint8', count)', wanted))
                refused = 'the header of another stream';
            end
            % A closed stream counts as absent: its writer is about to remove it.
            found = isempty(refused) && DoraShmReader.take(segment, 2180, 'uint32', 1) ~= 2;
            if found
                self.header = segment;
                self.epoch = self.word(2192);
            else
                DoraShmReader.close(segment);
                DoraShmReader.expect(isempty(refused), refused);
            end
        end

        function found = openRing(self, generation)
            % False: absent, or of another stream or generation. Then the header has moved on.
            names = {'bool', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'float16', ...
                'float32', 'float64'};
            classes = {'uint8', 'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64', 'uint16', ...
                'single', 'double'};
            itemBytes = [1 1 1 2 2 4 4 8 8 2 4 8];
            segment = DoraShmReader.open(sprintf('%s/buffer%d', self.name, generation), ...
                [{'uint16', 'uint32', 'uint64', 'double'}, unique(classes)]);
            found = ~isempty(segment);
            if ~found
                return
            end
            try
                DoraShmReader.expect(segment.bytes >= 16384 && mod(segment.bytes, 16384) == 0, 'length of a ring');
                t = segment.bytes - 4096;
                refused = DoraShmReader.refusal(segment, t, 'DORASHMR');
                DoraShmReader.expect(isempty(refused), refused);
                found = DoraShmReader.take(segment, t + 16, 'uint64', 1) == self.streamId ...
                    && DoraShmReader.take(segment, t + 24, 'uint32', 1) == generation;
                if ~found
                    DoraShmReader.close(segment);
                    return
                end
                % Each number is loaded once. An integer beyond 2^53 cannot be a valid size.
                sizes = double(DoraShmReader.take(segment, t + 32, 'uint64', 6)); % base, N, frame_bytes, -, offsets
                rate = DoraShmReader.take(segment, t + 56, 'double', 1);
                small = double(DoraShmReader.take(segment, t + 80, 'uint32', 4)); % records, record_bytes, dtype, rank
                dims = double(DoraShmReader.take(segment, t + 96, 'uint64', 8))';
                n = sizes(2);
                DoraShmReader.expect(small(3) >= 1 && small(3) <= 12, 'dtype');
                DoraShmReader.expect(small(4) <= 8, 'rank');
                shape = dims(1:small(4));
                DoraShmReader.expect(all(shape >= 1) && all(dims(small(4) + 1:end) == 0), 'dims');
                DoraShmReader.expect(prod(shape) * itemBytes(small(3)) == sizes(3), 'frame_bytes');
                DoraShmReader.expect(n >= 1 && n <= 4294967295, 'frames');
                DoraShmReader.expect(isfinite(rate) && rate >= 0, 'rate');
                DoraShmReader.expect(sizes(5) == 8 * n && 8 * n + n * sizes(3) <= sizes(6), 'samples');
                DoraShmReader.expect(any(small(1) == 2 .^ (6:16)) && small(2) == 64, 'records');
                DoraShmReader.expect(mod(sizes(6), 64) == 0 && sizes(6) + 64 * small(1) <= t, 'index_offset');
                DoraShmReader.expect(sizes(1) <= 2 ^ 53, 'base');
            catch problem
                DoraShmReader.close(segment);
                rethrow(problem);
            end
            self.release('ring');
            self.ring = segment;
            self.trailer = t;
            self.generation = generation;
            self.base = sizes(1);
            self.ringFrames = n;
            self.frameBytes = sizes(3);
            self.indexOffset = sizes(6);
            self.records = small(1);
            self.rate = rate;
            self.dtype = names{small(3)};
            self.sampleClass = classes{small(3)};
            self.frameShape = shape;
            self.metaGeneration = double(DoraShmReader.take(segment, t + 160, 'uint32', 1));
            self.epoch = self.word(2192);
        end

        function value = word(self, offset)
            value = double(DoraShmReader.take(self.header, offset, 'uint32', 1));
        end

        function value = counter(self, offset)
            % Loads until two values agree: eight bytes may not be loaded at once.
            before = DoraShmReader.take(self.ring, self.trailer + offset, 'uint64', 1);
            word = DoraShmReader.take(self.ring, self.trailer + offset, 'uint64', 1);
            while word ~= before
                before = word;
                word = DoraShmReader.take(self.ring, self.trailer + offset, 'uint64', 1);
            end
            DoraShmReader.expect(word <= uint64(2 ^ 53), 'a position beyond 2^53');
            value = double(word);
        end

        function lose(self, frames)
            self.lost = self.lost + frames;
            self.pending = self.pending + frames;
        end

        function [times, samples] = copy(self, low, high)
            % Races with the writer: do not use the copy before `reserved` shows that it is whole.
            slot = mod(low, self.ringFrames);
            count = [min(high - low, self.ringFrames - slot), 0];
            count(2) = high - low - count(1); % up to the end of the ring, then from its start
            width = prod(self.frameShape);
            at = 8 * self.ringFrames;
            times = [DoraShmReader.take(self.ring, 8 * slot, 'double', count(1))
                DoraShmReader.take(self.ring, 0, 'double', count(2))];
            samples = [DoraShmReader.take(self.ring, at + slot * self.frameBytes, self.sampleClass, count(1) * width)
                DoraShmReader.take(self.ring, at, self.sampleClass, count(2) * width)];
        end

        function samples = shaped(self, samples, count)
            % In C order the last dimension is contiguous, in MATLAB the first.
            if strcmp(self.dtype, 'bool')
                samples = samples ~= 0;
            elseif strcmp(self.dtype, 'float16')
                samples = DoraShmReader.half(double(samples));
            end
            shape = [count self.frameShape];
            if numel(shape) > 1
                samples = permute(reshape(samples, fliplr(shape)), numel(shape):-1:1);
            end
        end

        function number = descriptionOfNewest(self)
            % 0: the record was overwritten.
            committed = self.counter(384);
            chunks = self.counter(392);
            for i = chunks - 1:-1:max(0, chunks - 2) % the newest record may be of a chunk that is not committed
                record = DoraShmReader.take(self.ring, self.indexOffset + 64 * mod(i, self.records), 'uint64', 5);
                if self.counter(264) > i + self.records
                    number = 0;
                    return
                end
                if double(record(1)) + double(record(2)) <= committed
                    number = double(bitand(record(5), uint64(4294967295)));
                    return
                end
            end
            number = self.metaGeneration;
        end

        function json = openDescription(self, number)
            json = '';
            file = -1;
            if number ~= 0
                file = fopen(['/dev/shm/' DoraShmReader.segmentName(sprintf('%s/meta%d', self.name, number))], 'r');
            end
            if file < 0
                return
            end
            bytes = fread(file, 67108865, 'uint8=>uint8')';
            fclose(file);
            DoraShmReader.expect(numel(bytes) >= 64 && numel(bytes) <= 67108864, 'length of a description');
            footer = bytes(end - 63:end);
            DoraShmReader.expect(isequal(char(footer(1:8)), 'DORASHMM'), 'no description');
            DoraShmReader.expect(isequal(footer([9 10 13:16]), uint8([1 0 0 0 0 0])), 'a version that this reader cannot read');
            place = double(typecast(footer(41:56), 'uint64'));
            DoraShmReader.expect(place(2) <= 16777216 && sum(place) <= numel(bytes) - 64, 'json_len');
            if typecast(footer(17:24), 'uint64') ~= self.streamId || typecast(footer(25:28), 'uint32') ~= number
                return
            end
            json = bytes(place(1) + 1:place(1) + place(2));
            if DoraShmReader.isOctave()
                json = char(json);
            else
                json = DoraShmMatlabExperimental.fromUtf8(json);
            end
        end

        function release(self, which)
            DoraShmReader.close(self.(which));
            self.(which) = [];
        end
    end

    methods (Static, Access = private)
        function segment = open(longName, classes)
            % []: absent. The file stays open or mapped until close, even if its name is removed.
            path = ['/dev/shm/' DoraShmReader.segmentName(longName)];
            segment = [];
            before = [];
            if DoraShmReader.isOctave()
                before = DoraShmReader.descriptors(path);
            end
            file = fopen(path, 'r');
            if file < 0
                return
            end
            fseek(file, 0, 'eof');
            segment = struct('bytes', ftell(file), 'file', file, 'path', '', 'maps', struct());
            if DoraShmReader.isOctave()
                % fread may return buffered bytes unless the file is reopened. This path reopens it even if its name has
                % been removed.
                opened = setdiff(DoraShmReader.descriptors(path), before);
                segment.path = sprintf('/proc/self/fd/%d', opened(1));
                return
            end
            fclose(file);
            segment.file = -1;
            segment.maps = DoraShmMatlabExperimental.map(path, classes);
            if isempty(segment.maps)
                segment = []; % removed at this moment
            end
        end

        function found = descriptors(path)
            % Descriptors that this process has open on `path`.
            found = [];
            entries = readdir('/proc/self/fd');
            for i = 1:numel(entries)
                [target, failed] = readlink(['/proc/self/fd/' entries{i}]);
                if ~failed && strncmp(target, path, numel(path))
                    found(end + 1) = str2double(entries{i});
                end
            end
        end

        function close(segment)
            if ~isempty(segment) && segment.file >= 0
                fclose(segment.file);
            end
        end

        function values = take(segment, offset, class, count)
            % A private copy of `count` numbers, as a column.
            if count == 0
                values = zeros(0, 1, class);
            elseif DoraShmReader.isOctave()
                file = fopen(segment.path, 'r');
                fseek(file, offset, 'bof');
                values = fread(file, count, [class '=>' class]);
                fclose(file);
                DoraShmReader.expect(numel(values) == count, 'a segment was truncated');
            else
                values = DoraShmMatlabExperimental.take(segment.maps, offset, class, count);
            end
        end

        function what = refusal(segment, at, magic)
            what = '';
            if DoraShmReader.take(segment, at, 'uint64', 1) ~= typecast(uint8(magic), 'uint64')
                what = 'another magic';
            elseif DoraShmReader.take(segment, at + 8, 'uint16', 1) ~= 1 ...
                    || DoraShmReader.take(segment, at + 12, 'uint32', 1) ~= 0
                what = 'a version that this reader cannot read';
            end
        end

        function values = half(bits)
            exponent = mod(floor(bits / 1024), 32);
            fraction = mod(bits, 1024);
            values = (1024 * (exponent > 0) + fraction) .* 2 .^ (max(exponent, 1) - 25);
            values(exponent == 31) = Inf;
            values(exponent == 31 & fraction > 0) = NaN;
            values(bits >= 32768) = -values(bits >= 32768);
        end

        function bytes = utf8(text)
            if DoraShmReader.isOctave()
                bytes = uint8(text);
            else
                bytes = DoraShmMatlabExperimental.toUtf8(text);
            end
        end

        function yes = isOctave()
            yes = exist('OCTAVE_VERSION', 'builtin') ~= 0;
        end

        function expect(condition, what)
            if ~condition
                error('DoraShm:corrupt', 'shared memory contradicts SPEC.md: %s', what);
            end
        end
    end
end
