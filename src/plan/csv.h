// plan/csv.h - comma-separated tables with a header line, as RFC 4180 has them: quoted cells, doubled quotes.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace hearth::plan {

class CsvTable {
  public:
    // Errors: corrupt (no header, a column twice, a row with more or fewer cells, an open quote), with the
    // line.
    static Result<CsvTable> parse(std::string_view text, std::string_view where);

    [[nodiscard]] std::size_t n_rows() const { return rows_.size(); }
    // The cell, empty when the table lacks the column.
    [[nodiscard]] std::string_view cell(std::size_t row, std::string_view column) const;
    [[nodiscard]] bool has_column(std::string_view column) const { return find(column).has_value(); }
    // Nothing when empty. Errors: corrupt (no finite number).
    [[nodiscard]] Result<std::optional<double>> number(std::size_t row, std::string_view column) const;
    [[nodiscard]] std::string place(std::size_t row) const;  // "points.csv:7"

  private:
    [[nodiscard]] std::optional<std::size_t> find(std::string_view column) const;
    struct Row {
        std::size_t line = 0;
        std::vector<std::string> cells;
    };
    std::string where_;
    std::vector<std::string> header_;
    std::vector<Row> rows_;
};

}  // namespace hearth::plan
