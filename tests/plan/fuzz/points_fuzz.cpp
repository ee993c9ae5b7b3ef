// tests/plan/fuzz/points_fuzz.cpp - files of measured points, and configs that shapes are made of.
#include <string_view>

#include "plan/model_shape.h"
#include "plan/score.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    (void)hearth::plan::score_text(text, "points.csv");
    if (const auto config = hearth::parse_json(text, "config.json"))
        if (const auto shape = hearth::plan::shape_of_config(*config, "config.json"))
            (void)shape->kept_elems(1000);
    return 0;
}
