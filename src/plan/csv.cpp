// plan/csv.cpp - one pass over the characters.
#include "plan/csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace hearth::plan {
namespace {

// Reads one record from `at` on; a record ends with a line, but not inside quotes. False: an open quote.
bool read_record(std::string_view text, std::size_t& at, std::size_t& line, std::vector<std::string>& cells) {
    std::string cell;
    bool quoted = false;
    cells.clear();
    for (;; ++at) {
        if (at == text.size()) {
            if (quoted) return false;
            break;
        }
        const char c = text[at];
        if (c == '\n') ++line;
        if (quoted) {
            if (c != '"') {
                cell += c;
            } else if (at + 1 < text.size() && text[at + 1] == '"') {
                cell += c;
                ++at;
            } else {
                quoted = false;
            }
        } else if (c == '"' && cell.empty()) {
            quoted = true;
        } else if (c == ',') {
            cells.push_back(std::move(cell));
            cell.clear();
        } else if (c == '\n') {
            ++at;
            break;
        } else {
            cell += c;
        }
    }
    if (!cell.empty() && cell.back() == '\r') cell.pop_back();
    cells.push_back(std::move(cell));
    return true;
}

}  // namespace

Result<CsvTable> CsvTable::parse(std::string_view text, std::string_view where) {
    CsvTable table;
    table.where_ = where;
    std::size_t at = 0, line = 1;
    while (at < text.size()) {
        Row row;
        row.line = line;
        if (!read_record(text, at, line, row.cells))
            return fail(Fault::corrupt, "{}:{}: expected a closing quote, saw the end", where, row.line);
        if (row.cells.size() == 1 && row.cells[0].empty()) continue;  // an empty line
        if (table.header_.empty()) {
            table.header_ = std::move(row.cells);
            auto names = table.header_;
            std::sort(names.begin(), names.end());
            if (std::adjacent_find(names.begin(), names.end()) != names.end())
                return fail(Fault::corrupt, "{}:{}: expected each column once, saw one twice", where,
                            row.line);
        } else if (row.cells.size() != table.header_.size()) {
            return fail(Fault::corrupt, "{}:{}: expected {} cells, saw {}", where, row.line,
                        table.header_.size(), row.cells.size());
        } else {
            table.rows_.push_back(std::move(row));
        }
    }
    if (table.header_.empty()) return fail(Fault::corrupt, "{}: expected a header line, saw nothing", where);
    return table;
}

std::optional<std::size_t> CsvTable::find(std::string_view column) const {
    const auto at = std::find(header_.begin(), header_.end(), column);
    if (at == header_.end()) return std::nullopt;
    return static_cast<std::size_t>(at - header_.begin());
}

std::string_view CsvTable::cell(std::size_t row, std::string_view column) const {
    const auto at = find(column);
    return at ? std::string_view(rows_[row].cells[*at]) : std::string_view();
}

std::string CsvTable::place(std::size_t row) const { return fmt::format("{}:{}", where_, rows_[row].line); }

Result<std::optional<double>> CsvTable::number(std::size_t row, std::string_view column) const {
    const std::string_view text = cell(row, column);
    if (text.empty()) return std::optional<double>();
    double value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || !std::isfinite(value))
        return fail(Fault::corrupt, "{}: {}: expected a number, saw \"{}\"", place(row), column,
                    text.substr(0, 40));
    return std::optional<double>(value);
}

}  // namespace hearth::plan
