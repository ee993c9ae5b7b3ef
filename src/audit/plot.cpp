// audit/plot.cpp - places lines and bars; every number drawn is also in a table of the page.
#include "audit/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace hearth::audit {
namespace {

std::string text_at(double x, double y, std::string_view style, std::string_view text) {
    return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>", x, y, style, escaped(text));
}

std::string line_at(double x1, double y1, double x2, double y2, std::string_view style) {
    return fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" class=\"{}\"/>", x1, y1,
                       x2, y2, style);
}

std::string rect_at(double x, double y, double width, double height, std::string_view style,
                    std::string_view title = {}) {
    const std::string inner = title.empty() ? "" : fmt::format("<title>{}</title>", escaped(title));
    return fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\">{}</rect>", x, y,
        std::max(0.0, width), std::max(0.0, height), style, inner);
}

std::string open_svg(double width, double height, std::string_view label) {
    return fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" aria-label=\"{}\">", width, height,
                       escaped(label));
}

// 1, 2 or 5 times a power of ten, so that about `wanted` steps cover `span`.
double nice_step(double span, int wanted) {
    const double raw = span / wanted, power = std::pow(10, std::floor(std::log10(raw)));
    const double lead = raw / power;
    return (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10) * power;
}

std::string_view verdict_class(Verdict verdict) {
    switch (verdict) {
        case Verdict::worse:
            return "worse";
        case Verdict::better:
            return "better";
        case Verdict::no_difference:
            return "same";
        case Verdict::too_few:
            return "few";
    }
    return "few";
}

// The x axis of the difference plot, in points, symmetric about zero so that loss and gain look alike.
struct Axis {
    double left, right, most;
    [[nodiscard]] double x(double points) const {
        return left + (points + most) / (2 * most) * (right - left);
    }
};

std::string difference_row(const TaskRow& row, const Axis& axis, double y) {
    const double low = row.difference_interval.low * 100, high = row.difference_interval.high * 100;
    const double x = axis.x(row.difference * 100);
    const auto style = verdict_class(row.verdict);
    std::string out = text_at(axis.left - 14, y + 4.5, "label end", row.name);
    out += fmt::format("<g class=\"{}\"><title>{}: {} points, 95 % interval {}</title>", style,
                       escaped(row.name), points_text(row.difference),
                       interval_text(row.difference_interval, 100, 1));
    out += line_at(axis.x(low), y, axis.x(high), y, "whisker");
    out += line_at(axis.x(low), y - 4, axis.x(low), y + 4, "whisker") +
           line_at(axis.x(high), y - 4, axis.x(high), y + 4, "whisker");
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4.5\"/></g>", x, y);
    return out + text_at(axis.right + 14, y + 4.5, "note", verdict_text(row.verdict));
}

std::string power_text(int exponent) {
    static constexpr const char* kDigits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    const int size = std::abs(exponent);
    return std::string("10") + (exponent < 0 ? "⁻" : "") + (size >= 10 ? kDigits[size / 10] : "") +
           kDigits[size % 10];
}

}  // namespace

std::string escaped(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '&')
            out += "&amp;";
        else if (c == '<')
            out += "&lt;";
        else if (c == '>')
            out += "&gt;";
        else if (c == '"')
            out += "&quot;";
        else if (c == '\'')
            out += "&#39;";
        else if ((byte < 0x20 && c != '\n' && c != '\t' && c != '\r') || byte == 0x7F)
            out += "\xEF\xBF\xBD";
        else
            out += c;
    }
    return out;
}

std::string difference_plot(const Report& report) {
    std::vector<const TaskRow*> rows;
    for (const TaskRow& t : report.tasks) rows.push_back(&t);
    if (report.all_tasks) rows.push_back(&*report.all_tasks);
    const double margin = report.margin * 100;
    double most = margin;
    for (const TaskRow* t : rows)
        most = std::max({most, -t->difference_interval.low * 100, t->difference_interval.high * 100});
    const double step = nice_step(most, 3);
    const Axis axis{150, 620, std::ceil(most / step) * step};
    constexpr double kRow = 30, kTop = 14;
    const double bottom = kTop + kRow * static_cast<double>(rows.size()), height = bottom + 46;
    std::string out =
        open_svg(790, height, "Difference of accuracy by task, variant less base, with 95 % intervals");
    out += rect_at(axis.x(-margin), kTop - 4, axis.x(margin) - axis.x(-margin), bottom - kTop + 4, "band");
    for (double tick = -axis.most; tick <= axis.most + step / 2; tick += step) {
        const bool zero = std::fabs(tick) < step / 2;
        out += line_at(axis.x(tick), kTop - 4, axis.x(tick), bottom, zero ? "zero" : "grid");
        out += text_at(axis.x(tick), bottom + 18, "tick middle", zero ? "0" : fmt::format("{:+g}", tick));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const double y = kTop + kRow * (static_cast<double>(i) + 0.5) - 2;
        if (report.all_tasks && i + 1 == rows.size())
            out += line_at(16, y - kRow / 2, 774, y - kRow / 2, "grid");
        out += difference_row(*rows[i], axis, y);
    }
    out += text_at((axis.left + axis.right) / 2, bottom + 38, "note middle",
                   "percentage points, variant less base");
    return out + "</svg>";
}

std::string divergence_plot(const Divergence& divergence) {
    constexpr double kLeft = 92, kRight = 774, kTop = 48, kBottom = 250, kSpecialWidth = 52;
    const std::int64_t floor_count = divergence.zeros + divergence.below;
    std::int64_t tallest = std::max<std::int64_t>(1, floor_count);
    for (const std::int64_t count : divergence.histogram) tallest = std::max(tallest, count);
    const double step = nice_step(static_cast<double>(tallest), 4);
    const double top = std::ceil(static_cast<double>(tallest) / step) * step;
    const auto y = [&](double count) { return kBottom - count / top * (kBottom - kTop); };
    std::string out = open_svg(790, 308, "Tokens by their KL divergence on a logarithmic scale");
    for (double tick = 0; tick <= top + step / 2; tick += step) {
        if (tick != std::floor(tick)) continue;
        out += line_at(kLeft, y(tick), kRight, y(tick), tick == 0 ? "zero" : "grid");
        out += text_at(kLeft - 10, y(tick) + 4, "tick end", count_text(static_cast<std::int64_t>(tick)));
    }
    const auto bar = [&](double x, double width, std::int64_t count, const std::string& where) {
        if (count == 0) return;
        out +=
            rect_at(x + 1, y(static_cast<double>(count)), width - 2, kBottom - y(static_cast<double>(count)),
                    "bar", fmt::format("{}: {} tokens", where, count_text(count)));
    };
    bar(kLeft + 6, kSpecialWidth - 6, floor_count, "zero, or below 10^-10");
    out += text_at(kLeft + kSpecialWidth / 2 + 3, kBottom + 18, "tick middle", "0, tiny");
    const double origin = kLeft + kSpecialWidth + 34, width = (kRight - origin) / kHistogramBins;
    for (int bin = 0; bin < kHistogramBins; ++bin) {
        const double low = kHistogramLog10Min + bin / 2.0;
        bar(origin + width * bin, width, divergence.histogram[static_cast<std::size_t>(bin)],
            fmt::format("10^{:g} to 10^{:g}", low, low + 0.5));
    }
    for (int e = kHistogramLog10Min; e <= kHistogramLog10Max; e += 2)
        out += text_at(origin + width * 2 * (e - kHistogramLog10Min), kBottom + 18, "tick middle",
                       power_text(e));
    double last = -1e9, lift = 0;  // labels that would overlap climb
    const auto mark = [&](double value, const char* name) {
        if (value <= 0) return;
        const double place = std::clamp(std::log10(value) - kHistogramLog10Min, 0.0, kHistogramBins / 2.0);
        const double x = origin + width * 2 * place;
        lift = std::fabs(x - last) < 48 ? lift + 14 : 0;
        last = x;
        out += line_at(x, kTop - 4 - lift, x, kBottom, "mark") +
               text_at(x, kTop - 8 - lift, "note middle", name);
    };
    mark(divergence.median, "median");
    mark(divergence.mean.value, "mean");
    mark(divergence.p99, "99 %");
    out += text_at((kLeft + kRight) / 2, kBottom + 44, "note middle", "KL divergence of a token, nats");
    return out + "</svg>";
}

}  // namespace hearth::audit
