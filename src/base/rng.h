// base/rng.h - Philox4x32-10, a counter-based generator: the i-th number of a stream needs no state.
// Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011; the constants are theirs.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace hearth {

__extension__ typedef unsigned __int128 Wide;

class Philox {
  public:
    explicit Philox(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

    // Block number `counter` of this stream: four independent 32-bit words.
    [[nodiscard]] std::array<std::uint32_t, 4> block(std::uint64_t counter) const {
        std::array<std::uint32_t, 4> x = {
            static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32),
            static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)};
        auto k0 = static_cast<std::uint32_t>(seed_), k1 = static_cast<std::uint32_t>(seed_ >> 32);
        for (int round = 0; round < 10; ++round) {
            const std::uint64_t a = std::uint64_t{0xD2511F53} * x[0], b = std::uint64_t{0xCD9E8D57} * x[2];
            x = {static_cast<std::uint32_t>(b >> 32) ^ x[1] ^ k0, static_cast<std::uint32_t>(b),
                 static_cast<std::uint32_t>(a >> 32) ^ x[3] ^ k1, static_cast<std::uint32_t>(a)};
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        return x;
    }

    // The next word of the stream, for callers that walk it in order.
    std::uint32_t next() {
        if (at_ % 4 == 0) words_ = block(at_ / 4);
        return words_[at_++ % 4];
    }
    double uniform() {  // [0, 1), 53 bits
        const std::uint64_t high = next(), low = next();
        return static_cast<double>(((high << 32 | low) >> 11)) * 0x1.0p-53;
    }
    double normal() {  // Box-Muller; one of the pair is thrown away to keep the counter plain
        const double u = 1.0 - uniform(), v = uniform();
        return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
    }
    std::uint64_t below(std::uint64_t bound) {  // [0, bound), by Lemire's multiply; bound > 0
        const std::uint64_t high = next(), low = next();
        const std::uint64_t word = high << 32 | low;
        return static_cast<std::uint64_t>((static_cast<Wide>(word) * bound) >> 64);
    }

  private:
    std::uint64_t seed_, stream_, at_ = 0;
    std::array<std::uint32_t, 4> words_{};
};

}  // namespace hearth
