// plan/page.h - what the HTML pages of plan share: one file each, nothing fetched.
#pragma once

#include <string>
#include <string_view>

namespace hearth::plan {

std::string escaped(std::string_view text);     // for text and for attributes in double quotes
std::string page_head(std::string_view title);  // up to the heading; a page ends with "</html>\n"

}  // namespace hearth::plan
