// tests/base/json_test.cpp - limits and messages of the JSON reader; number texts against Python's repr.
#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

namespace hearth {
namespace {

TEST(Json, NumbersPrintAsPythonDoes) {
    // Expected texts: CPython 3.11, repr(x).
    const std::pair<double, const char*> rows[] = {
        {1.0, "1.0"},         {0.1, "0.1"},
        {2.5e-07, "2.5e-07"}, {1e22, "1e+22"},
        {1e16, "1e+16"},      {123456.0, "123456.0"},
        {1e-4, "0.0001"},     {-0.0, "-0.0"},
        {5e-324, "5e-324"},   {9999999999999998.0, "9999999999999998.0"}};
    for (const auto& [value, text] : rows) EXPECT_EQ(json_number(value), text);
}

TEST(Json, DeepTextIsRefusedWithItsPlace) {
    const std::string deep(100'000, '[');
    const auto parsed = parse_json(deep, "deep.json");
    ASSERT_FALSE(parsed.has_value());
    EXPECT_EQ(parsed.error().fault, Fault::corrupt);
    EXPECT_NE(parsed.error().message.find("deep.json: byte"), std::string::npos);
    const std::string fits = std::string(100, '[') + std::string(100, ']');
    EXPECT_TRUE(parse_json(fits, "fits.json").has_value());
}

TEST(Json, EveryTruncationIsAnError) {
    const std::string text = R"({"a": [1, 2.5, "x\u00e9"], "b": {"c": null}})";
    ASSERT_TRUE(parse_json(text, "t").has_value());
    for (std::size_t n = 0; n < text.size(); ++n)
        EXPECT_FALSE(parse_json(text.substr(0, n), "t").has_value()) << n;
}

TEST(Json, CursorNamesThePath) {
    const auto json =
        parse_json(R"({"rope": {"factor": "x", "n": 7, "big": 18446744073709551615}})", "c.json");
    ASSERT_TRUE(json.has_value());
    const auto rope = JsonCursor(*json, "c.json").at("rope");
    ASSERT_TRUE(rope.has_value());
    EXPECT_EQ(rope->at("factor")->number().error().message,
              "c.json/rope/factor: expected a number, saw a string");
    EXPECT_EQ(rope->at("n")->integer(0, 5).error().fault, Fault::out_of_range);
    EXPECT_EQ(rope->at("big")->integer(0, 5).error().fault, Fault::out_of_range);
    EXPECT_EQ(rope->at("gone").error().fault, Fault::corrupt);
    EXPECT_EQ(rope->integer_or("n", 0, 0, 9).value(), 7);
}

TEST(Json, RoundTripKeepsOrder) {
    const std::string text = R"({"z": 1, "a": [true, null, -0.5], "s": "q\"\\\n"})";
    EXPECT_EQ(to_json(*parse_json(text, "t")), text);
}

}  // namespace
}  // namespace hearth
