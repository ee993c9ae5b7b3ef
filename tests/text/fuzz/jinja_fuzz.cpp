// tests/text/fuzz/jinja_fuzz.cpp - any bytes as a template: parsed and rendered without a crash.
#include <boost/json.hpp>
#include <cstdint>
#include <cstdlib>

#include "base/json.h"
#include "text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace hearth;
    if (size > 4096) return 0;
    static const Json context = {
        {"messages",
         {{{"role", "user"}, {"content", "h\u00e9 \U0001f642"}}, {{"role", "tool"}, {"content", nullptr}}}},
        {"tools", {{{"name", "f"}, {"n", 2.5}, {"d", {{"a", {1, 2}}}}}}},
        {"add_generation_prompt", true},
        {"bos_token", "<s>"}};
    const auto parsed = text::ChatTemplate::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
    if (!parsed) return 0;
    const auto rendered = parsed->render(context, {.now = 1'767'323'045, .steps_max = 300'000});
    std::size_t at = 0;
    for (const text::QuotedRange& range : rendered ? rendered->ranges : text::QuotedRanges()) {
        if (range.begin < at || range.begin >= range.end || range.end > rendered->text.size()) std::abort();
        at = range.end;
    }
    return 0;
}
