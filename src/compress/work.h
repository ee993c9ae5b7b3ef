// compress/work.h - what the two outputs share: the decision about each tensor, and the tensor scales of
// groups.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "compress/encode.h"
#include "compress/journal.h"
#include "compress/quantize.h"
#include "compress/source.h"

namespace hearth::compress {

struct Decision {
    const SourceTensor* tensor;
    std::string kept_because;  // empty: to be quantized (or repacked, when it is NVFP4 already)
    DType to = DType::nvfp4;   // what it becomes, unless it is kept
};

class Work {
  public:
    // Errors: those of Source::fused_groups, fingerprint and Journal::open.
    static Result<Work> open(const Options& options, const Source& source);

    [[nodiscard]] const std::vector<Decision>& decisions() const { return decisions_; }
    [[nodiscard]] ThreadPool& pool() { return *pool_; }
    // NVFP4: from the largest weight of all members of the tensor's fused group, read once.
    Result<float> tensor_scale(const SourceTensor& tensor);
    // How many parts of the tensor an earlier run left in the writer's file; the writer stands after them.
    template <class Writer>
    Result<std::size_t> keep_parts(Writer& writer, const SourceTensor& tensor) {
        const JournalEntry* entry = journal_.find(tensor.name);
        std::size_t kept = 0;
        for (; entry != nullptr && kept < entry->parts.size(); ++kept) {
            HEARTH_TRY(const bool same, writer.keep(entry->parts[kept].bytes, entry->parts[kept].hash));
            if (!same) break;
        }
        return kept;
    }
    [[nodiscard]] const Journal& journal() const { return journal_; }
    // A tensor is written: into the report, into the journal when it was quantized, and progress.
    Status finish(const SourceTensor& tensor, TensorRecord record, std::vector<JournalEntry::Part> parts);
    // A tensor whose parts were all kept.
    void finish_kept(const SourceTensor& tensor, TensorRecord record);

    Report report;

  private:
    Work(const Options& options, const Source& source, Journal journal, std::map<std::string, int> fused);
    [[nodiscard]] std::string group_of(const SourceTensor& tensor) const;
    // Decides about every tensor.
    void decide();
    [[nodiscard]] Decision decision(const SourceTensor& tensor, std::int64_t n_layers, bool tied) const;
    void advance(const SourceTensor& tensor, TensorRecord record);
    const Options& options_;
    const Source& source_;
    Journal journal_;
    std::map<std::string, int> fused_;
    std::unique_ptr<ThreadPool> pool_;
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
