// plan/outlook.cpp - budgets, the three answers, and what would do instead.
#include "plan/outlook.h"

#include <algorithm>
#include <cmath>

#include "base/terminal.h"

namespace hearth::plan {
namespace {

// What drivers, the system and the engine's own code take. Sources: measured by engines' users
// (docs/plan.md).
constexpr double kDeviceMargin = 1 * 0x1p30;   // of each card: its context, fragmentation
constexpr double kUnifiedMargin = 6 * 0x1p30;  // the system shares it, and livelocks when it is full
constexpr double kSystemMargin = 2 * 0x1p30;   // of a machine's main memory
constexpr double kAppleShare = 0.75;           // of a Mac's memory that its GPU may wire, by default
constexpr double kSerialShare = 0.62;          // streaming and multiplying in turn, of both at once

double device_budget(const Device& d, double given) {
    if (d.is_cpu()) return std::max(0.0, given - kSystemMargin);
    const double bytes = d.is_unified() && given > 0 ? given : d.memory_bytes;
    if (d.maker == Maker::apple) return bytes * kAppleShare;
    return std::max(0.0, bytes - (d.is_unified() ? kUnifiedMargin : kDeviceMargin));
}

Status check(const OutlookRequest& r) {
    if (r.devices.empty()) return fail(Fault::usage, "devices: expected at least one, saw none");
    if (r.use.context < 1 || r.use.context > r.shape.context_max)
        return fail(Fault::usage, "context: expected 1 to {} tokens, saw {}", r.shape.context_max,
                    r.use.context);
    if (r.nodes < 1) return fail(Fault::usage, "nodes: expected at least 1, saw {}", r.nodes);
    if (r.use.sequences < 1)
        return fail(Fault::usage, "sequences: expected at least 1, saw {}", r.use.sequences);
    for (const auto& [name, value] :
         {std::pair<const char*, double>{"ram_bandwidth", r.host_read_bytes_per_second}})
        if (!(value > 0 && std::isfinite(value)))
            return fail(Fault::usage, "{}: expected a number above 0, saw {:g}", name, value);
    for (const auto& [name, value] :
         {std::pair<const char*, double>{"memory", r.host_bytes}, {"disk", r.disk_read_bytes_per_second}})
        if (!(value >= 0 && std::isfinite(value)))
            return fail(Fault::usage, "{}: expected a number of at least 0, saw {:g}", name, value);
    if (r.devices[0].device.is_cpu() && r.host_bytes == 0)
        return fail(Fault::usage, "memory: expected the machine's memory in GB (--memory), saw none for {}",
                    r.devices[0].device.name);
    return {};
}

class Work {
  public:
    explicit Work(Outlook& out) : out_(out), r_(out.request), d_(out.request.devices[0].device) {}
    void run();

  private:
    [[nodiscard]] SpeedInputs inputs() const;
    void set_budgets();
    void offload(double excess);
    bool stream();
    void set_limits();
    void suggest();
    void set_speed(double seconds_more);
    [[nodiscard]] double network_seconds() const;
    Outlook& out_;
    const OutlookRequest& r_;
    const Device& d_;
};

WeightKind kind_of(const OutlookRequest& r, const MemoryBill& bill) {
    if (r.type) {
        const std::string_view n = r.type->name;
        if (n.find("_k") != std::string_view::npos || n.starts_with("iq")) return WeightKind::k_quant;
        return r.type->linear >= 16 && r.type->experts >= 16 ? WeightKind::half
               : r.type->experts > 6                         ? WeightKind::eight_bits
                                                             : WeightKind::four_bits;
    }
    const double bits =
        8 * bill.weights / static_cast<double>(std::max<std::int64_t>(1, r.shape.parameters()));
    return bits > 12 ? WeightKind::half : bits > 7 ? WeightKind::eight_bits : WeightKind::four_bits;
}

// Heads' widths summed over the layers that see every position.
double seeing_width(const ModelShape& shape) {
    int all = 0, seeing = 0;
    for (const KeptState& state : shape.states) {
        if (state.recurrent_floats > 0) continue;
        all += state.n_layers;
        seeing += state.window > 0 ? 0 : state.n_layers;
    }
    return all > 0 ? static_cast<double>(shape.attention_width) * seeing / all : 0;
}

SpeedInputs Work::inputs() const {
    SpeedInputs in;
    in.bytes_per_token = out_.bill.read_per_token;
    in.active_parameters = r_.shape.active_parameters();
    in.depth = static_cast<double>(r_.use.context) / 2;
    in.kv_bytes = kept_read_bytes(r_.shape, r_.use.context / 2, r_.use.kv);
    in.total_bytes = out_.bill.weights;
    in.attention_width = seeing_width(r_.shape);
    in.n_layers = r_.shape.n_layers;
    in.is_mixture = r_.shape.n_experts > 0;
    in.is_hybrid = r_.shape.is_hybrid;
    in.expert_fraction =
        in.is_mixture ? static_cast<double>(r_.shape.n_experts_used) / r_.shape.n_experts : 1;
    in.weights = kind_of(r_, out_.bill);
    in.device = d_;
    in.n_tensor_parallel = r_.tensor_parallel ? r_.devices[0].n : 1;
    in.batch = r_.use.sequences;
    return in;
}

void Work::set_budgets() {
    for (const DeviceGroup& group : r_.devices) {
        out_.budget += group.n * device_budget(group.device, r_.host_bytes);
        out_.board_watts += group.n * group.device.load_watts;
    }
    if (!d_.is_cpu() && !d_.is_unified())
        out_.host_budget = r_.nodes * std::max(0.0, r_.host_bytes - kSystemMargin);
}

// Layers dealt to machines: a token's activations cross between each two. Layers that are split: two
// reductions each, over all.
double Work::network_seconds() const {
    if (r_.nodes < 2) return 0;
    const double bytes = 4.0 * static_cast<double>(r_.shape.d_model) * r_.use.sequences;
    const double crossing =
        r_.link_seconds + (r_.link_bytes_per_second > 0 ? bytes / r_.link_bytes_per_second : 0);
    return crossing * (r_.tensor_parallel ? 4 * r_.shape.n_layers : r_.nodes - 1);
}

void Work::set_speed(double seconds_more) {
    seconds_more += network_seconds();
    const auto later = [&](Speed speed) {
        if (seconds_more <= 0) return speed;
        const double factor = 1 / (1 + speed.tokens_per_second / r_.use.sequences * seconds_more);
        speed.tokens_per_second *= factor;
        speed.low *= factor;
        speed.high *= factor;
        speed.terms.push_back({"host and network", seconds_more});
        return speed;
    };
    out_.decode = later(decode_speed(inputs()));
    if (r_.use.sequences == 1) {  // the interval ends where the memory's own speed does
        out_.decode->high = std::min(out_.decode->high, out_.ceiling);
        out_.decode->tokens_per_second = std::min(out_.decode->tokens_per_second, out_.ceiling);
    }
    SpeedInputs prompt = inputs();
    prompt.depth = 256;
    out_.prefill = later(prefill_speed(prompt));
}

// What exceeds the devices lies in the host's memory: experts first, else whole layers.
void Work::offload(double excess) {
    const MemoryBill& bill = out_.bill;
    const bool experts = bill.experts >= excess && bill.experts > 0;
    const double outside = experts ? excess / bill.experts : excess / bill.weights;
    const double read = experts ? bill.routed_per_token * outside : bill.read_per_token * outside;
    out_.answer = Answer::fits_with_offload;
    out_.how = experts ? fmt::format("{:.0f} % of the experts in the host's memory, everything else on {}",
                                     100 * outside, d_.name)
                       : fmt::format("{} of {} layers in the host's memory, the others on {}",
                                     static_cast<int>(std::ceil(outside * r_.shape.n_layers)),
                                     r_.shape.n_layers, d_.name);
    // The device's own share shrinks by what the host reads; each crossing costs a synchronisation.
    const double host =
        read / (0.6 * r_.host_read_bytes_per_second) - read / (0.8 * d_.read_bytes_per_second);
    set_speed(std::max(0.0, host) + 40e-6 * r_.shape.n_layers * (experts ? 1 : outside));
}

// Experts read from disk as tokens ask for them; all else stays in memory.
bool Work::stream() {
    const MemoryBill& bill = out_.bill;
    if (r_.disk_read_bytes_per_second <= 0 || bill.experts == 0) return false;
    const double room = out_.budget + out_.host_budget - (bill.total() - bill.experts);
    if (room < 0) return false;
    const double cached = std::min(1.0, room / bill.experts);
    const double io = bill.routed_per_token * (1 - cached) / r_.disk_read_bytes_per_second;
    const double memory = bill.read_per_token / d_.read_bytes_per_second;
    Speed speed;
    speed.high = 1 / std::max(io, memory);
    speed.low = kSerialShare / (io + memory);
    speed.tokens_per_second = 1 / (io + memory);
    speed.terms = {{"experts from disk", io}, {"memory", memory}};
    speed.basis = fmt::format(
        "arithmetic: {} of experts a token, {:.0f} % of them cached as chance has it, "
        "{:.1f} GB/s from disk",
        bytes_text(bill.routed_per_token), 100 * cached, r_.disk_read_bytes_per_second / 1e9);
    out_.decode = speed;
    out_.answer = Answer::streams;
    out_.how = fmt::format("{} resident, {} of experts streamed from disk, {} of them cached",
                           bytes_text(bill.total() - bill.experts), bytes_text(bill.experts),
                           bytes_text(cached * bill.experts));
    return true;
}

void Work::set_limits() {
    const double room = out_.budget + out_.host_budget - out_.bill.weights - out_.bill.buffers;
    if (room <= 0) return;
    const auto kept = [&](std::int64_t n, std::int64_t sequences) {
        MemoryUse use = r_.use;
        use.context = n;
        use.sequences = static_cast<int>(sequences);
        return kept_bytes(r_.shape, use);
    };
    std::int64_t low = 0, high = r_.shape.context_max;
    while (low < high) {
        const std::int64_t middle = low + (high - low + 1) / 2;
        if (kept(middle, r_.use.sequences) <= room)
            low = middle;
        else
            high = middle - 1;
    }
    out_.context_max = low;
    const double one = kept(r_.use.context, 1);
    out_.sequences_max = one > 0 ? static_cast<std::int64_t>(std::min(room / one, 1e9)) : 0;
}

void Work::suggest() {
    const double budget = out_.budget + out_.host_budget;
    for (const WeightType& type : weight_types()) {
        const MemoryBill bill = memory_bill(r_.shape, &type, r_.use);
        if (bill.weights >= out_.bill.weights || bill.total() > budget) continue;
        out_.what_would.push_back(
            fmt::format("weights in {}: {} in all", type.name, bytes_text(bill.total())));
        break;
    }
    if (out_.context_max > 0 && out_.context_max < r_.use.context)
        out_.what_would.push_back(fmt::format("a context of {} tokens", out_.context_max));
    const double bits = 8 * (budget - out_.bill.kept - out_.bill.buffers) /
                        static_cast<double>(std::max<std::int64_t>(1, r_.shape.parameters()));
    if (out_.what_would.empty())
        out_.what_would.push_back(
            bits > 0 ? fmt::format("no type of the table: {} of memory are {:.2f} bits a weight",
                                   bytes_text(budget), bits)
                     : fmt::format("no type: what sequences keep exceeds {} alone", bytes_text(budget)));
    // The least memory that will do, alone or in fours.
    for (const int n : {1, 2, 4}) {
        const Device* best = nullptr;
        for (const Device& d : devices()) {
            if (d.is_cpu() || n * device_budget(d, 0) < out_.bill.total()) continue;
            if (best == nullptr || d.memory_bytes < best->memory_bytes) best = &d;
        }
        if (best != nullptr && (n == 1 || !best->is_unified()))
            out_.what_would.push_back(fmt::format("{}{} ({} of memory)", n == 1 ? "" : fmt::format("{}x ", n),
                                                  best->name, bytes_text(n * best->memory_bytes)));
    }
    if (out_.bill.experts > 0 && r_.disk_read_bytes_per_second == 0) {
        const double resident = out_.bill.total() - out_.bill.experts;
        if (resident < budget)
            out_.what_would.push_back(fmt::format(
                "streaming experts from disk (--disk GB/s): {} resident, {} read for each token: at "
                "most {:.1f} tokens/s at 5 GB/s with nothing cached",
                bytes_text(resident), bytes_text(out_.bill.routed_per_token),
                5e9 / out_.bill.routed_per_token));
    }
}

void Work::run() {
    out_.bill = memory_bill(r_.shape, r_.type ? &*r_.type : nullptr, r_.use);
    set_budgets();
    set_limits();
    const int n = r_.tensor_parallel ? r_.devices[0].n : 1;
    out_.ceiling = n * d_.read_bytes_per_second / out_.bill.read_per_token;
    const double excess = out_.bill.total() - out_.budget;
    if (excess <= 0) {
        out_.answer = Answer::fits;
        out_.how = fmt::format("all of it on {}", d_.name);
        set_speed(0);
    } else if (excess <= out_.host_budget) {
        offload(excess);
    } else if (!stream()) {
        out_.how =
            fmt::format("{} are needed, {} may be used: {} too many", bytes_text(out_.bill.total()),
                        bytes_text(out_.budget + out_.host_budget), bytes_text(excess - out_.host_budget));
    }
    if (out_.answer == Answer::does_not_fit || out_.answer == Answer::streams) suggest();
}

}  // namespace

std::string_view name(Answer answer) {
    switch (answer) {
        case Answer::fits:
            return "fits";
        case Answer::fits_with_offload:
            return "fits with offload";
        case Answer::streams:
            return "does not fit; streams from disk";
        case Answer::does_not_fit:
            break;
    }
    return "does not fit";
}

Result<Outlook> outlook(const OutlookRequest& request) {
    Outlook out;
    out.request = request;
    if (out.request.use.context == 0)
        out.request.use.context = std::min<std::int64_t>(8192, request.shape.context_max);
    HEARTH_TRY_STATUS(check(out.request));
    Work(out).run();
    return out;
}

}  // namespace hearth::plan
