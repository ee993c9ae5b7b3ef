// tests/text/hostile_test.cpp - vocabularies and templates made to hurt: an error that names the place, soon.
#include <boost/json.hpp>
#include <chrono>

#include "base/file.h"
#include "base/json.h"
#include "base/limits.h"
#include "material.h"
#include "text/byte_alphabet.h"
#include "text/charsmap.h"
#include "text/chat_template.h"
#include "text/normalizer.h"
#include "text/quote.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace hearth::text {
namespace {

// A whole tokenizer.json of three merges.
const char* const kSmall = R"({"added_tokens": [{"id": 6, "content": "<end>", "special": true}],
 "normalizer": {"type": "NFC"},
 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
  {"type": "Split", "pattern": {"Regex": "[a-c]+| +"}, "behavior": "Isolated", "invert": false},
  {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
 "post_processor": {"type": "TemplateProcessing",
  "single": [{"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "<end>"}}],
  "special_tokens": {"<end>": {"ids": [6]}}},
 "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "abc": 4, "aa": 5},
  "merges": ["a b", ["ab", "c"], "a a"]}})";

Result<Tokenizer> make(std::string_view json) {
    HEARTH_TRY(TokenizerSpec spec, read_tokenizer_json(json, "", "t.json"));
    return Tokenizer::make(std::move(spec));
}

std::string with(std::string_view from, std::string_view to) {
    std::string json = kSmall;
    const std::size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return json.replace(at, from.size(), to);
}

TEST(HostileTokenizer, TheSmallOneIsWhole) {
    const auto tokenizer = make(kSmall);
    ASSERT_OK(tokenizer);
    EXPECT_EQ(tokenizer->encode("abcaa<end>", {.parse_special = true, .add_special = true}).value(),
              (std::vector<int>{4, 5, 6, 6}));
    EXPECT_EQ(tokenizer->encode("d").error().fault, Fault::unsupported);  // a byte without a token
}

TEST(HostileTokenizer, TruncationAtEveryByteIsAnError) {
    const std::string whole = kSmall;
    for (std::size_t n = 0; n < whole.size(); ++n) {
        const auto made = make(std::string_view(whole).substr(0, n));
        ASSERT_FALSE(made.has_value()) << n;
        EXPECT_NE(made.error().message.find("t.json"), std::string::npos);
    }
}

TEST(HostileTokenizer, EachFaultNamesItsPlace) {
    const std::pair<std::string, const char*> cases[] = {
        {with("\"a b\"", "\"a x\""), "merge 0"},
        {with("\"a b\"", "\"a  b\""), "/merges/0"},
        {with("\"a b\"", "\"ab\""), "/merges/0"},
        {with("\"a b\"", "\" b\""), "/merges/0"},
        {with("\"a b\"", "7"), "/merges/0"},
        {with("\"a b\"", "[\"a\"]"), "/merges/0"},
        {with("\"a b\"", "[\"\", \"a\"]"), "/merges/0"},
        {with("\"a b\"", "\"b a\""), "merge 0"},  // "ba" is no token
        {with("\"abc\": 4", "\"abc\": 3"), "abc"},
        {with("\"abc\": 4", "\"abc\": -1"), "abc"},
        {with("\"abc\": 4", "\"abc\": 4.5"), "abc"},
        {with("\"abc\": 4", "\"abc\": 2147483647"), "abc"},
        {with("\"abc\": 4", "\"abc\": 9223372036854775807"), "abc"},
        {with("\"abc\": 4", "\"abc\": 18446744073709551615"), "abc"},
        {with("\"abc\": 4", "\"\": 4"), "vocab"},
        {with("{\"a\": 0, \"b\": 1, \"c\": 2, \"ab\": 3, \"abc\": 4, \"aa\": 5}", "[]"), "vocab"},
        {with("\"id\": 6", "\"id\": -6"), "added_tokens/0/id"},
        {with("\"id\": 6", "\"id\": 4000000000"), "added_tokens/0/id"},
        {with("\"<end>\", \"special\"", "\"\", \"special\""), "added token 0"},
        {with("\"ids\": [6]", "\"ids\": [600]"), "post-processor"},
        {with("\"ids\": [6]", "\"ids\": 6"), "ids"},
        {with("\"type\": \"NFC\"", "\"type\": \"Uppercase\""), "normalizer"},
        {with("\"type\": \"Split\"", "\"type\": \"UnicodeScript\""), "pre_tokenizer/pretokenizers/0"},
        {with("\"type\": \"Split\"", "\"type\": [\"UnicodeScripts\"]"), "pretokenizers/0/type"},
        {with("\"type\": \"Split\"", "\"kind\": \"UnicodeScripts\""), "pre_tokenizer/pretokenizers/0"},
        {with("\"Isolated\"", "\"Nowhere\""), "pre_tokenizer/pretokenizers/0"},
        {with("[a-c]+| +", "[a-c"), "pre-tokenizer 0"},
        {with("\"type\": \"ByteLevel\"", "\"type\": \"UnicodeScript\""), "pretokenizers/1"},
        {with("\"type\": \"BPE\"", "\"type\": \"Unigram\""), "/model"},
        {with("\"type\": \"BPE\"", "\"type\": 3"), "/model/type"},
        {"{}", "model"},
        {"[]", "t.json"},
        {"null", "t.json"},
    };
    for (const auto& [json, place] : cases) {
        const auto made = make(json);
        ASSERT_FALSE(made.has_value()) << json;
        EXPECT_NE(made.error().message.find(place), std::string::npos) << made.error().message;
        EXPECT_TRUE(made.error().fault == Fault::corrupt || made.error().fault == Fault::unsupported ||
                    made.error().fault == Fault::out_of_range)
            << made.error().message;
    }
}

TEST(HostileTokenizer, MessagesQuoteAnyBytesOnOneLine) {
    EXPECT_EQ(quoted("a\n\"\\\t\x01"), R"("a\n\"\\\t\u{1}")");
    EXPECT_EQ(quoted("\xC3"), R"("\xc3")");
    EXPECT_EQ(quoted("\xE2\x82z"), R"("\xe2\x82z")");
    EXPECT_EQ(quoted("\u00e9\u00e9\u00e9", 4), "\"\u00e9\u00e9...\"");
    EXPECT_EQ(quoted("\u00e9\u00e9\u00e9", 5), "\"\u00e9\u00e9...\"");
    const auto text =
        ChatTemplate::parse("{{ raise_exception('a\nb') }}", "t").value().render(boost::json::object());
    EXPECT_EQ(text.error().message, "t: line 1: the template refuses: a b");
    EXPECT_FALSE(ChatTemplate::parse("{{ 'c\\x0\xc4\x87' }}", "t").has_value());
    EXPECT_FALSE(ChatTemplate::parse("{{ '\\ud800' }}", "t").has_value());
}

TEST(HostileTokenizer, DeepJsonIsAnError) {
    std::string deep(100'000, '[');
    EXPECT_FALSE(make(deep).has_value());
    std::string objects;
    for (int i = 0; i < 100'000; ++i) objects += "{\"model\":";
    EXPECT_FALSE(make(objects).has_value());
}

TEST(HostileTokenizer, ARunawayPatternStops) {
    const auto tokenizer = make(with("[a-c]+| +", "(a+)+$"));
    ASSERT_OK(tokenizer);
    const auto start = std::chrono::steady_clock::now();
    const auto ids = tokenizer->encode(std::string(5'000, 'a') + "b");
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    ASSERT_FALSE(ids.has_value());
    EXPECT_EQ(ids.error().fault, Fault::out_of_range);
    EXPECT_LT(took.count(), 20.0);
    EXPECT_FALSE(make(with("[a-c]+| +", std::string(kPatternBytesMax + 1, 'a'))).has_value());
    EXPECT_OK(make(with("[a-c]+| +", std::string(kPatternBytesMax, 'a'))));
}

TEST(HostileTokenizer, OddGgufVocabularies) {
    GgufVocabulary good;
    good.where = "v.gguf";
    good.model = "gpt2";
    good.pre = "gpt-2";
    good.tokens = {"a", "b", "ab", "<s>"};
    good.token_types = {1, 1, 1, 3};
    good.merges = {"a b"};
    good.bos = 3;
    good.add_bos = true;
    const auto make_it = [](GgufVocabulary v) -> Result<Tokenizer> {
        HEARTH_TRY(TokenizerSpec spec, spec_from_gguf(std::move(v)));
        return Tokenizer::make(std::move(spec));
    };
    const auto whole = make_it(good);
    ASSERT_OK(whole);
    EXPECT_EQ(whole->encode("ab", {.add_special = true}).value(), (std::vector<int>{3, 2}));
    const auto broken = [&](auto&& change, const char* place) {
        GgufVocabulary v = good;
        change(v);
        const auto made = make_it(std::move(v));
        ASSERT_FALSE(made.has_value()) << place;
        EXPECT_NE(made.error().message.find(place), std::string::npos) << made.error().message;
    };
    using V = GgufVocabulary;
    broken(
        [](V& v) {
            v.tokens.clear();
            v.token_types.clear();
            v.bos.reset();
        },
        "tokens");
    broken([](V& v) { v.tokens[1] = "a"; }, "token 1");
    broken([](V& v) { v.token_types.pop_back(); }, "token_type");
    broken([](V& v) { v.merges = {"a"}; }, "merges[0]");
    broken([](V& v) { v.merges = {"a "}; }, "merges[0]");
    broken([](V& v) { v.merges = {""}; }, "merges[0]");
    broken([](V& v) { v.merges = {"a c"}; }, "merge 0");
    broken([](V& v) { v.bos = 4; }, "bos_token_id");
    broken([](V& v) { v.bos = -1; }, "bos_token_id");
    broken([](V& v) { v.eos = 1'000'000'000'000; }, "eos_token_id");
    broken([](V& v) { v.pre = "of-tomorrow"; }, "tokenizer.ggml.pre");
    broken([](V& v) { v.model = "rwkv"; }, "tokenizer.ggml.model");
    broken([](V& v) { v.model = "llama"; }, "a score for each");
    broken([](V& v) { v.model = "t5", v.charsmap = "abc", v.scores = {0, 0, 0, 0}; }, "normalizer 0");
    broken([](V& v) { v.tokens[3] = "\xFF"; }, "added token 0");
}

// Every prefix of the file, and every byte of its first part at 0, 1, 127, 128 and 255: an error or a
// tokenizer, at once; an error names the file.
template <class Read>
void survives(const std::string& whole, Read&& read, std::size_t n_changed) {
    const auto check = [&](const std::string& bytes) {
        auto spec = read(bytes);
        if (!spec) {
            EXPECT_NE(spec.error().message.find("file"), std::string::npos) << spec.error().message;
            return;
        }
        const auto tokenizer = Tokenizer::make(std::move(*spec));
        if (tokenizer) static_cast<void>(tokenizer->encode("Hello \u4f60 world"));
    };
    for (std::size_t n = 0; n < std::min(whole.size(), n_changed * 2); ++n) check(whole.substr(0, n));
    for (std::size_t at = 0; at < std::min(whole.size(), n_changed); ++at)
        for (const int value : {0, 1, 127, 128, 255}) {
            std::string bytes = whole;
            bytes[at] = static_cast<char>(value);
            check(bytes);
        }
}

TEST(HostileTokenizer, SentencePieceModelsCutAndChanged) {
    const std::string whole = read_text(tests::fixture("text/families/spm_bpe.model"), 1 << 24).value();
    const auto read = [](const std::string& bytes) { return read_sentencepiece_model(bytes, "file"); };
    survives(whole, read, 300);
    for (std::size_t n = whole.size() - 400; n < whole.size(); ++n) {  // the settings stand at the end
        std::string bytes = whole;
        bytes[n] = static_cast<char>(bytes[n] ^ 0x55);
        static_cast<void>(read(bytes));
    }
    EXPECT_FALSE(
        read("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01").has_value());  // a piece of 2^64 - 1 bytes
    EXPECT_FALSE(read(std::string(11, '\xff')).has_value());
    EXPECT_FALSE(read("\x0a\x00").has_value());  // a piece without a text
}

TEST(HostileTokenizer, TekkenFilesCutAndChanged) {
    std::string whole = read_text(tests::fixture("text/families/tekken.tekken.json"), 1 << 24).value();
    survives(
        whole, [](const std::string& bytes) { return read_tekken_json(bytes, "file"); }, 900);
}

TEST(HostileTokenizer, CharacterMapsThatPointAnywhere) {
    const auto map = [](std::vector<std::uint32_t> units, std::string_view tail) {
        const auto n = static_cast<std::uint32_t>(units.size() * 4);
        std::string bytes(reinterpret_cast<const char*>(&n), 4);
        bytes.append(reinterpret_cast<const char*>(units.data()), n).append(tail);
        return Charsmap::make(bytes, "file");
    };
    EXPECT_FALSE(Charsmap::make("", "file").has_value());
    EXPECT_FALSE(Charsmap::make(std::string("\xff\xff\xff\xff", 4), "file").has_value());
    EXPECT_FALSE(Charsmap::make(std::string(8, '\0').replace(0, 1, "\x03"), "file").has_value());
    EXPECT_FALSE(map({}, "").has_value());
    EXPECT_FALSE(map({0}, "abc").has_value());  // no zero at the end
    for (const std::uint32_t unit :
         {0u, 1u, 0x161u, 0x7fffff61u, 0xffffffffu, 0x80000000u, 0x80000161u, 0x561u}) {
        std::vector<std::uint32_t> units(256, unit);
        units[0] = 0x400;
        const auto made = map(units, std::string_view("x\0", 2));
        ASSERT_OK(made);
        for (const std::string_view text : {"", "a", "aaaa", "\x01\x02"}) {
            static_cast<void>(made->longest(text));
            static_cast<void>(made->shortest(text));
        }
    }
}

TEST(HostileTokenizer, MergesThatLeadNowhere) {
    // A whole that is one of its parts: "##" alone continues a word by nothing.
    const auto made =
        make(R"({"model": {"type": "BPE", "vocab": {"a": 0, "##": 1, "b": 2}, "merges": [["a", "##"]],
        "continuing_subword_prefix": "##", "unk_token": "b"}})");
    ASSERT_FALSE(made.has_value());
    EXPECT_NE(made.error().message.find("merge 0"), std::string::npos) << made.error().message;
}

TEST(HostileTokenizer, AMegabyteOfMarksNormalizesInTime) {
    std::string marks = "a";
    while (marks.size() < 1'000'000) marks += "\u0301\u0327";  // out of order, each pair
    const auto start = std::chrono::steady_clock::now();
    const std::string normal = normal_form(marks, NormalizerStep::Kind::nfd);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    EXPECT_EQ(normal.size(), marks.size());
    EXPECT_EQ(normal.substr(0, 5), "a\u0327\u0327");
    EXPECT_LT(took.count(), 5.0);
}

// Templates.

// Each token takes along white space that the tokens after it stand in: still linear.
TEST(HostileTokenizer, TokensThatShareAMegabyteOfWhiteSpace) {
    for (const bool left : {false, true}) {
        TokenizerSpec spec;
        spec.where = "test";
        for (const char32_t letter : kLetterOfByte) append_code_point(spec.tokens.emplace_back(), letter);
        TokenizerSpec::Added token;
        token.id = static_cast<int>(spec.tokens.size());
        token.content = "\n\n";
        token.rstrip = true;
        token.lstrip = left;
        spec.added.push_back(token);
        spec.tokens.emplace_back("\n\n");
        const auto tokenizer = Tokenizer::make(std::move(spec));
        ASSERT_OK(tokenizer);
        const auto ids = tokenizer->encode(std::string(1'000'000, '\n') + "x");
        ASSERT_OK(ids);
        EXPECT_EQ(ids->back(), 'x');
    }
}

Result<std::string> render(std::string_view source) {
    HEARTH_TRY(const ChatTemplate parsed, ChatTemplate::parse(source, "t.jinja"));
    HEARTH_TRY(QuotedText rendered, parsed.render({{"messages", boost::json::array{}}}));
    return std::move(rendered.text);
}

std::string repeated(std::string_view text, int n) {
    std::string out;
    for (int i = 0; i < n; ++i) out += text;
    return out;
}

TEST(HostileTemplate, BudgetsStopIt) {
    const std::string ten = repeated("{% for i in range(100000) %}", 3) + repeated("{% endfor %}", 3);
    const std::string cases[] = {
        "{{ range(10**9) }}",
        "{{ range(0, 10**18, 1) }}",
        "{{ range(-9223372036854775807, 9223372036854775807) }}",
        "{{ 'A' * 10**9 }}",
        "{{ [0] * 10**9 }}",
        "{{ 'A' * 10**18 }}",
        "{{ [1, 2] * 9223372036854775807 }}",
        "{{ 10 ** (10 ** 10) }}",
        "{{ 2 ** (2 ** 70) }}",
        "{{ (-2) ** 1048576 }}",
        "{{ range(-(2 ** 70), 2 ** 70) }}",
        "{% set ns = namespace(n=2) %}{% for i in range(64) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
        "{% set n = 3 ** 600000 %}{% for i in range(1000) %}{% set m = n // 7 ** 100000 %}{% endfor %}",
        "{{ 'x'.center(10**12) }}",
        "{{ 'x'.zfill(10**12) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ 'a'|indent(10**10, true) }}",
        "{{ [1]|tojson(indent=10**10) }}",
        "{{ [1]|batch(10**12, 0)|list }}",
        "{{ [1]|slice(10**12)|list }}",
        "{{ 'a\tb'.expandtabs(10**9) }}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% macro f(x) %}{{ f([x]) }}{% endmacro %}{{ f(1) }}",
        "{% macro f() %}{% call f() %}{% endcall %}{{ caller is defined }}{% endmacro %}{{ f() }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(64) %}{% set ns.s = ns.s ~ ns.s %}{% endfor "
        "%}",
        "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(64) %}{% set ns.s = ns.s|replace('a', ns.s) "
        "%}{% endfor %}",
        "{% set ns = namespace(s=[0]) %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[0]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}",
        "{% set ns = namespace(s={}) %}{% for i in range(100000) %}{% set ns.s = {'a': ns.s} %}{% endfor %}",
        "{% set ns = namespace(s='') %}{% for i in range(100000) %}{% set ns.s = [ns.s].index %}{% endfor %}",
        "{% set ns = namespace(s='a') %}{% for i in range(100000) %}{% set ns.s = cycler(ns.s) %}{% endfor "
        "%}",
        ten};
    for (const std::string& source : cases) {
        const auto start = std::chrono::steady_clock::now();
        const auto text = render(source);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        EXPECT_FALSE(text.has_value()) << source;
        if (!text) {
            EXPECT_EQ(text.error().fault, Fault::out_of_range) << source << "\n" << text.error().message;
            EXPECT_NE(text.error().message.find("t.jinja: line 1"), std::string::npos)
                << text.error().message;
        }
        // All steps of the budget, under sanitizers and on a busy machine, at worst.
        EXPECT_LT(took.count(), source == ten ? 300.0 : 10.0) << source;
    }
}

TEST(HostileTemplate, DeepSourceIsAnError) {
    const std::string cases[] = {"{{ " + repeated("(", 100'000) + repeated(")", 100'000) + " }}",
                                 "{{ " + repeated("[", 100'000) + " }}",
                                 "{{ " + repeated("not ", 100'000) + "1 }}",
                                 "{{ " + repeated("-", 100'000) + "1 }}",
                                 "{{ 1" + repeated("+1", 100'000) + " }}",
                                 "{{ 1" + repeated("|abs", 100'000) + " }}",
                                 "{{ x" + repeated(".y", 100'000) + " }}",
                                 "{{ x" + repeated("[0]", 100'000) + " }}",
                                 "{{ x" + repeated("()", 100'000) + " }}",
                                 "{{ 1" + repeated(" if 1 else 1", 100'000) + " }}",
                                 "{{ 1" + repeated(" if 1", 100'000) + " }}",
                                 "{{ 1" + repeated(" or 1", 100'000) + " }}",
                                 "{{ 1" + repeated("**1", 100'000) + " }}",
                                 "{{ 1" + repeated(" is eq 1", 100'000) + " }}",
                                 repeated("{% if 1 %}", 100'000),
                                 repeated("{% for x in y %}", 100'000),
                                 "{% for " + repeated("(", 100'000) + "x in y %}",
                                 "{% set " + repeated("(", 100'000) + "x = y %}",
                                 "{% set x " + repeated("|upper", 100'000) + " %}{% endset %}"};
    for (const std::string& source : cases) {
        const auto parsed = ChatTemplate::parse(source, "t.jinja");
        EXPECT_FALSE(parsed.has_value()) << source.substr(0, 40);
    }
    EXPECT_FALSE(ChatTemplate::parse(std::string(kTemplateSourceBytesMax + 1, 'a'), "t.jinja").has_value());
    EXPECT_TRUE(ChatTemplate::parse(std::string(kTemplateSourceBytesMax, 'a'), "t.jinja").has_value());
}

TEST(HostileTemplate, ChainsThatAreLongButFlatWork) {
    EXPECT_EQ(render("{{ ''" + repeated(" ~ 'a'", 10'000) + " }}").value(), std::string(10'000, 'a'));
    EXPECT_EQ(render("{{ [" + repeated("1,", 10'000) + "]|length }}").value(), "10000");
    EXPECT_EQ(render(repeated("{% if true %}a{% endif %}", 10'000)).value(), std::string(10'000, 'a'));
    EXPECT_OK(render("{{ 1" + repeated("+1", 150) + " }}"));
    // As deep as the parser allows, in every level of a recursion as deep as the interpreter allows.
    const std::string nested = repeated("(", 60) + "f(n - 1)" + repeated(")", 60);
    EXPECT_FALSE(render("{% macro f(n) %}{{ " + repeated("[", 40) + "f(n)" + repeated("]", 40) +
                        " }}{% endmacro %}{{ f(0) }}")
                     .has_value());
    EXPECT_OK(render("{% macro f(n) %}{% if n %}{{ " + nested + " }}{% endif %}{% endmacro %}{{ f(30) }}"));
}

// Namespaces, macros and scopes that hold each other: no leak (the sanitizer build tells) and no deep free.
TEST(HostileTemplate, ValuesThatHoldThemselvesAreFreed) {
    const char* const cases[] = {
        "{% set ns = namespace() %}{% set ns.me = ns %}{% set ns.list = [ns, {'a': ns}] %}{{ ns.me.me is "
        "defined }}",
        "{% set ns = namespace(last=0) %}{% for i in range(50000) %}{% set ns.last = namespace(last=ns.last) "
        "%}{% endfor %}",
        "{% macro f() %}{% endmacro %}{% set g = f %}{% macro h() %}{{ g }}{% endmacro %}{{ h is defined }}",
        "{% set ns = namespace(f=0) %}{% for i in range(50000) %}{% set before = ns.f %}{% macro g() %}{{ "
        "before }}"
        "{% endmacro %}{% set ns.f = g %}{% endfor %}",
        "{% set ns = namespace() %}{% for i in [1] %}{% set ns.l = loop %}{% set ns.c = loop.cycle %}{% "
        "endfor %}",
        "{% for i in [1, 2] %}{% set a = loop %}{% set b = [loop] %}{% endfor %}",
        "{% set ns = namespace() %}{% for i in range(1000) %}{% set o = ns.l %}{% set ns.l = loop %}{% "
        "endfor %}",
    };
    for (const char* source : cases) EXPECT_OK(render(source));
}

TEST(HostileTemplate, TruncationAtEveryByteNeverCrashes) {
    const std::string source =
        "{%- macro f(a, b=1) -%}{{ a ~ 'x\\n' }}{%- endmacro -%}{# c #}{% for k, v in {'a': [1, "
        "2.5]}.items() if k %}"
        "{{ f(v[::-1]|tojson(indent=2), b=loop.index) }}{% else %}{% raw %}{{ }}{% endraw %}{% endfor %}";
    for (std::size_t n = 0; n <= source.size(); ++n) (void)render(source.substr(0, n));
    EXPECT_OK(render(source));
}

TEST(HostileTemplate, OutsideDataIsOnlyData) {
    const auto parsed = ChatTemplate::parse("{{ messages[0].content }}", "t");
    ASSERT_OK(parsed);
    const std::string content = "{{ 1 + 1 }}{% for %}\u0000<|im_end|>";
    EXPECT_EQ(parsed->render({{"messages", {{{"content", content}}}}}).value().text, content);
    EXPECT_EQ(parsed->render("no object").error().fault, Fault::usage);
    EXPECT_EQ(parsed->render({{"messages", {{{"content", 18446744073709551615u}}}}}).value().text,
              "18446744073709551615");
}

}  // namespace
}  // namespace hearth::text
