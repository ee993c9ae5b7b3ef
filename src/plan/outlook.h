// plan/outlook.h - will a model fit on named devices, how fast, and if not, what would: three answers with
// terms.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "plan/memory.h"
#include "plan/speed.h"

namespace hearth::plan {

struct OutlookRequest {
    ModelShape shape;
    std::optional<WeightType> type;  // nothing: as stored, or bf16 where nothing is stored
    MemoryUse use;
    std::vector<DeviceGroup> devices;  // one kind computes: the first; the others lend memory
    bool tensor_parallel = false;
    int nodes = 1;  // machines over which the devices are spread evenly
    // Between machines; 0: as fast as within one.
    double link_bytes_per_second = 0, link_seconds = 0;
    double host_bytes = 0;  // of a machine, beside the devices; for CPUs and unified devices, all there is
    double host_read_bytes_per_second = 60e9;  // two channels of DDR5, as they measure
    double disk_read_bytes_per_second = 0;     // 0: weights are not streamed
};

enum class Answer { fits, fits_with_offload, streams, does_not_fit };
std::string_view name(Answer answer);

struct Outlook {
    OutlookRequest request;
    MemoryBill bill;
    double board_watts = 0;              // of all devices by their datasheets, computing
    double budget = 0, host_budget = 0;  // bytes that may be used: of the devices, beside them
    Answer answer = Answer::does_not_fit;
    std::string how;                 // one sentence: where what lies
    std::optional<Speed> decode;     // of all sequences together, at the context's middle
    std::optional<Speed> prefill;    // of a prompt of 512 tokens
    double ceiling = 0;              // tokens a second of one sequence at depth 0 that no engine can pass
    std::int64_t context_max = 0;    // of a sequence, where the weights fit
    std::int64_t sequences_max = 0;  // of the context asked for
    std::vector<std::string> what_would;
};

// Errors: usage, naming the field (a context beyond the model's, negative numbers, no memory given for a
// CPU).
Result<Outlook> outlook(const OutlookRequest& request);

std::string outlook_text(const Outlook& outlook);
Json outlook_json(const Outlook& outlook);
std::string outlook_html(const Outlook& outlook);  // one page, bars drawn in it, nothing fetched

}  // namespace hearth::plan
