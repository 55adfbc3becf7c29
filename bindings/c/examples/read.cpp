// Prints what comes on a stream of float32, until it is closed or enough has come: read NAME [FRAMES]
//
// c++ -std=c++17 read.cpp -o read $(pkg-config --cflags --libs dora_shm)
#include <dora_shm.hpp>

#include <iostream>

int main(int argc, char **argv) try {
    const std::string name = argc > 1 ? argv[1] : "my-signal";
    const std::uint64_t wanted = argc > 2 ? std::stoull(argv[2]) : UINT64_MAX;
    dora_shm::Reader reader(name); // may come before the writer
    dora_shm::Chunk<float> chunk;
    std::uint64_t seen = 0;
    while (seen < wanted) {
        switch (reader.read(chunk, std::min<std::uint64_t>(wanted - seen, 1000))) {
        case DORA_SHM_OK:
            seen += chunk.frames.frames;
            std::cout << chunk.frames.frames << " frames from " << chunk.frames.first << " at " << chunk.times[0]
                      << " s, " << chunk.frames.lost << " lost: " << chunk.samples[0] << ", ..." << std::endl;
            break;
        case DORA_SHM_NEW_GENERATION:
            std::cout << "frames are now " << reader.format()->frame_bytes << " bytes" << std::endl;
            break;
        case DORA_SHM_CLOSED:
            return 0;
        default:
            if (reader.wait(1.0) == DORA_SHM_WRITER_DEAD) // sleeps, without polling
                std::cout << "the writer has died" << std::endl;
        }
    }
    return 0;
} catch (const dora_shm::Error &error) {
    std::cerr << error.name() << ": " << error.what() << std::endl;
    return 1;
}
