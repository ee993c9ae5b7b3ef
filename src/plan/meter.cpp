// plan/meter.cpp - times of two spellings, and the two levels.
#include "plan/meter.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/file.h"
#include "plan/csv.h"

namespace hearth::plan {
namespace {

constexpr std::uint64_t kMeterBytesMax = 64u << 20;
constexpr std::size_t kReadingsMin = 10;
constexpr double kGapIntervals = 10;
constexpr double kWattsMax = 1e7, kTimeMax = 1e12;
constexpr double kApart = 1.2;  // the upper level, of the lower

// "2026-11-23T21:35:08.5Z" as seconds since 1970; the T may be a space. Nothing for other spellings.
std::optional<double> date_seconds(std::string_view text) {
    if (!text.empty() && text.back() == 'Z') text.remove_suffix(1);
    if (text.size() < 19 || text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') ||
        text[13] != ':' || text[16] != ':')
        return std::nullopt;
    const auto part = [&](std::size_t at, std::size_t n) {
        int value = -1;
        const char* end = text.data() + at + n;
        const auto parsed = std::from_chars(text.data() + at, end, value);
        return parsed.ec == std::errc() && parsed.ptr == end ? value : -1;
    };
    const int year = part(0, 4), month = part(5, 2), day = part(8, 2);
    const int hour = part(11, 2), minute = part(14, 2);
    double second = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + 17, end, second, std::chars_format::fixed);
    const std::chrono::year_month_day date(std::chrono::year(year),
                                           std::chrono::month(static_cast<unsigned>(month)),
                                           std::chrono::day(static_cast<unsigned>(day)));
    if (year < 1970 || month < 1 || day < 1 || !date.ok() || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || parsed.ec != std::errc() || parsed.ptr != end || !(second >= 0 && second < 61))
        return std::nullopt;
    const auto days = std::chrono::sys_days(date).time_since_epoch().count();
    return static_cast<double>(days) * 86400 + hour * 3600 + minute * 60 + second;
}

struct Reading {
    double time = 0, watts = 0, seconds = 0;  // seconds: how long it holds
};

Result<std::vector<Reading>> readings_of(const CsvTable& table, std::string_view where) {
    for (const char* column : {"time", "watts"})
        if (!table.has_column(column))
            return fail(Fault::corrupt, "{}: expected the columns time and watts, saw no {}", where, column);
    std::vector<Reading> out(table.n_rows());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::string_view time = table.cell(i, "time");
        if (const auto date = date_seconds(time)) {
            out[i].time = *date;
        } else {
            HEARTH_TRY(const auto seconds, table.number(i, "time"));
            if (!seconds)
                return fail(Fault::corrupt, "{}: time: expected a number, saw none", table.place(i));
            out[i].time = *seconds;
        }
        if (!(std::fabs(out[i].time) <= kTimeMax))
            return fail(Fault::corrupt, "{}: time: expected at most {:g} seconds, saw \"{}\"", table.place(i),
                        kTimeMax, time.substr(0, 40));
        HEARTH_TRY(const auto watts, table.number(i, "watts"));
        if (!watts || !(*watts >= 0 && *watts <= kWattsMax))
            return fail(Fault::corrupt, "{}: watts: expected 0 to {:g}, saw \"{}\"", table.place(i),
                        kWattsMax, table.cell(i, "watts").substr(0, 40));
        out[i].watts = *watts;
        if (i > 0 && !(out[i].time > out[i - 1].time))
            return fail(Fault::corrupt, "{}: time: expected one after the line before, saw \"{}\"",
                        table.place(i), time.substr(0, 40));
    }
    if (out.size() < kReadingsMin)
        return fail(Fault::usage, "{}: expected at least {} readings, saw {}", where, kReadingsMin,
                    out.size());
    return out;
}

// How long each holds: until the next, the last as long as usual.
void hold(std::vector<Reading>& readings) {
    std::vector<double> gaps;
    for (std::size_t i = 1; i < readings.size(); ++i) gaps.push_back(readings[i].time - readings[i - 1].time);
    std::vector<double> sorted = gaps;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2),
                     sorted.end());
    const double usual = sorted[sorted.size() / 2];
    for (std::size_t i = 0; i < readings.size(); ++i)
        readings[i].seconds = i < gaps.size() && gaps[i] <= kGapIntervals * usual ? gaps[i] : usual;
}

// The first reading of the upper level, among readings sorted by watts.
std::size_t upper_level(const std::vector<Reading>& sorted) {
    double all_seconds = 0, all_sum = 0;
    for (const Reading& r : sorted) all_seconds += r.seconds, all_sum += r.seconds * r.watts;
    double seconds = 0, sum = 0, best = -1;
    std::size_t split = sorted.size();
    for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
        seconds += sorted[i].seconds;
        sum += sorted[i].seconds * sorted[i].watts;
        if (sorted[i].watts == sorted[i + 1].watts) continue;
        const double apart = sum / seconds - (all_sum - sum) / (all_seconds - seconds);
        const double between = seconds * (all_seconds - seconds) * apart * apart;
        if (between > best) {
            best = between;
            split = i + 1;
        }
    }
    return split;
}

// By time, of readings [begin, end) sorted by watts.
double median(const std::vector<Reading>& sorted, std::size_t begin, std::size_t end) {
    double all = 0, seen = 0;
    for (std::size_t i = begin; i < end; ++i) all += sorted[i].seconds;
    for (std::size_t i = begin; i < end; ++i) {
        seen += sorted[i].seconds;
        if (seen >= all / 2) return sorted[i].watts;
    }
    return sorted[end - 1].watts;
}

}  // namespace

Result<MeterReading> meter_of(std::string_view text, std::string_view where) {
    HEARTH_TRY(const CsvTable table, CsvTable::parse(text, where));
    HEARTH_TRY(std::vector<Reading> readings, readings_of(table, where));
    hold(readings);
    std::sort(readings.begin(), readings.end(),
              [](const Reading& a, const Reading& b) { return a.watts < b.watts; });
    MeterReading out;
    for (const Reading& r : readings) {
        out.seconds += r.seconds;
        out.kilowatt_hours += r.seconds * r.watts / 3.6e6;
    }
    const std::size_t split = upper_level(readings);
    if (split < readings.size()) {
        out.idle_watts = median(readings, 0, split);
        out.load_watts = median(readings, split, readings.size());
        for (std::size_t i = split; i < readings.size(); ++i)
            out.load_share += readings[i].seconds / out.seconds;
    }
    if (split == readings.size() || !(out.load_watts >= kApart * out.idle_watts))
        return fail(Fault::usage,
                    "{}: expected readings while it waits and while it computes, at least a fifth apart, saw "
                    "{:g} to {:g} W",
                    where, readings.front().watts, readings.back().watts);
    return out;
}

Result<MeterReading> read_meter(const fs::path& file) {
    HEARTH_TRY(const std::string text, read_text(file, kMeterBytesMax));
    return meter_of(text, file.string());
}

void use_meter(const MeterReading& reading, CostInputs& inputs) {
    inputs.power.idle_watts = reading.idle_watts;
    inputs.power.load_watts = reading.load_watts;
}

}  // namespace hearth::plan
