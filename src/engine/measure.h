// engine/measure.h - what this machine can do, measured: read bandwidth and multiply-add rate, with all
// workers.
#pragma once

#include "base/result.h"
#include "base/thread_pool.h"
#include "tensor/arena.h"

namespace hearth::engine {

struct Ceilings {
    double read_bytes_per_second = 0;  // streaming reads of a buffer far beyond the caches
    double flops_per_second = 0;       // float32 fused multiply-adds in registers, two operations each
    double int8_ops_per_second = 0;    // 8-bit dot products in registers, two operations a pair; 0: none here
    double bf16_flops_per_second = 0;  // the same in BF16
    std::string isa;
    int threads = 1;
};

// Holds the buffer that bandwidth is measured on, so that measuring again takes a tenth of a second.
class CeilingProbe {
  public:
    // `buffer_bytes` must be well beyond the last-level cache. Errors: no_memory.
    static Result<CeilingProbe> make(ThreadPool& pool, std::uint64_t buffer_bytes = std::uint64_t{512} << 20);
    // Medians of several short runs.
    [[nodiscard]] Ceilings measure(ThreadPool& pool) const;

  private:
    Arena arena_;
    std::span<std::byte> buffer_;
};

// One measurement. Errors: no_memory.
Result<Ceilings> measure_ceilings(ThreadPool& pool, std::uint64_t buffer_bytes = std::uint64_t{512} << 20);

}  // namespace hearth::engine
