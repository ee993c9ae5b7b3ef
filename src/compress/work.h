// compress/work.h - what the two outputs share: the decision about each tensor, and the tensor scales of
// groups.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "compress/encode.h"
#include "compress/quantize.h"
#include "compress/source.h"

namespace hearth::compress {

struct Decision {
    const SourceTensor* tensor;
    std::string kept_because;  // empty: to be quantized (or repacked, when it is NVFP4 already)
};

class Work {
  public:
    Work(const Options& options, const Source& source);

    [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }
    [[nodiscard]] ThreadPool& pool() { return pool_; }
    // NVFP4: from the largest weight of all members of the tensor's fused group, read once.
    Result<float> tensor_scale(const SourceTensor& tensor);
    void advance(const SourceTensor& tensor);  // progress

    Report report;

  private:
    const Options& options_;
    ThreadPool pool_;
    std::vector<Decision> decisions_;
    std::map<std::string, std::vector<const SourceTensor*>> groups_;
    std::map<std::string, float> scales_;
    std::uint64_t done_ = 0, total_ = 0;
};

double relative_rmse(const Encoded& encoded);

// The outputs: hf_output.cpp, gguf_output.cpp.
Status write_hf(const Options& options, const Source& source, Work& work);
Status write_gguf(const Options& options, const Source& source, Work& work);

}  // namespace hearth::compress
