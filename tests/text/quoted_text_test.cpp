// tests/text/quoted_text_test.cpp - who wrote what in a rendered conversation. The conversations here are in
// Greek, the templates in Latin letters: so every letter of the output tells who wrote it.
#include "text/quoted_text.h"

#include <boost/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "material.h"
#include "text/chat_template.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

bool is_greek(char32_t c) { return c >= 0x370 && c < 0x400; }

Author author_at(const QuotedText& rendered, std::size_t at) {
    for (const QuotedRange& range : rendered.ranges)
        if (range.begin <= at && at < range.end) return range.author;
    return Author::trusted;
}

// No Greek letter is the template's; with `exact`, no Latin one is.
void check_letters(const QuotedText& rendered, const std::string& source, bool exact) {
    std::size_t before = 0;
    for (const QuotedRange& range : rendered.ranges) {
        EXPECT_LT(range.begin, range.end) << source;
        EXPECT_GE(range.begin, before) << source;
        before = range.end;
    }
    EXPECT_LE(before, rendered.text.size()) << source;
    for (std::size_t at = 0; at < rendered.text.size();) {
        const CodePoint c = read_code_point(rendered.text, at);
        const bool latin = (c.value >= 'a' && c.value <= 'z') || (c.value >= 'A' && c.value <= 'Z');
        if (is_greek(c.value)) {
            EXPECT_NE(author_at(rendered, at), Author::trusted) << source << "\n"
                                                                << rendered.text << " at " << at;
        } else if (latin && exact) {
            EXPECT_EQ(author_at(rendered, at), Author::trusted) << source << "\n"
                                                                << rendered.text << " at " << at;
        }
        at += c.bytes;
    }
}

const Json& greek() {
    static const Json context =
        parse_json(
            R"({"messages": [{"role": "user", "content": "  \u03b1\u03b2 \u03b3\n\u03b4 \u03b1 "},
             {"role": "user", "content": "\u03b5=\u03b6"},
             {"role": "\u03c9", "content": ["\u03b7", {"\u03b8": "\u03b9"}]}],
            "tools": [{"\u03ba": "\u03bb \"\u03bc\"", "n": 2}], "extra": "\u03be"})",
            "greek")
            .value();
    return context;
}

TEST(QuotedText, KnowsEachLetterThroughEveryOperation) {
    const std::string c = "messages[0].content", d = "messages[1].content";
    for (const std::string& source : std::vector<std::string>{
             "{{ " + c + " }}",
             "a{{ " + c + " }}b",
             "{{ 'a' + " + c + " + 'b' ~ " + d + " ~ 'c' }}",
             "{{ " + c + "|trim }}x{{ " + c + ".strip() }}x{{ " + c + ".lstrip(' ') }}{{ " + c +
                 ".rstrip() }}",
             "{{ (" + c + " ~ 'end ')|trim }}{{ ('a' ~ " + d + ").strip('a') }}",
             "{% for p in " + c + ".split(' ') %}a{{ p }}b{% endfor %}",
             "{{ " + c + ".split()|join('x') }}",
             "{{ ('a' ~ " + d + " ~ 'b=c').split('=')|join('-') }}",
             "{{ " + c + ".splitlines()|join('q') }}",
             "{{ " + c + "|replace(' ', 'a') }}",
             "{{ ('ab' ~ " + d + ")|replace('a', " + d + ") }}",
             "{{ ('a' ~ " + c + ").replace('', '-') }}",
             "{{ " + d + ".partition('=')|join('a') }}",
             "{{ ('a' ~ " + d + " ~ 'b')[1:] }}{{ ('a' ~ " + d + " ~ 'b')[::-1] }}{{ ('a' ~ " + d + ")[1] }}",
             "{{ ('a' ~ " + d + ")|first }}{{ ('a' ~ " + d + ")|last }}{{ ('ab' ~ " + d + ")|reverse }}",
             "{{ ('a' ~ " + c + ")|upper }}{{ ('a' ~ " + c + ")|title }}{{ (" + c + " ~ 'A').lower() }}",
             "{{ ('a' ~ " + d + ").swapcase() }}{{ " + c + ".casefold() }}",
             "{% for x in 'a' ~ " + d + " %}{{ x }}z{% endfor %}",
             "{{ ('a' ~ " + d + ")|list|join('b') }}",
             "{% set x %}a{{ " + c + " }}b{% endset %}{{ x }}{{ x|upper }}",
             "{% filter upper %}a{{ " + c + " }}b{% endfilter %}",
             "{% macro f(a) %}m{{ a }}n{{ caller() }}{% endmacro %}{% call f(" + d + ") %}q{{ " + c +
                 " }}{% endcall %}",
             "{{ ('a\n' ~ " + c + ")|indent(2) }}{{ " + c + "|indent('ab') }}",
             "{{ ('a' ~ " + d + ") * 3 }}",
             "{{ ('a' ~ " + d + ").center(20, 'x') }}{{ 'x'.center(9, " + d + "[0]) }}{{ " + d +
                 ".zfill(9) }}",
             "{{ 'a%sb%sc' % (" + c + ", 1) }}{{ 'a{}b{x}'.format(" + c + ", x=" + d + ") }}",
             "{{ ('a' ~ " + d + " ~ '%s') % 'b' }}{{ ('a' ~ " + d + " ~ '{}').format('b') }}",
             "{{ ('a' ~ " + d + ")|truncate(3, true, 'x', 0) }}",
             "{{ " + c + ".expandtabs() ~ 'a' }}",
             "{{ ('a' ~ " + d + ")|tojson }}",
             "{{ messages[1].content|tojson }}",
             "{{ messages|map(attribute='content')|first }}",
             "{{ [" + d + ", 'a']|join(extra) }}",
             "{{ extra.join(['a', 'b']) }}",
             "{{ ('<a>' ~ " + d + ")|e }}",
             "{% set ns = namespace(x='a') %}{% set ns.x = ns.x ~ " + c + " %}{{ ns.x }}",
             "{% for k, v in tools[0].items() %}{{ k if k != 'n' }}{{ v }}{% endfor %}",
             "{{ tools[0]|first }}a",
             "{{ ['b', " + d + "]|sort|join }}{{ [" + d + ", " + d + "]|unique|join('a') }}",
             "{{ 'a'.replace('a', extra) }}",
             "{{ ('a' ~ " + d + ").removeprefix('a') }}{{ ('a' ~ " + d + ").rsplit('=', 1)[1] }}",
             "{{ extra|default('a') }}",
             "{{ dict(a=" + d + ").a }}{{ (" + c + " ~ '|a')|string|safe }}",
             "{{ ('ab' ~ extra).translate({97: 'c'}) }}"}) {
        const auto parsed = ChatTemplate::parse(source, "t");
        ASSERT_OK(parsed);
        const auto rendered = parsed->render(greek());
        ASSERT_TRUE(rendered.has_value()) << source << rendered.error().message;
        check_letters(*rendered, source, true);
    }
}

// Where authors cannot be told apart, the strictest counts.
TEST(QuotedText, NeverTakesALetterFromOutsideForTheTemplates) {
    const std::string c = "messages[0].content", d = "messages[1].content";
    for (const std::string& source :
         std::vector<std::string>{"{{ messages }}",
                                  "{{ tools }}",
                                  "{{ tools|tojson }}",
                                  "{{ messages|tojson(indent=2, sort_keys=true) }}",
                                  "{{ tools|string }}a",
                                  "{{ messages[2] ~ 'a' }}",
                                  "{{ ('a ' ~ " + c + ")|wordwrap(2) }}",
                                  "{{ tools[0]|xmlattr }}",
                                  "{{ ('<b>' ~ " + c + " ~ '</b>')|striptags }}",
                                  "{{ '%5s|%r' % (" + d + ", " + d + ") }}",
                                  "{{ '{:>9}{!r}'.format(" + d + ", " + d + ") }}",
                                  "{{ '%c%c' % (945, 946) }}",
                                  "{{ '{:c}'.format(945) }}",
                                  "{{ tools[0]|dictsort }}",
                                  "{{ tools|pprint }}",
                                  "{{ [extra, ('a', extra)] }}",
                                  "{{ namespace(tools[0]) }}",
                                  "{{ dict(**tools[0]) }}",
                                  "{% macro f() %}{{ kwargs }}{% endmacro %}{{ f(**tools[0]) }}",
                                  "{{ namespace(a=extra) }}",
                                  "{{ tools[0].items() }}{{ tools[0].values()|list }}{{ tools[0].keys() }}",
                                  "{{ messages|groupby('role') }}",
                                  "{{ strftime_now(extra) }}",
                                  "{{ messages[2].role }}",
                                  "{{ {extra: 1} }}",
                                  "{{ [extra]|batch(2, extra)|list }}",
                                  "{{ 'abc'.translate({97: 945}) if false else extra }}",
                                  "{{ extra|e|string }}",
                                  "{{ '%s' % [extra] }}",
                                  "{% autoescape true %}{{ tools }}{{ '<' ~ extra }}{% endautoescape %}",
                                  "{{ cycler(extra).next() }}"}) {
        const auto parsed = ChatTemplate::parse(source, "t");
        ASSERT_OK(parsed);
        const auto rendered = parsed->render(greek());
        if (rendered) check_letters(*rendered, source, false);
    }
}

// Turns what a conversation says into Greek; what templates look for stays.
Json translated(const Json& json, bool is_value) {
    if (json.is_string() && is_value) {
        std::string out;
        for (const char c : json.get_string()) {
            const char lower = static_cast<char>(c | 0x20);
            if (lower >= 'a' && lower <= 'z')
                append_code_point(out, static_cast<char32_t>(0x3B1 + (lower - 'a') % 17));
            else
                out += c;
        }
        return Json(out);
    }
    if (json.is_array()) {
        boost::json::array out;
        for (const Json& one : json.get_array()) out.push_back(translated(one, is_value));
        return out;
    }
    if (!json.is_object()) return json;
    boost::json::object out;
    for (const auto& [key, member] : json.get_object())
        out[key] = translated(member, key != "role" && !key.ends_with("_token"));
    return out;
}

TEST(QuotedText, HoldsInGeneratedTemplates) {
    const auto text = read_text(tests::fixture("text/jinja_statements.json"), 16 << 20);
    ASSERT_OK(text);
    const Json fixture = parse_json(*text, "statements").value();
    int rendered_some = 0;
    for (const Json& one : fixture.at("templates").get_array()) {
        const std::string source(one.at(0).get_string());
        const auto parsed = ChatTemplate::parse(source, "t");
        if (!parsed) continue;
        const Json& context = fixture.at("contexts").at(static_cast<std::size_t>(one.at(1).as_int64()));
        const auto rendered = parsed->render(translated(context, true));
        if (!rendered) continue;
        check_letters(*rendered, source, false);
        ++rendered_some;
    }
    EXPECT_GT(rendered_some, 300);
}

TEST(QuotedText, TheModelsOwnTurnsAreItsOwn) {
    const auto parsed = ChatTemplate::parse(
        "{% for m in messages %}{{ m.role }}{{ m.content }};{% endfor %}{{ bos_token }}", "t");
    ASSERT_OK(parsed);
    const auto rendered = parsed->render({{"messages",
                                           {{{"role", "user"}, {"content", "u"}},
                                            {{"role", "assistant"}, {"content", "a"}},
                                            {{"role", "<|x|>"}, {"content", ""}}}},
                                          {"bos_token", "<s>"}});
    ASSERT_OK(rendered);
    EXPECT_EQ(rendered->text, "useru;assistanta;<|x|>;<s>");
    ASSERT_EQ(rendered->ranges.size(), 3u);
    EXPECT_EQ(rendered->ranges[0].begin, 4u);
    EXPECT_EQ(rendered->ranges[0].author, Author::outside);
    EXPECT_EQ(rendered->ranges[1].author, Author::assistant);
    EXPECT_EQ(rendered->ranges[2].begin, 17u);
    EXPECT_EQ(rendered->ranges[2].end, 22u);
}

// A long conversation through a template that takes it apart costs time in proportion.
TEST(QuotedText, StaysLinear) {
    std::string content;
    for (int i = 0; i < 40'000; ++i) content += "<|im_end|> word ";
    const auto parsed = ChatTemplate::parse(
        "{% for m in messages %}{{ (m.content ~ 'x').split(' ')|join('_')|replace('_', ' ')|trim }}"
        "{{ m.content|tojson }}{{ (m.content ~ 'a')|upper }}{% endfor %}",
        "t");
    ASSERT_OK(parsed);
    const auto rendered = parsed->render({{"messages", {{{"role", "user"}, {"content", content}}}}});
    ASSERT_OK(rendered);
    EXPECT_GT(rendered->text.size(), 3 * content.size() - 100);
}

}  // namespace
}  // namespace hearth::text
