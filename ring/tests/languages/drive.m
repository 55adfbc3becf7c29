% Prints what bindings/single-file/matlab/DoraShmReader.m reads, as lines of JSON: `all NAME` once, `follow NAME` until the end.
1;

function text = numbers(values)
    if islogical(values)
        words = {'false', 'true'};
        text = words(values + 1);
    elseif isinteger(values)
        text = arrayfun(@whole_number, values, 'UniformOutput', false);
    else
        text = arrayfun(@real_number, double(values), 'UniformOutput', false);
    end
    text = ['[' strjoin(text(:)', ',') ']'];
end

% Octave prints integers beyond 2^63 as floats.
function text = whole_number(value)
    billion = uint64(1e9);
    if value > intmax('int64')
        text = sprintf('%d%09d', (value - mod(value, billion)) / billion, mod(value, billion));
    else
        text = sprintf('%d', value);
    end
end

function text = real_number(value)
    if isnan(value)
        text = '"NaN"';
    elseif isinf(value)
        words = {'"-Infinity"', '"Infinity"'};
        text = words{(value > 0) + 1};
    else
        text = sprintf('%.17g', value);
        if strcmp(text, '-0')
            text = '-0.0';
        end
    end
end

% In C order.
function text = samples_of(frames)
    samples = frames.samples;
    text = numbers(permute(samples, ndims(samples):-1:1)(:));
end

function say(varargin)
    fprintf(varargin{:});
    fprintf('\n');
    fflush(stdout);
end

function all_of(name)
    reader = DoraShmReader(name, 'oldest');
    if isempty(reader.generation)
        say('{"outcome":"absent"}');
        return
    end
    oldest = reader.position;
    times = {};
    samples = {};
    [outcome, frames] = reader.read(3);
    while strcmp(outcome, 'data')
        times{end + 1} = numbers(frames.times)(2:end - 1);
        samples{end + 1} = samples_of(frames)(2:end - 1);
        [outcome, frames] = reader.read(3);
    end
    latest = samples_of(reader.latest(2));
    say(['{"outcome":"all","generation":%d,"epoch":%d,"stream_id":"%s","dtype":"%s","frame_shape":%s,"rate_hz":%.17g,' ...
        '"ring_frames":%d,"base":%d,"oldest":%d,"position":%d,"lost":%d,"times":[%s],"samples":[%s],"latest":%s,' ...
        '"description":%s}'], reader.generation, reader.epoch, lower(dec2hex(reader.streamId)), reader.dtype, ...
        numbers(reader.frameShape), reader.rate, reader.ringFrames, reader.base, oldest, reader.position, reader.lost, ...
        strjoin(times, ','), strjoin(samples, ','), latest, reader.description());
end

function follow(name)
    reader = DoraShmReader(name);
    say('{"outcome":"waits"}');
    outcome = 'generation';
    while any(strcmp(outcome, {'data', 'generation'}))
        [outcome, frames] = reader.readOrWait(30);
        data = '';
        if strcmp(outcome, 'data')
            data = sprintf(',"generation":%d,"first":%d,"lost":%d,"times":%s,"samples":%s', frames.generation, ...
                frames.first, frames.lost, numbers(frames.times), samples_of(frames));
        end
        say('{"outcome":"%s","lost_in_all":%d%s}', outcome, reader.lost, data);
    end
end

addpath(fullfile(fileparts(mfilename('fullpath')), '..', '..', '..', 'bindings', 'single-file', 'matlab'));
arguments = argv();
if strcmp(arguments{end - 1}, 'all')
    all_of(arguments{end});
else
    follow(arguments{end});
end
