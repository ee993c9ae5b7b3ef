// plan/cost_file.cpp - reads the inputs from TOML and measured speeds from JSON; what is unknown is an error.
#include <toml++/toml.h>

#include "base/file.h"
#include "plan/cost.h"
#include "plan/server_metrics.h"

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
    {"hardware.method", [](CostInputs& i) -> std::string& { return i.hardware.method; }},
};
struct ListField {
    std::string_view name;
    std::vector<double>& (*of)(CostInputs&);
};
constexpr ListField kLists[] = {
    {"power.price_by_hour", [](CostInputs& i) -> std::vector<double>& { return i.power.price_by_hour; }},
    {"power.busy_by_hour", [](CostInputs& i) -> std::vector<double>& { return i.power.busy_by_hour; }},
};

tl::unexpected<Error> fault_at(const fs::path& path, const toml::node& node, std::string_view what) {
    return fail(Fault::usage, "{}:{}: {}", path.string(), node.source().begin.line, what);
}

// [[hardware.parts]]
Status read_parts(const fs::path& path, const toml::node& node, CostInputs& inputs) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return fault_at(path, node, "hardware.parts: expected tables [[hardware.parts]]");
    inputs.hardware.parts.clear();
    for (const toml::node& item : *array) {
        const toml::table* table = item.as_table();
        if (table == nullptr)
            return fault_at(path, item, "hardware.parts: expected a table, saw another value");
        HardwarePart part;
        for (const auto& [key, value] : *table) {
            const std::string_view name = key.str();
            double number = 0;
            if (name == "name") {
                part.name = value.value_or(std::string());
                continue;
            }
            if (!value.is_number())
                return fault_at(path, value, fmt::format("hardware.parts.{}: expected a number", name));
            number = *value.value<double>();
            if (name == "price")
                part.price = number;
            else if (name == "count" && number >= 1 && number <= 1e6)
                part.count = static_cast<int>(number);
            else if (name == "lost_at_once")
                part.lost_at_once = number;
            else if (name == "decline_per_year")
                part.decline_per_year = number;
            else
                return fault_at(path, value,
                                fmt::format("hardware.parts: expected name, price, count (at least 1), "
                                            "lost_at_once or decline_per_year, saw \"{}\"",
                                            name));
        }
        inputs.hardware.parts.push_back(std::move(part));
    }
    return {};
}

Status read_list(const fs::path& path, const ListField& field, const toml::node& node, CostInputs& inputs) {
    const toml::array* array = node.as_array();
    if (array == nullptr) return fault_at(path, node, fmt::format("{}: expected a list", field.name));
    std::vector<double>& list = field.of(inputs);
    list.clear();
    for (const toml::node& item : *array) {
        if (!item.is_number()) return fault_at(path, item, fmt::format("{}: expected numbers", field.name));
        list.push_back(*item.value<double>());
    }
    return {};
}

Status read_value(const fs::path& path, const std::string& name, const toml::node& node, CostInputs& inputs) {
    for (const TextField& field : kTexts) {
        if (field.name != name) continue;
        const auto text = node.value_exact<std::string>();
        if (!text) return fault_at(path, node, fmt::format("{}: expected a string, saw another value", name));
        field.of(inputs) = *text;
        return {};
    }
    if (name == "hardware.parts") return read_parts(path, node, inputs);
    for (const ListField& list : kLists)
        if (list.name == name) return read_list(path, list, node, inputs);
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
    return read_cost_text(text, path, inputs);
}

Status read_cost_text(std::string_view text, const fs::path& path, CostInputs& inputs) {
    try {
        const toml::table table = toml::parse(text, path.string());
        for (const auto& [key, node] : table) {
            const std::string name(key.str());
            const toml::table* inner = node.as_table();
            if (name == "uncertain" || name == "correlation" || name == "claim") continue;  // read by others
            if (inner == nullptr) {
                HEARTH_TRY_STATUS(read_value(path, name, node, inputs));
                continue;
            }
            const auto known = [&](const CostField& f) { return f.name.substr(0, f.name.find('.')) == name; };
            if (std::none_of(cost_fields().begin(), cost_fields().end(), known))
                return fault_at(
                    path, node,
                    fmt::format(
                        "expected hardware, power, speed, use, api, failures, people or finance, saw [{}]",
                        name));
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
    // A bench's record is an object; a server's page begins with a comment or a name.
    if (const std::size_t first = text.find_first_not_of(" \t\r\n");
        first != std::string::npos && text[first] != '{')
        return metrics_of(text, path.string(), inputs);
    HEARTH_TRY(const Json value, parse_json(text, path.string()));
    const JsonCursor root(value, path.string());
    HEARTH_TRY(const JsonCursor prefill, root.at("prefill_tokens_per_second"));
    HEARTH_TRY(const JsonCursor decode, root.at("decode_tokens_per_second"));
    HEARTH_TRY(inputs.speed.prefill_tokens_per_second, prefill.number());
    HEARTH_TRY(inputs.speed.decode_tokens_per_second, decode.number());
    inputs.speed.source = "measured, " + path.string();
    // Watts of the first prefill and decode, where counters could be read.
    const auto points = root.find("points");
    if (!points || !points->value().is_array()) return {};
    HEARTH_TRY(const std::size_t n, points->array_size());
    for (std::size_t i = 0; i < n; ++i) {
        HEARTH_TRY(const JsonCursor point, points->at(i));
        HEARTH_TRY(const std::string phase, point.string_or("phase", ""));
        const auto watts = point.find("watts");
        if (!watts || watts->is_null()) continue;
        HEARTH_TRY(const double seen, watts->number());
        auto& to =
            phase == "prefill" ? inputs.speed.counted_prefill_watts : inputs.speed.counted_decode_watts;
        if (!to && seen > 0) to = seen;
    }
    return {};
}

}  // namespace hearth::plan
