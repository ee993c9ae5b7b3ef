// plan/toml_table.h - typed reads of one table of a TOML file: every error names the line and the key, and
// keys that nobody read are errors too.
#pragma once

#include <toml++/toml.h>

#include <functional>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace hearth::plan {

class TomlTable {
  public:
    // `place`: what the table is called in errors: "claim", "device"; empty for the file itself.
    TomlTable(std::string where, const toml::table& table, std::string place)
        : where_(std::move(where)), table_(&table), place_(std::move(place)) {}

    [[nodiscard]] tl::unexpected<Error> fault(std::string_view key, std::string_view what) const;
    [[nodiscard]] bool has(std::string_view key) const { return table_->contains(key); }
    [[nodiscard]] Result<std::string> text(std::string_view key) const;
    [[nodiscard]] Result<std::string> text_or(std::string_view key, std::string fallback) const;
    [[nodiscard]] Result<double> number(std::string_view key, double min = kLowest,
                                        double max = kHighest) const;
    [[nodiscard]] Result<double> number_or(std::string_view key, double fallback, double min = kLowest,
                                           double max = kHighest) const;
    [[nodiscard]] Result<bool> flag_or(std::string_view key, bool fallback) const;
    // [[key]]; none when the key is absent.
    [[nodiscard]] Result<std::vector<TomlTable>> tables(std::string_view key) const;
    // [key]
    [[nodiscard]] Result<TomlTable> table(std::string_view key) const;
    // Errors: a key that none of the calls above asked for.
    [[nodiscard]] Status finish() const;
    [[nodiscard]] const std::string& where() const { return where_; }

  private:
    static constexpr double kLowest = std::numeric_limits<double>::lowest();
    static constexpr double kHighest = std::numeric_limits<double>::max();
    std::string where_;
    const toml::table* table_;
    std::string place_;
    mutable std::set<std::string, std::less<>> asked_;
};

// Calls `read` with the whole file's table. Errors: usage (not TOML, with the line); those of `read`.
Status read_toml(std::string_view text, const std::string& where,
                 const std::function<Status(const TomlTable&)>& read);

}  // namespace hearth::plan
