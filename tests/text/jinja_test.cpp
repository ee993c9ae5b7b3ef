// tests/text/jinja_test.cpp - templates against Jinja2 3.1.6: probes of each feature, whole chat templates,
// budgets.
#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <ctime>
#include <fstream>

#include "base/file.h"
#include "base/json.h"
#include "material.h"
#include "text/chat_template.h"

namespace hearth::text {
namespace {

std::time_t fixed_now() {  // the fixtures' clock, in local time
    std::tm t{};
    t.tm_year = 126;
    t.tm_mday = 2;
    t.tm_hour = 3;
    t.tm_min = 4;
    t.tm_sec = 5;
    t.tm_isdst = -1;
    return std::mktime(&t);
}

Result<std::string> render(std::string_view source, const Json& context) {
    HEARTH_TRY(const ChatTemplate parsed, ChatTemplate::parse(source, "template"));
    HEARTH_TRY(QuotedText rendered, parsed.render(context, {.now = fixed_now()}));
    return std::move(rendered.text);
}

Json fixture_json(const char* name) {
    return parse_json(read_text(tests::fixture(name), 16 << 20).value(), name).value();
}

TEST(Jinja, RendersProbesAsJinja2) {
    const Json fixture = fixture_json("text/jinja_probes.json");
    for (const Json& probe : fixture.at("probes").get_array()) {
        const std::string source(probe.at(0).get_string());
        const auto text = render(source, fixture.at("context"));
        if (probe.at(1).is_null()) {
            EXPECT_FALSE(text.has_value()) << source << "\ngave " << text.value();
            continue;
        }
        EXPECT_TRUE(text.has_value()) << source << "\n" << text.error().message;
        if (text) {
            EXPECT_EQ(*text, std::string(probe.at(1).get_string())) << source;
        }
    }
    EXPECT_GT(fixture.at("probes").get_array().size(), 1430u);
}

TEST(Jinja, RendersGeneratedExpressionsAsJinja2) {
    const Json fixture = fixture_json("text/jinja_expressions.json");
    for (const Json& one : fixture.at("expressions").get_array()) {
        const std::string source(one.at(0).get_string());
        const auto text = render(source, fixture.at("context"));
        EXPECT_EQ(text.has_value(), !one.at(1).is_null()) << source << "\n"
                                                          << (text ? "gave " + *text : text.error().message);
        if (text && !one.at(1).is_null()) {
            EXPECT_EQ(*text, std::string(one.at(1).get_string())) << source;
        }
    }
    EXPECT_EQ(fixture.at("expressions").get_array().size(), 2500u);
}

TEST(Jinja, RendersGeneratedTemplatesAsJinja2) {
    const Json fixture = fixture_json("text/jinja_statements.json");
    const auto& contexts = fixture.at("contexts").get_array();
    for (const Json& one : fixture.at("templates").get_array()) {
        const std::string source(one.at(0).get_string());
        const auto text = render(source, contexts[static_cast<std::size_t>(one.at(1).as_int64())]);
        EXPECT_EQ(text.has_value(), !one.at(2).is_null()) << source << "\n"
                                                          << (text ? "gave " + *text : text.error().message);
        if (text && !one.at(2).is_null()) {
            EXPECT_EQ(*text, std::string(one.at(2).get_string())) << source;
        }
        if (!text && one.at(3).is_string()) {
            std::string why(one.at(3).get_string());
            std::replace(why.begin(), why.end(), '\n', ' ');
            EXPECT_TRUE(text.error().message.ends_with(why))
                << source << "\nsays " << text.error().message << "\nnot    " << why;
        }
    }
    EXPECT_EQ(fixture.at("templates").get_array().size(), 600u);
}

std::string digest(std::string_view text) {  // "length:hash", FNV-1a of 64 bits
    std::uint64_t hash = 0xCBF29CE484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3;
    return fmt::format("{}:{:016x}", text.size(), hash);
}

void check_template(const std::string& name, const std::string& source) {
    const Json expected = fixture_json("text/jinja_templates.json");
    const Json conversations = fixture_json("text/jinja_conversations.json");
    const auto parsed = ChatTemplate::parse(source, name);
    ASSERT_OK(parsed);
    for (std::size_t i = 0; i < conversations.get_array().size(); ++i) {
        const auto text = parsed->render(conversations.get_array()[i], {.now = fixed_now()});
        const std::string got = text ? digest(text->text) : "error";
        EXPECT_EQ(got, std::string(expected.at(name).get_array()[i].get_string()))
            << name << ", conversation " << i << "\n"
            << (text ? text->text : text.error().message);
    }
}

TEST(Jinja, RendersTemplatesWrittenForIt) {
    const Json fixture = fixture_json("text/jinja_written.json");
    const Json conversations = fixture_json("text/jinja_conversations.json");
    for (const auto& [name, one] : fixture.get_object()) {
        for (std::size_t i = 0; i < conversations.get_array().size(); ++i) {
            const Json& expected = one.at("outcomes").at(i);
            const auto text = render(one.at("source").get_string(), conversations.at(i));
            ASSERT_EQ(text.has_value(), !expected.at(0).is_null())
                << name << ", conversation " << i << ": " << (text ? *text : text.error().message);
            if (text) {
                EXPECT_EQ(*text, std::string(expected.at(0).get_string())) << name << ", conversation " << i;
            } else {
                EXPECT_TRUE(text.error().message.ends_with(std::string_view(expected.at(1).get_string())))
                    << name << ", conversation " << i << ": " << text.error().message;
            }
        }
    }
    EXPECT_EQ(fixture.get_object().size(), 8u);
}

// What Jinja2 and Python have and the sandbox allows is here, by name at least: bytes and random text are
// refused when they are called, in words.
TEST(Jinja, HasEveryNameOfTheReference) {
    const Json census = fixture_json("text/jinja_census.json");
    std::size_t n = 0;
    const auto expect_true = [&n](const std::string& expression) {
        const auto text = render("{{ " + expression + " }}", boost::json::object());
        ASSERT_OK(text);
        EXPECT_EQ(*text, "True") << expression;
        ++n;
    };
    for (const Json& name : census.at("filters").get_array())
        expect_true("'" + std::string(name.get_string()) + "' is filter");
    for (const Json& name : census.at("tests").get_array())
        expect_true("'" + std::string(name.get_string()) + "' is test");
    for (const Json& name : census.at("globals").get_array())
        expect_true(std::string(name.get_string()) + " is callable");
    for (const auto& [value, names] : census.at("attributes").get_object())
        for (const Json& name : names.get_array())
            expect_true("(" + std::string(value) + ")." + std::string(name.get_string()) + " is defined");
    EXPECT_GT(n, 180u);
    for (const char* call : {"'a'.encode()", "7 .to_bytes(2, 'big')", "lipsum()"}) {
        const auto text = render("{{ " + std::string(call) + " }}", boost::json::object());
        ASSERT_FALSE(text.has_value()) << call;
        EXPECT_NE(text.error().message.find("is refused"), std::string::npos) << text.error().message;
    }
}

TEST(Jinja, RendersEmbersTemplate) {
    const auto source = read_text(tests::source_dir() / "models/ember/chat_template.jinja", 1 << 20);
    ASSERT_OK(source);
    check_template("ember", *source);
}

TEST(Jinja, RendersTheTemplatesOfTheField) {
    HEARTH_NEEDS_SHARED("data/templates");
    for (const auto& entry : std::filesystem::directory_iterator(tests::shared("data/templates"))) {
        const auto source = read_text(entry.path(), 1 << 20);
        ASSERT_OK(source);
        check_template(entry.path().filename().string(), *source);
    }
}

}  // namespace
}  // namespace hearth::text
