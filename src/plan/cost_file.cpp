// plan/cost_file.cpp - reads the inputs from TOML and measured speeds from JSON; what is unknown is an error.
#include <toml++/toml.h>

#include "base/file.h"
#include "plan/cost.h"

namespace hearth::plan {
namespace {

struct TextField {
    std::string_view name;
    std::string& (*of)(CostInputs&);
};
constexpr TextField kTexts[] = {
    {"currency", [](CostInputs& i) -> std::string& { return i.currency; }},
    {"speed.source", [](CostInputs& i) -> std::string& { return i.speed.source; }},
    {"api.name", [](CostInputs& i) -> std::string& { return i.api.name; }},
};

tl::unexpected<Error> fault_at(const fs::path& path, const toml::node& node, std::string_view what) {
    return fail(Fault::usage, "{}:{}: {}", path.string(), node.source().begin.line, what);
}

Status read_value(const fs::path& path, const std::string& name, const toml::node& node, CostInputs& inputs) {
    for (const TextField& field : kTexts) {
        if (field.name != name) continue;
        const auto text = node.value_exact<std::string>();
        if (!text) return fault_at(path, node, fmt::format("{}: expected a string, saw another value", name));
        field.of(inputs) = *text;
        return {};
    }
    for (const CostField& field : cost_fields()) {
        if (field.name != name) continue;
        if (!node.is_number())
            return fault_at(path, node, fmt::format("{}: expected a number, saw another value", name));
        const double number = *node.value<double>();
        if (field.of != nullptr)
            field.of(inputs) = number;
        else
            field.of_plain(inputs) = number;
        return {};
    }
    return fault_at(path, node, fmt::format("expected a known key, saw \"{}\"", name));
}

}  // namespace

Status read_cost_file(const fs::path& path, CostInputs& inputs) {
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 20));
    try {
        const toml::table table = toml::parse(text, path.string());
        for (const auto& [key, node] : table) {
            const std::string name(key.str());
            const toml::table* inner = node.as_table();
            if (inner == nullptr) {
                HEARTH_TRY_STATUS(read_value(path, name, node, inputs));
                continue;
            }
            const auto known = [&](const CostField& f) { return f.name.substr(0, f.name.find('.')) == name; };
            if (std::none_of(cost_fields().begin(), cost_fields().end(), known))
                return fault_at(path, node,
                                fmt::format("expected hardware, power, speed, use or api, saw [{}]", name));
            for (const auto& [member, value] : *inner)
                HEARTH_TRY_STATUS(read_value(path, fmt::format("{}.{}", name, member.str()), value, inputs));
        }
    } catch (const toml::parse_error& e) {
        return fail(Fault::usage, "{}:{}: expected valid TOML, saw {}", path.string(), e.source().begin.line,
                    e.description());
    }
    return {};
}

Status read_measured_speed(const fs::path& path, CostInputs& inputs) {
    HEARTH_TRY(const std::string text, read_text(path, std::uint64_t{1} << 24));
    HEARTH_TRY(const Json value, parse_json(text, path.string()));
    const JsonCursor root(value, path.string());
    HEARTH_TRY(const JsonCursor prefill, root.at("prefill_tokens_per_second"));
    HEARTH_TRY(const JsonCursor decode, root.at("decode_tokens_per_second"));
    HEARTH_TRY(inputs.speed.prefill_tokens_per_second, prefill.number());
    HEARTH_TRY(inputs.speed.decode_tokens_per_second, decode.number());
    inputs.speed.source = "measured, " + path.string();
    return {};
}

}  // namespace hearth::plan
