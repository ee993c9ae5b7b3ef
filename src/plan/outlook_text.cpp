// plan/outlook_text.cpp - the outlook for people and for programs.
#include <boost/json.hpp>

#include "base/terminal.h"
#include "plan/outlook.h"

namespace hearth::plan {
namespace {

std::string speed_line(const char* what, const Speed& speed) {
    return fmt::format("{}: {:.3g} tokens/s ({:.3g} to {:.3g})\n", what, speed.tokens_per_second, speed.low,
                       speed.high);
}

Json speed_json(const std::optional<Speed>& speed) {
    if (!speed) return nullptr;
    boost::json::object terms;
    for (const SpeedTerm& term : speed->terms) terms[term.name] = term.seconds;
    return {{"tokens_per_second", speed->tokens_per_second},
            {"low", speed->low},
            {"high", speed->high},
            {"seconds_by_term", std::move(terms)},
            {"basis", speed->basis}};
}

std::string devices_text(const std::vector<DeviceGroup>& groups) {
    std::string out;
    for (const DeviceGroup& group : groups)
        out += fmt::format("{}{}{}", out.empty() ? "" : " + ",
                           group.n == 1 ? "" : fmt::format("{}x ", group.n), group.device.name);
    return out;
}

std::string type_name(const OutlookRequest& r) {
    if (r.type) return std::string(r.type->name);
    return r.shape.stored_bytes ? "as stored" : "bf16";
}

}  // namespace

std::string outlook_text(const Outlook& o) {
    const OutlookRequest& r = o.request;
    using enum Table::Align;
    std::string out = fmt::format(
        "{} ({}): {:.4g} billion weights, {:.3g} active a token, {}; on {}\n{} tokens of context, {} "
        "sequence{}\n\n",
        r.shape.name, r.shape.family, static_cast<double>(r.shape.parameters()) / 1e9,
        r.shape.active_parameters() / 1e9, type_name(r), devices_text(r.devices), r.use.context,
        r.use.sequences, r.use.sequences == 1 ? "" : "s");
    Table table({{"memory"}, {"", right}, {"", right}});
    for (const MemoryTerm& term : o.bill.terms)
        table.add(
            {term.name, bytes_text(term.bytes), fmt::format("{:.0f} %", 100 * term.bytes / o.bill.total())});
    table.add({"total", bytes_text(o.bill.total()), ""});
    if (!r.type)
        for (const auto& [type, bytes] : r.shape.stored_types)
            table.add({"  of the file, " + type, bytes_text(static_cast<double>(bytes)), ""});
    table.add({"may be used", bytes_text(o.budget), ""});
    if (o.host_budget > 0) table.add({"beside the devices", bytes_text(o.host_budget), ""});
    out += table.text();
    const bool good = o.answer == Answer::fits || o.answer == Answer::fits_with_offload;
    out += fmt::format("\n{}: {}. The biggest term: {}.\n",
                       tinted(name(o.answer), good ? Tint::green : Tint::red), o.how, o.bill.biggest().name);
    if (o.context_max > 0)
        out += fmt::format("Fits up to {} tokens of context, or {} sequences of {}.\n", o.context_max,
                           o.sequences_max, r.use.context);
    if (o.board_watts > 0)
        out += fmt::format("Boards draw up to {:.0f} W by their datasheets, beside the machine{}.\n",
                           o.board_watts, r.nodes > 1 ? "s" : "");
    if (o.decode) {
        out += "\n" + speed_line("decode", *o.decode);
        Table terms({{"of a step"}, {"ms", right}});
        for (const SpeedTerm& term : o.decode->terms)
            terms.add({std::string(term.name), fmt::format("{:.3g}", term.seconds * 1e3)});
        out += terms.text();
        out += fmt::format("No engine decodes more than {:.3g} tokens/s of one sequence there: {} over {}.\n",
                           o.ceiling, bytes_text(r.devices[0].device.read_bytes_per_second) + "/s",
                           bytes_text(o.bill.read_per_token));
        if (o.prefill) out += speed_line("prefill of 512 tokens", *o.prefill);
        out += "Basis: " + o.decode->basis + ". To verify, there: hearth bench MODEL --json\n";
    }
    if (!o.what_would.empty()) {
        out += "\nWhat would do:\n";
        for (const std::string& what : o.what_would) out += "  - " + what + "\n";
    }
    return out;
}

Json outlook_json(const Outlook& o) {
    boost::json::object terms;
    for (const MemoryTerm& term : o.bill.terms) terms[term.name] = term.bytes;
    boost::json::object types;
    if (!o.request.type)
        for (const auto& [type, bytes] : o.request.shape.stored_types) types[type] = bytes;
    boost::json::array what_would;
    for (const std::string& what : o.what_would) what_would.emplace_back(what);
    return {{"model", o.request.shape.name},
            {"family", o.request.shape.family},
            {"parameters", o.request.shape.parameters()},
            {"active_parameters", o.request.shape.active_parameters()},
            {"type", type_name(o.request)},
            {"devices", devices_text(o.request.devices)},
            {"nodes", o.request.nodes},
            {"board_watts", o.board_watts},
            {"context", o.request.use.context},
            {"sequences", o.request.use.sequences},
            {"answer", std::string(name(o.answer))},
            {"how", o.how},
            {"memory", std::move(terms)},
            {"weight_bytes", o.bill.weights},
            {"weight_bytes_by_stored_type", std::move(types)},
            {"kept_bytes", o.bill.kept},
            {"total_bytes", o.bill.total()},
            {"biggest_term", o.bill.biggest().name},
            {"budget_bytes", o.budget},
            {"host_budget_bytes", o.host_budget},
            {"bytes_read_per_token", o.bill.read_per_token},
            {"decode_ceiling_tokens_per_second", o.ceiling},
            {"decode", speed_json(o.decode)},
            {"prefill", speed_json(o.prefill)},
            {"context_max", o.context_max},
            {"sequences_max", o.sequences_max},
            {"what_would", std::move(what_would)},
            {"verify", "hearth bench MODEL --json"}};
}

}  // namespace hearth::plan
