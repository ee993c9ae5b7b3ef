// plan/point_row.cpp - devices, models and engines by the words that people write for them.
#include "plan/point_row.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::plan {
namespace {

bool has(std::string_view text, std::string_view piece) { return text.find(piece) != std::string_view::npos; }

bool has_any(std::string_view text, std::initializer_list<std::string_view> pieces) {
    return std::any_of(pieces.begin(), pieces.end(),
                       [&](std::string_view piece) { return has(text, piece); });
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

struct Mixture {
    std::string_view model;  // in lower case
    double fraction;         // of the experts that a token reads
};
// Longer names first. Sources: the models' config.json.
constexpr Mixture kMixtures[] = {
    {"gpt-oss-20b", 4.0 / 32},      {"gpt-oss-120b", 4.0 / 128},     {"qwen3-30b-a3b", 8.0 / 128},
    {"qwen3-coder-30b", 8.0 / 128}, {"qwen3.5-35b-a3b", 8.0 / 256},  {"qwen3.6-35b-a3b", 8.0 / 256},
    {"qwen3-235b", 8.0 / 128},      {"qwen3-next-80b", 10.0 / 512},  {"qwen3-coder-480b", 8.0 / 160},
    {"deepseek-v3", 8.0 / 256},     {"deepseek-r1-671b", 8.0 / 256}, {"mixtral", 2.0 / 8},
    {"glm-4.5-air", 8.0 / 128},     {"glm-4.6", 8.0 / 160},          {"kimi-k2", 8.0 / 384},
    {"llama-4-scout", 1.0 / 16},    {"llama-4-maverick", 1.0 / 128}, {"step-3.7-flash", 8.0 / 288}};

// "2x EPYC 9355 12ch DDR5" in a note: bytes a second of the host's memory by channels. One socket counts:
// reads of the other's memory are slow.
double host_bandwidth(std::string_view note) {
    const std::size_t ch = note.find("ch ");
    std::size_t begin = ch;
    while (ch != std::string_view::npos && begin > 0 && note[begin - 1] >= '0' && note[begin - 1] <= '9')
        --begin;
    double channels = 8;
    if (ch != std::string_view::npos && begin < ch)
        std::from_chars(note.data() + begin, note.data() + ch, channels);
    return channels * (has(note, "DDR4") ? 25.6e9 : 38.4e9);
}

// The maker, kind and memory of a device that the table lacks, by its name.
Device device_of_name(std::string_view cell, std::string_view engine, double bandwidth) {
    const std::string name = lower(cell);
    Device d;
    d.name = cell;
    const bool cpu = has_any(name, {"epyc", "xeon", "threadripper", "core i", "core ultra", "raspberry",
                                    "graviton", "ampere altra", "snapdragon"}) ||
                     (has(name, "ryzen") && !has_any(name, {"ryzen ai max", "radeon"})) ||
                     engine.starts_with("cpu");
    d.maker =
        has_any(name, {"apple", "macbook", "mac studio", "mac mini"}) || has(engine, "metal") ||
                has(engine, "mlx")
            ? Maker::apple
        : has_any(name, {"rtx", "gtx", "nvidia", "tesla", "geforce", "jetson", "gb10", "spark", "quadro"})
            ? Maker::nvidia
        : has_any(name, {"instinct", "radeon", "rx ", "strix", "ryzen", "gfx"}) || name.starts_with("mi")
            ? Maker::amd
        : has_any(name, {"arc", "intel", "b580", "b60"}) ? Maker::intel
        : has_any(engine, {"rocm", "hip"})               ? Maker::amd
        : has(engine, "sycl")                            ? Maker::intel
                                                         : Maker::nvidia;
    if (cpu) d.kind = "cpu";
    if (d.maker == Maker::apple ||
        has_any(name, {"strix", "ryzen ai", "gb10", "spark", "jetson", "thor", "orin", "n1x", "snapdragon"}))
        d.memory = "LPDDR5";
    if (bandwidth >= 1.4e12 && !has_any(name, {"rtx", "geforce"})) d.memory = "HBM";
    for (const char* recent : {"rtx 40", "rtx 50", "rtx40", "rtx50", "4090", "4080", "4070", "4060", "5090",
                               "5080", "5070", "5060", "rtx 6000 ada", "rtx pro", "l40", "l4 "})
        if (d.maker == Maker::nvidia && has(name + " ", recent)) d.chip = "Blackwell or Ada: AD10, GB20";
    return d;
}

Result<Device> device_of(const CsvTable& table, std::size_t row, std::optional<double> bandwidth,
                         std::string_view engine) {
    const std::string_view name = table.cell(row, "device");
    Device device;
    const auto known = find_device(name);
    if (const Device* driver = device_of_driver(name); driver != nullptr)
        device = *driver;
    else if (known)
        device = *known;
    else
        device = device_of_name(name, engine, bandwidth.value_or(0));
    if (bandwidth) device.read_bytes_per_second = *bandwidth;
    const std::string_view placement = table.cell(row, "placement");
    if (placement == "cpu" || (placement.empty() && has(engine, " cpu"))) device.kind = "cpu";
    return device;
}

struct Numbers {
    double n_dev = 1, depth = 0, batch = 1, kv = 0;
    std::optional<double> bw, params, active, layers, prompt, file_gib, read_gb, tg, pp;
};
Result<Numbers> numbers_of(const CsvTable& table, std::size_t row) {
    Numbers n;
    const auto read = [&](std::string_view column, double min) -> Result<std::optional<double>> {
        HEARTH_TRY(const auto value, table.number(row, column));
        if (value && *value < min)
            return fail(Fault::corrupt, "{}: {}: expected at least {:g}, saw {:g}", table.place(row), column,
                        min, *value);
        return value;
    };
    constexpr double kTiny = 1e-9;
    for (const auto& [column, min, to] :
         {std::tuple<const char*, double, std::optional<double>*>{"bw_gbs", 1e-3, &n.bw},
          {"params_b", kTiny, &n.params},
          {"active_b", kTiny, &n.active},
          {"n_layers", 1, &n.layers},
          {"pp_n", 1, &n.prompt},
          {"file_gib", kTiny, &n.file_gib},
          {"read_gb_per_tok", kTiny, &n.read_gb},
          {"tg_tps", kTiny, &n.tg},
          {"pp_tps", kTiny, &n.pp}}) {
        HEARTH_TRY(*to, read(column, min));
    }
    for (const auto& [column, min, to] : {std::tuple<const char*, double, double*>{"n_dev", 1, &n.n_dev},
                                          {"kv_b_per_tok_fp16", 0, &n.kv},
                                          {"ctx_depth", 0, &n.depth},
                                          {"batch", 1, &n.batch}}) {
        HEARTH_TRY(const auto value, read(column, min));
        *to = value.value_or(*to);
    }
    return n;
}

// "Qwen3-30B-A3B": 30 and 3 billion.
std::optional<double> billions_of_name(std::string_view model, bool active) {
    for (std::size_t i = 0; i < model.size(); ++i) {
        const bool begins = i == 0 || model[i - 1] == '-' || model[i - 1] == ' ' || model[i - 1] == '_';
        std::size_t at = i;
        if (active && model[i] != 'A') continue;
        if (active) ++at;
        double value = 0;
        const auto parsed = std::from_chars(model.data() + at, model.data() + model.size(), value);
        if (!begins || parsed.ec != std::errc() || parsed.ptr == model.data() + model.size()) continue;
        if ((*parsed.ptr == 'B' || *parsed.ptr == 'b') && value > 0 && value < 1e5) return value;
    }
    return std::nullopt;
}

// Depth grows with size: 0.6 B in 28 layers, 8 B in 32, 70 B in 80, mixtures in 48 and more.
double layers_of(double params) { return std::clamp(32 * std::pow(params / 8, 0.42), 24.0, 96.0); }

// "ub512": tokens of a prompt that the engine evaluates together.
double chunk_of(std::string_view engine) {
    double chunk = 2048;
    for (std::size_t at = engine.find("ub"); at != std::string_view::npos; at = engine.find("ub", at + 1)) {
        int value = 0;
        const auto read = std::from_chars(engine.data() + at + 2, engine.data() + engine.size(), value);
        if (read.ec == std::errc() && value > 0) chunk = value;
    }
    return chunk;
}

bool is_split_by_tensor(std::string_view engine, std::string_view note) {
    if (has(note, "tensor") || has(engine, "tensor")) return true;
    for (const std::string_view text : {note, engine})
        for (std::size_t at = text.find("tp"); at != std::string_view::npos; at = text.find("tp", at + 1)) {
            const bool begins = at == 0 || text[at - 1] < 'a' || text[at - 1] > 'z';
            const bool ends = at + 2 == text.size() || text[at + 2] < 'a' || text[at + 2] > 'z';
            if (begins && ends) return true;
        }
    return false;
}

void set_model(const CsvTable& table, std::size_t row, const Numbers& n, SpeedInputs& in) {
    const std::string model = lower(table.cell(row, "model"));
    const std::string_view quant = table.cell(row, "quant"), arch = table.cell(row, "arch");
    const double params = *n.params, active = std::min(n.active.value_or(params), params);
    in.is_mixture = arch == "moe" || (arch != "dense" && active < 0.8 * params);
    in.is_hybrid = has_any(model, {"qwen3.5", "qwen3.6", "qwen3-next", "nemotron-3", "kimi-linear"});
    in.is_unusual = has(model, "deepseek-v4");
    in.attention_share = has(model, "gpt-oss") ? 0.5 : in.is_hybrid ? 0.25 : 1;
    in.active_parameters = active * 1e9;
    const double bits = n.file_gib ? *n.file_gib * 0x1p30 * 8 / (params * 1e9) : bits_of_name(quant);
    in.bytes_per_token = n.read_gb ? *n.read_gb * 1e9 : in.active_parameters * bits / 8;
    in.total_bytes = params * 1e9 * bits / 8;
    in.n_layers = n.layers.value_or(layers_of(params));
    // gpt-oss: half of its layers see 128 positions.
    in.kv_bytes = has(model, "gpt-oss") ? n.kv * (n.depth + std::min(n.depth, 128.0)) / 2 : n.kv * n.depth;
    in.expert_fraction =
        in.is_mixture ? std::min(1.0, 0.65 * active / std::max(params - 0.35 * active, active)) : 1;
    for (const Mixture& mixture : kMixtures)
        if (in.is_mixture && has(model, mixture.model)) in.expert_fraction = mixture.fraction;
    in.weights = kind_of_name(quant);
}

}  // namespace

Result<PointRow> read_point_row(const CsvTable& table, std::size_t row) {
    HEARTH_TRY(Numbers n, numbers_of(table, row));
    const std::string engine = lower(table.cell(row, "backend")), note = lower(table.cell(row, "note"));
    const std::string_view name = table.cell(row, "model"), placement = table.cell(row, "placement");
    PointRow out;
    out.decode = n.tg;
    out.prefill = n.pp;
    SpeedInputs& in = out.inputs;
    HEARTH_TRY(in.device, device_of(table, row, n.bw ? std::optional(*n.bw * 1e9) : std::nullopt, engine));
    if (!n.params) n.params = billions_of_name(name, false);
    if (!n.active) n.active = billions_of_name(name, true);
    if (!n.params || in.device.read_bytes_per_second <= 0) {
        out.decode_skipped = out.prefill_skipped =
            n.params ? "no bandwidth, and the table lacks the device" : "no size of the model";
        return out;
    }
    set_model(table, row, n, in);
    in.n_tensor_parallel = is_split_by_tensor(engine, note) ? static_cast<int>(std::min(n.n_dev, 1024.0)) : 1;
    in.serving = has(engine, "vllm") || has(engine, "sglang") ? Serving::vllm
                 : has(engine, "ik_")                         ? Serving::ik_llama
                 : has(engine, "ollama")                      ? Serving::ollama
                                                              : Serving::llama_cpp;
    in.is_2024 = has(engine, "2024");
    in.batch = n.batch;
    const double prompt = n.prompt.value_or(512);
    in.chunk_tokens = std::min(prompt, chunk_of(engine));
    in.depth = std::max(n.depth, prompt / 2);
    if (has(note, "incl. prefill")) in.prefill_per_output = 4;  // "4:1 in:out mix"
    if (has(placement, "cpu") && placement != "cpu")
        in.host_read_bytes_per_second = host_bandwidth(table.cell(row, "note"));
    // Whoever collected the point does not believe it.
    if (has(note, "outlier") && has(note, "pp")) out.prefill_skipped = "marked as an outlier by its source";
    return out;
}

}  // namespace hearth::plan
