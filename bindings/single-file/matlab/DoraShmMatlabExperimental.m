classdef DoraShmMatlabExperimental
    % EXPERIMENTAL: no line of this file has ever been run. It holds what DoraShmReader.m does differently in MATLAB
    % (R2016b or later); Octave does not need it.

    methods (Static)
        function digest = sha256(bytes)
            if ~usejava('jvm')
                error('DoraShm:java', 'SHA-256 comes from Java; start MATLAB without -nojvm');
            end
            algorithm = java.security.MessageDigest.getInstance('SHA-256');
            digest = double(typecast(algorithm.digest(bytes), 'uint8'));
        end

        function bytes = toUtf8(text)
            bytes = unicode2native(text, 'UTF-8');
        end

        function text = fromUtf8(bytes)
            text = native2unicode(bytes, 'UTF-8');
        end

        function maps = map(path, classes)
            % One map of the file for each class of number; [] when the file is gone.
            maps = struct();
            try
                for i = 1:numel(classes)
                    mapped = memmapfile(path, 'Format', classes{i});
                    mapped.Data(1); % maps the file now, before its name is gone
                    maps.(classes{i}) = mapped;
                end
            catch
                maps = [];
            end
        end

        function values = take(maps, offset, class, count)
            bytes = struct('uint8', 1, 'int8', 1, 'uint16', 2, 'int16', 2, 'uint32', 4, 'int32', 4, 'uint64', 8, ...
                'int64', 8, 'single', 4, 'double', 8);
            % Indexing makes a copy; a variable that holds all of Data would keep changing.
            from = offset / bytes.(class);
            values = maps.(class).Data(from + 1:from + count);
        end
    end
end
