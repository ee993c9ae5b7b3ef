// plan/outlook_page.cpp - the outlook as one HTML page: what takes the memory, which types would fit, where a
// step's time goes.
#include <algorithm>

#include "base/terminal.h"
#include "plan/outlook.h"
#include "plan/page.h"

namespace hearth::plan {
namespace {

constexpr double kWidth = 720, kLeft = 240, kRight = 90, kRow = 26;

struct Bar {
    std::string name, label;
    double value = 0;
};

// Horizontal bars; `limit`, where it is above 0, is a line across them.
std::string bars(std::string_view title, const std::vector<Bar>& rows, double limit,
                 std::string_view limit_name) {
    double most = limit;
    for (const Bar& bar : rows) most = std::max(most, bar.value);
    if (rows.empty() || most <= 0) return {};
    const auto x = [&](double v) { return kLeft + v / most * (kWidth - kLeft - kRight); };
    const double height = kRow * static_cast<double>(rows.size()) + (limit > 0 ? 28 : 8);
    std::string out = fmt::format(
        "<figure><figcaption>{0}</figcaption><svg viewBox=\"0 0 {1} {2}\" role=\"img\" aria-label=\"{0}\">",
        escaped(title), kWidth, height);
    double y = 4;
    for (const Bar& bar : rows) {
        out += fmt::format(
            "<text x=\"{}\" y=\"{:.1f}\" class=\"tick\">{}</text><rect class=\"bar\" x=\"{}\" y=\"{:.1f}\" "
            "width=\"{:.1f}\" height=\"16\"/><text x=\"{:.1f}\" y=\"{:.1f}\" class=\"label\">{}</text>",
            kLeft - 8, y + 13, escaped(bar.name), kLeft, y, std::max(1.0, x(bar.value) - kLeft),
            x(bar.value) + 4, y + 13, escaped(bar.label));
        y += kRow;
    }
    if (limit > 0)
        out += fmt::format(
            "<line class=\"limit\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/><text x=\"{0:.1f}\" "
            "y=\"{2}\" class=\"tick\">{3}</text>",
            x(limit), y, y + 14, escaped(limit_name));
    return out + "</svg></figure>\n";
}

}  // namespace

std::string outlook_html(const Outlook& o) {
    set_colours(Colours::never);
    const double may = o.answer == Answer::fits ? o.budget : o.budget + o.host_budget;
    const std::string limit = bytes_text(may) + " may be used";
    std::string out = page_head("Will " + o.request.shape.name + " fit, and how fast");
    out += fmt::format("<p>{}: {}.</p>\n", escaped(name(o.answer)), escaped(o.how));
    if (o.decode)
        out += fmt::format("<p>Decode: {:.3g} tokens/s ({:.3g} to {:.3g}).</p>\n",
                           o.decode->tokens_per_second, o.decode->low, o.decode->high);
    std::vector<Bar> memory, types, times;
    for (const MemoryTerm& term : o.bill.terms)
        memory.push_back({term.name, bytes_text(term.bytes), term.bytes});
    memory.push_back({"total", bytes_text(o.bill.total()), o.bill.total()});
    for (const WeightType& type : weight_types()) {
        const double bytes = memory_bill(o.request.shape, &type, o.request.use).total();
        types.push_back({std::string(type.name), bytes_text(bytes), bytes});
    }
    if (o.decode)
        for (const SpeedTerm& term : o.decode->terms)
            times.push_back(
                {std::string(term.name), fmt::format("{:.3g} ms", term.seconds * 1e3), term.seconds});
    out += bars("Memory", memory, may, limit);
    out += bars("All of it, with weights in each type", types, may, limit);
    out += bars("A decoding step", times, 0, "");
    return out + fmt::format("<h2>All numbers</h2><pre>{}</pre></html>\n", escaped(outlook_text(o)));
}

}  // namespace hearth::plan
