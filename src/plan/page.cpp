// plan/page.cpp - the style of the pages: readable on paper and in the dark.
#include "plan/page.h"

#include <fmt/format.h>

namespace hearth::plan {
namespace {

constexpr std::string_view kStyle = R"(
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
pre{background:#f6f6f4;padding:1rem;overflow-x:auto;font-size:13px;line-height:1.35}
figure{margin:2rem 0}figcaption{font-weight:600;margin-bottom:.4rem}svg{width:100%;height:auto}
.grid{stroke:#ddd}.zero{stroke:#888}.line{fill:none;stroke:#1f5fa8;stroke-width:2.5}
.line.theirs{stroke:#b3541e;stroke-width:2;stroke-dasharray:6 4}
.band.theirs{fill:#b3541e}.limit{stroke:#a02020;stroke-width:2}
.band{fill:#1f5fa8;opacity:.15}
.api{stroke:#b3541e;stroke-width:2;stroke-dasharray:6 4}.bar{fill:#1f5fa8;opacity:.75}
text{font:12px system-ui,sans-serif;fill:#444}.tick{text-anchor:end}.under{text-anchor:middle}
@media(prefers-color-scheme:dark){body{background:#16181a;color:#e6e6e6}pre{background:#202326}text{fill:#bbb}
.grid{stroke:#333}.line{stroke:#7db3f0}.band,.bar{fill:#7db3f0}
.line.theirs{stroke:#f0a070}.band.theirs{fill:#f0a070}.api{stroke:#f0a070}})";

}  // namespace

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text)
        out += c == '<'   ? "&lt;"
               : c == '>' ? "&gt;"
               : c == '&' ? "&amp;"
               : c == '"' ? "&quot;"
                          : std::string(1, c);
    return out;
}

std::string page_head(std::string_view title) {
    return fmt::format(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
        "content=\"width=device-width\"><title>{0}</title><style>{1}</style><h1>{0}</h1>\n",
        escaped(title), kStyle);
}

}  // namespace hearth::plan
