// plan/toml_table.cpp - types and ranges, and whose key it was.
#include "plan/toml_table.h"

#include <cmath>

namespace hearth::plan {

tl::unexpected<Error> TomlTable::fault(std::string_view key, std::string_view what) const {
    const toml::node* node = table_->get(key);
    const auto line = (node != nullptr ? node->source() : table_->source()).begin.line;
    return fail(Fault::usage, "{}:{}: {}{}{}: {}", where_, line, place_, place_.empty() ? "" : ": ", key,
                what);
}

Result<std::string> TomlTable::text(std::string_view key) const {
    asked_.emplace(key);
    if (!has(key)) return fault(key, "expected a text, saw none");
    const auto value = table_->get(key)->value_exact<std::string>();
    if (!value) return fault(key, "expected a text in quotes, saw another value");
    return *value;
}

Result<std::string> TomlTable::text_or(std::string_view key, std::string fallback) const {
    asked_.emplace(key);
    if (!has(key)) return fallback;
    return text(key);
}

Result<double> TomlTable::number(std::string_view key, double min, double max) const {
    asked_.emplace(key);
    if (!has(key)) return fault(key, "expected a number, saw none");
    const toml::node* node = table_->get(key);
    if (!node->is_number()) return fault(key, "expected a number, saw another value");
    const double value = *node->value<double>();
    if (!std::isfinite(value)) return fault(key, "expected a finite number");
    if (value < min || value > max) {
        const std::string limits = max == kHighest  ? fmt::format("at least {:g}", min)
                                   : min == kLowest ? fmt::format("at most {:g}", max)
                                                    : fmt::format("{:g} to {:g}", min, max);
        return fault(key, fmt::format("expected {}, saw {:g}", limits, value));
    }
    return value;
}

Result<double> TomlTable::number_or(std::string_view key, double fallback, double min, double max) const {
    asked_.emplace(key);
    if (!has(key)) return fallback;
    return number(key, min, max);
}

Result<bool> TomlTable::flag_or(std::string_view key, bool fallback) const {
    asked_.emplace(key);
    if (!has(key)) return fallback;
    const auto value = table_->get(key)->value_exact<bool>();
    if (!value) return fault(key, "expected true or false, saw another value");
    return *value;
}

Result<std::vector<TomlTable>> TomlTable::tables(std::string_view key) const {
    asked_.emplace(key);
    std::vector<TomlTable> out;
    if (!has(key)) return out;
    const toml::array* array = table_->get(key)->as_array();
    if (array == nullptr) return fault(key, fmt::format("expected tables [[{}]]", key));
    for (const toml::node& node : *array) {
        if (!node.is_table()) return fault(key, fmt::format("expected tables [[{}]]", key));
        out.emplace_back(where_, *node.as_table(), std::string(key));
    }
    return out;
}

Result<TomlTable> TomlTable::table(std::string_view key) const {
    asked_.emplace(key);
    const toml::node* node = table_->get(key);
    if (node == nullptr || !node->is_table()) return fault(key, fmt::format("expected a table [{}]", key));
    return TomlTable(where_, *node->as_table(), std::string(key));
}

Status TomlTable::finish() const {
    for (const auto& [key, node] : *table_)
        if (asked_.find(key.str()) == asked_.end()) {
            std::string known;
            for (const std::string& name : asked_) known += (known.empty() ? "" : ", ") + name;
            return fault(key.str(), "expected one of " + known);
        }
    return {};
}

Status read_toml(std::string_view text, const std::string& where,
                 const std::function<Status(const TomlTable&)>& read) {
    try {
        const toml::table table = toml::parse(text, where);
        return read(TomlTable(where, table, {}));
    } catch (const toml::parse_error& e) {
        return fail(Fault::usage, "{}:{}: expected valid TOML, saw {}", where, e.source().begin.line,
                    e.description());
    }
}

}  // namespace hearth::plan
